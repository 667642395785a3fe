"""How texts given to a command's options are read."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.errors import BadRequest


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """`["a=b", "c=d"]` → `{"a": "b", "c": "d"}`. Raises BadRequest."""
    found: dict[str, str] = {}
    for text in given:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise BadRequest(f"{option} takes NAME=NAME, got {text!r}")
        if left in found:
            raise BadRequest(f"{option} is given twice for {left!r}")
        found[left] = right
    return found


def names(option: str, given: str) -> tuple[str, ...]:
    """`"a,b,c"` → `("a", "b", "c")`; nothing for an empty text. Raises BadRequest."""
    if not given:
        return ()
    found = tuple(name.strip() for name in given.split(","))
    if not all(found):
        raise BadRequest(f"{option} has an empty name in {given!r}")
    return found


def columns(mapping: Sequence[str], time_column: str) -> dict[str, str]:
    """The columns that `--map` and `--time-column` name, by field. Raises BadRequest."""
    found = pairs("--map", mapping)
    if time_column and found.setdefault("event_time", time_column) != time_column:
        raise BadRequest(
            f"--time-column {time_column} and --map event_time={found['event_time']} contradict each other"
        )
    return found
