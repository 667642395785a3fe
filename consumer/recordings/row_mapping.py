"""Which column means what, and how a row becomes the key, the value and the time of a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from consumer.errors import BadRequest
from consumer.recordings.event_times import NAMED_FORMATS, EventTime, time_parser

FIELDS = ("event_id", "user_id", "item_id", "event_type", "event_time", "session_id", "value")
"""Members of the standard event."""
_REQUIRED = ("user_id", "item_id", "event_type", "event_time")


class MappedRow(NamedTuple):
    key: bytes
    value: bytes
    time_ms: int  # 0 where the file has no times and none is needed
    number: int  # of the row: 1 is the first one after the header


class CellError(Exception):
    """One value that cannot be used; the message names column and value."""


@dataclass(frozen=True, slots=True)
class MappingPlan:
    """What the user asked for. A field that isn't mapped is taken from the column of its own name, if there is one."""

    columns: Mapping[str, str] = field(default_factory=dict)  # standard field → column of the file
    time_format: str = "rfc3339"
    event_types: Mapping[str, str] = field(default_factory=dict)  # the file's word → event type; others stay
    default_type: str = ""  # type of every event where the file has no such column; empty: it must have one
    keeps_names: bool = False  # rows go out under the file's own names, with all columns
    features: tuple[str, ...] = ()  # columns that become features of the event, under their own names
    numbers: frozenset[str] = frozenset()  # columns that become JSON numbers: features, or any under `keeps_names`
    needs_times: bool = True  # False only together with `keeps_names`


class RowMapper:
    """Turns rows into records. Raises BadRequest, with every problem named, if the plan doesn't fit the columns.

    `known` are the file's columns; empty if each row brings its own names.
    """

    def __init__(self, plan: MappingPlan, known: tuple[str, ...], event_id_prefix: str) -> None:
        self._plan = plan
        self._prefix = event_id_prefix
        self._parse_time = time_parser(plan.time_format)
        self._columns = {name: name for name in FIELDS if not known or name in known} | dict(plan.columns)
        problems = [*self._name_problems(), *(self._column_problems(known) if known else [])]
        if problems:
            raise BadRequest("the columns cannot be mapped:\n" + "\n".join(f"  - {p}" for p in problems))

    def record(self, number: int, row: Mapping[str, Any]) -> MappedRow:
        """The record of row `number`. Raises CellError."""
        user = self._text(row, "user_id")
        if self._plan.keeps_names:
            return self._under_own_names(number, user, row)
        time = self._time(row)
        event: dict[str, Any] = {
            "event_id": self._event_id(number, row),
            "user_id": user,
            "item_id": self._text(row, "item_id"),
            "event_type": self._event_type(row),
            "event_time": time.text,
        }
        if session := self._optional(row, "session_id"):
            event["session_id"] = session
        if self._cell(row, "value") not in ("", None):
            event["value"] = _number(self._columns["value"], self._cell(row, "value"))
        if features := self._features(row):
            event["features"] = features
        return MappedRow(user.encode(), msgspec.json.encode(event), time.ms, number)

    def _features(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the row's own member `features`, if it is an object, and the columns that become some."""
        own = row.get("features")
        cells = {name: row.get(name) for name in self._plan.features}
        return {
            **(own if isinstance(own, dict) else {}),
            **{name: self._feature(name, cell) for name, cell in cells.items() if cell not in ("", None)},
        }

    def _feature(self, name: str, cell: Any) -> str | int | float:
        """A text as it stands, unless it is to be a number; JSON numbers stay numbers."""
        if name in self._plan.numbers or not isinstance(cell, str):
            return _number(name, cell)
        return cell

    def _event_id(self, number: int, row: Mapping[str, Any]) -> str:
        """Repeating a replay, or a part of it, gives the same ids."""
        return self._optional(row, "event_id") or f"{self._prefix}-{number}"

    def _event_type(self, row: Mapping[str, Any]) -> str:
        if self._plan.default_type and self._cell(row, "event_type") in ("", None):
            return self._plan.default_type
        found = self._text(row, "event_type")
        return self._plan.event_types.get(found, found)

    def _time(self, row: Mapping[str, Any]) -> EventTime:
        text = self._text(row, "event_time")
        try:
            return self._parse_time(text)
        except (ValueError, OverflowError) as error:
            problem = f"column {self._columns['event_time']!r}: {text!r} is no time as {self._plan.time_format!r}"
            raise CellError(f"{problem}: {error}") from error

    def _under_own_names(self, number: int, user: str, row: Mapping[str, Any]) -> MappedRow:
        own = self._own_names(row)
        if not self._plan.needs_times:
            return MappedRow(user.encode(), msgspec.json.encode(own), 0, number)
        time = self._time(row)
        if self._plan.time_format not in NAMED_FORMATS:  # no worker reads times by a pattern
            own[self._columns["event_time"]] = time.text
        return MappedRow(user.encode(), msgspec.json.encode(own), time.ms, number)

    def _own_names(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """All columns as they are, but numbers where asked for; a number's empty cell is left out."""
        numbers = self._plan.numbers
        return {
            name: _number(name, cell) if name in numbers else cell
            for name, cell in row.items()
            if not (name in numbers and cell in ("", None))
        }

    def _cell(self, row: Mapping[str, Any], name: str) -> Any:
        return row.get(self._columns.get(name, name))

    def _optional(self, row: Mapping[str, Any], name: str) -> str:
        return "" if self._cell(row, name) in ("", None) else self._text(row, name)

    def _text(self, row: Mapping[str, Any], name: str) -> str:
        """The text of a cell that must hold some; JSON numbers are written as numbers are."""
        cell = self._cell(row, name)
        if isinstance(cell, str) and cell:
            return cell
        column = self._columns.get(name, name)
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return str(cell)
        if cell is None:
            raise CellError(f"column {column!r} ({name}) is missing; the row has {', '.join(row) or 'no columns'}")
        raise CellError(f"column {column!r} ({name}): {cell!r} is no text or number, or is empty")

    def _name_problems(self) -> list[str]:
        unknown = sorted(set(self._plan.columns) - set(FIELDS))
        problems = [f"{name!r} is no field of an event; those are {', '.join(FIELDS)}" for name in unknown]
        stray = sorted(self._plan.numbers - set(self._plan.features))
        if stray and not self._plan.keeps_names:
            problems.append(
                f"--numbers names {', '.join(stray)}, which --features doesn't: the standard event knows which of its "
                "own fields are numbers"
            )
        if self._plan.features and self._plan.keeps_names:
            problems.append("--features is for standard events: under --keep-names every column goes out as it is")
        return problems

    def _column_problems(self, known: tuple[str, ...]) -> list[str]:
        wanted = {*self._plan.columns.values(), *self._plan.numbers, *self._plan.features}
        problems = [f"there is no column {c!r}; the file has {', '.join(known)}" for c in sorted(wanted - set(known))]
        problems += [
            f"no column for {name}: name it with {'--time-column' if name == 'event_time' else f'--map {name}=COLUMN'}"
            f"; the file has {', '.join(known)}"
            for name in self._required()
            if name not in self._columns
        ]
        return problems

    def _required(self) -> list[str]:
        if self._plan.keeps_names:
            return ["user_id", *(["event_time"] if self._plan.needs_times else [])]
        return [name for name in _REQUIRED if not (name == "event_type" and self._plan.default_type)]


def _number(column: str, cell: Any) -> int | float:
    """A cell as a number: whole ones stay whole. Raises CellError."""
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return cell
    if isinstance(cell, str):
        for kind in (int, float):
            try:
                number = kind(cell)
            except ValueError:
                continue
            if math.isfinite(number):
                return number
    raise CellError(f"column {column!r}: {cell!r} is no finite number")
