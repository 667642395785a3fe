"""Settings that somebody wrote in order to do harm, or a program by mistake: refused in a moment, in plain words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from consumer.errors import BadSettings
from consumer.settings_loading import load

WriteFile = Callable[[str], Path]


def doubling(first: str, line: Callable[[str, list[str]], str], n: int = 9) -> str:
    """A first line and n more, each of which names the one before nine times."""
    return f"a: &a {first}\n" + "".join(
        line(name, [f"*{before}"] * 9) + "\n" for before, name in list(pairwise("abcdefghij"))[:n]
    )


LISTS = doubling("[1]", lambda name, nine: f"{name}: &{name} [{', '.join(nine)}]")
BOMBS = {
    "lists": LISTS,
    "mappings": doubling(
        "{x: 1}", lambda name, nine: f"{name}: &{name} {{{', '.join(f'k{i}: {one}' for i, one in enumerate(nine))}}}"
    ),
    "merged mappings": doubling("{x: 1}", lambda name, nine: f"{name}: [&{name} {{<<: [{', '.join(nine)}]}}]", 5),
    "a key of lists": LISTS + "? *j\n: 1\n",
    "many keys": "\n".join(f"k{n}: 1" for n in range(20_000)),
}
TOO_DEEP = {
    "lists": "[" * 50_000,
    "closed lists": "a: " + "[" * 400 + "]" * 400,
    "mappings": "{a: " * 5_000,
    "blocks": "\n".join(" " * n + "a:" for n in range(500)),
    "an alias of itself": "a: &a [*a]",
    "a mapping within itself": "a: &a {b: *a}",
    "aliases one in another": doubling("[1]", lambda name, nine: f"{name}: &{name} [[[{nine[0]}]]]"),
}


def complaint(file: Path) -> str:
    with pytest.raises(BadSettings) as caught:
        load([file], {})
    assert len(str(caught.value)) < 1_000
    return str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_counted_and_not_set_off(yaml_file: WriteFile, bomb: str) -> None:
    assert "comes to more than 20000 keys and values" in complaint(yaml_file(BOMBS[bomb]))


@pytest.mark.parametrize("text", TOO_DEEP)
def test_nesting_has_an_end(yaml_file: WriteFile, text: str) -> None:
    assert "it is nested without end" in complaint(yaml_file(TOO_DEEP[text]))


def test_an_alias_is_as_good_as_what_it_stands_for(yaml_file: WriteFile) -> None:
    settings = load([yaml_file("input: {event_types: {a: &one {weight: 3}, b: *one}}")], {})
    assert settings.input.event_types["b"].weight == 3


def test_a_file_that_never_ends_is_refused(yaml_file: WriteFile) -> None:
    assert "is longer than 1048576 bytes" in complaint(yaml_file("# " + "x" * (1 << 20)))
    assert "is longer than 1048576 bytes" in complaint(Path("/dev/zero"))


@pytest.mark.parametrize(
    "value", ["!!bool maybe", "!!int ''", "!!float ''", "!!timestamp soon", "!!python/object:a.b {}"]
)
def test_a_tag_that_does_not_fit_its_value_is_told(yaml_file: WriteFile, value: str) -> None:
    told = "batch.max_events: has a value or key that cannot be read"
    assert told in complaint(yaml_file(f"batch: {{max_events: {value}}}"))
    with pytest.raises(BadSettings, match=told):
        load([], {"FRESHRANK__BATCH__MAX_EVENTS": value})


@pytest.mark.parametrize("text", ["!!bool maybe", "!!float ''", "[" * 5_000, "x" * 20_000, "\ud800", "a\0b"])
def test_a_text_in_the_environment_may_be_anything(text: str) -> None:
    with pytest.raises(BadSettings, match="model"):
        load([], {"FRESHRANK__MODEL": text})


def test_the_name_of_a_secrets_file_may_be_anything() -> None:
    with pytest.raises(BadSettings, match="cannot be the name of a file"):
        load([], {"FRESHRANK__KAFKA__SASL__PASSWORD_FILE": "a\0b"})
