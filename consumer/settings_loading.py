"""Settings put together from files and the environment, checked, and shown.

A later source wins, value by value: defaults, the files in their order, the environment. Mappings are merged, but those
whose keys are the user's own (event types, client properties) inherit nothing from the defaults: who lists event types
means these and no others. Lists are replaced whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from consumer.errors import BadSettings
from consumer.settings import Settings
from consumer.settings_schema import (
    KeyPath,
    is_free_mapping,
    is_number,
    is_secret,
    is_section,
    nearest,
    section_at,
    type_at,
)
from consumer.settings_sources import Given, Problem, read_environment, read_file

_DEFAULTS = "defaults"
_HIDDEN = "***"


def load(files: Sequence[Path], environment: Mapping[str, str]) -> Settings:
    """The settings of these files and of the environment's `FRESHRANK__SECTION__KEY` variables.

    Raises BadSettings with every problem, each with where it was written, its key and what is wrong. Combinations of
    settings are judged only once each of them is right by itself.
    """
    merged = _Merged()
    problems: list[Problem] = []
    for file in files:
        given, found = read_file(file)
        problems += found
        problems += merged.add(given)
    variables, found = read_environment(environment, merged.free_keys())
    problems += found
    for variable in variables:
        merged.seed_free_mapping_above(variable.path)
        problems += merged.add(variable.given)
    is_whole = not problems
    try:
        settings = Settings.model_validate(merged.tree())
    except ValidationError as error:
        problems += _explained(error, merged, is_whole)
    if problems:
        raise BadSettings(list(dict.fromkeys(str(problem) for problem in problems)))
    return settings


def shown(settings: Settings) -> str:
    """The settings in force as YAML that `load` reads, with secrets as `***`."""
    return yaml.safe_dump(_shown(settings.model_dump(), ()), sort_keys=False, allow_unicode=True, width=120)


class _Merged:
    """What all sources give so far, by path: no entry lies below another."""

    def __init__(self) -> None:
        self._given: dict[KeyPath, Given] = {}

    def add(self, given: Iterable[Given]) -> list[Problem]:
        """Lay these over what is there; gives back those that cannot stand where they are."""
        problems = []
        for one in given:
            what = _misplaced(one)
            if what:
                problems.append(Problem(one.path, what, one.origin))
            elif not _says_nothing(one):
                self._put(one)
        return problems

    def seed_free_mapping_above(self, path: KeyPath) -> None:
        """A variable for a single entry changes that one; the other entries come from the defaults if from nowhere."""
        for end in range(1, len(path)):
            if is_free_mapping(type_at(path[:end])) and not list(self.below(path[:end])):
                for entry in _leaves(_at(Settings().model_dump(), path[:end]), path[:end]):
                    self._put(entry)

    def below(self, path: KeyPath) -> Iterator[Given]:
        """What is given there or below."""
        return (one for at, one in self._given.items() if at[: len(path)] == path)

    def free_keys(self) -> dict[KeyPath, list[str]]:
        keys: dict[KeyPath, list[str]] = {}
        for path in self._given:
            for end in range(1, len(path)):
                if is_free_mapping(type_at(path[:end])):
                    keys.setdefault(path[:end], []).append(str(path[end]))
        return keys

    def tree(self) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        for path, one in self._given.items():
            place = tree
            for part in path[:-1]:
                place = place.setdefault(str(part), {})
            place[str(path[-1])] = one.value
        return tree

    def _put(self, one: Given) -> None:
        if one.value == {} and list(self.below(one.path)):
            return  # merging an empty mapping changes nothing
        covered = [at for at in self._given if at == one.path[: len(at)] or one.path == at[: len(one.path)]]
        for at in covered:
            del self._given[at]
        self._given[one.path] = one


def _misplaced(one: Given) -> str | None:
    declared = type_at(one.path)
    is_mapping = section_at(one.path) is not None or is_free_mapping(declared)
    # An event type may also be given by its weight alone.
    is_short_form = len(one.path) > 1 and is_free_mapping(type_at(one.path[:-1]))
    if is_mapping and not is_short_form and not isinstance(one.value, dict | None):
        return f"is a section: it takes keys below it, not {_displayed(one.value)}"
    if is_number(declared) and isinstance(one.value, bool):
        return f"must be a number, got {_displayed(one.value)}"
    return None


def _says_nothing(one: Given) -> bool:
    """`input:` with every line below it commented out, or `input: {}`."""
    declared = type_at(one.path)
    if one.value is None:
        return is_section(declared) or is_free_mapping(declared)
    return one.value == {} and is_section(declared)


def _leaves(value: Any, path: KeyPath) -> Iterator[Given]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    else:
        yield Given(path, value, _DEFAULTS)


def _at(tree: Any, path: KeyPath) -> Any:
    for part in path:
        tree = tree[part]
    return tree


def _explained(error: ValidationError, merged: _Merged, is_whole: bool) -> Iterator[Problem]:
    """Pydantic's errors in the words of a settings file.

    Where a source could not be read as a whole, nothing is said about what is missing or does not fit together.
    """
    for detail in error.errors(include_url=False):
        path = _known_part(detail)
        if not is_whole and (detail["type"] == "missing" or section_at(path)):
            continue
        for what in _what(detail, path):
            yield Problem(path, what, _origin(path, merged))


def _known_part(detail: ErrorDetails) -> KeyPath:
    """The place without the names that pydantic adds for the options of a union."""
    location = detail["loc"]
    if detail["type"] == "extra_forbidden":
        return location
    end = 0
    while end < len(location) and type_at(location[: end + 1]) is not None:
        end += 1
    return location[:end]


def _what(detail: ErrorDetails, path: KeyPath) -> list[str]:
    if detail["type"] == "extra_forbidden":
        meant = nearest(path)
        return [f"there is no such setting; did you mean {meant}?" if meant else "there is no such setting"]
    if detail["type"] == "missing":
        return ["is required"]
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"]).splitlines()
    rule = re.sub(r"^\w+ should", "must", detail["msg"])
    is_showable = not isinstance(detail["input"], dict) and not is_secret(path)
    return [f"{rule}, got {_displayed(detail['input'])}" if is_showable else rule]


def _origin(path: KeyPath, merged: _Merged) -> str:
    """Who gave it, or what lies below it; where nobody did, who gave something around it."""
    given = list(merged.below(path))
    while path and not given:
        path = path[:-1]
        given = list(merged.below(path))
    if len(given) == 1:
        return given[0].origin
    return ", ".join(dict.fromkeys(one.source for one in given)) or _DEFAULTS


def _displayed(value: Any) -> str:
    """As YAML would write it."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def _shown(value: Any, path: KeyPath) -> Any:
    if isinstance(value, dict):
        return {key: _shown(inner, (*path, key)) for key, inner in value.items()}
    if isinstance(value, tuple):
        return list(value)
    if value is not None and (isinstance(value, SecretStr) or is_secret(path)):
        return _HIDDEN
    return value
