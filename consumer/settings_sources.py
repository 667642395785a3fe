"""Where settings are read from: YAML files and the environment.

Both give `Given`s, the single values that somebody wrote, and `Problem`s; nothing here raises for a user's mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from consumer.settings_schema import KeyPath, dotted, is_secret, is_text, keys_of, section_at, type_at

PREFIX = "FRESHRANK__"
_SEPARATOR = "__"
_NAMED = re.compile(r"(alias|anchor|handle) '.*?'")
_DEEPEST = 16
"""Levels of a document: far below any setting."""
_ENDLESS = "it is nested without end"
_MOST_NODES = 20_000
"""Keys and values of a document, those behind an alias counted wherever it stands: far more than there are settings."""
_MOST_BYTES = 1 << 20
_MOST_TEXT = 10_000
"""Characters of a text that may be YAML's `null` or a text in quotes."""
_WRONG_VALUE = (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError)
"""What PyYAML raises for a tag that is not known, a merge key, an impossible date, or `!!bool maybe`."""


@dataclass(frozen=True, slots=True)
class Given:
    """One value as somebody wrote it: a scalar, a list or an empty mapping."""

    path: KeyPath
    value: Any
    source: str
    """The file, or the variable's name."""
    line: int | None = None

    @property
    def origin(self) -> str:
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, about which setting (the empty path: about all of the source), and where it was written."""

    path: KeyPath
    what: str
    origin: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin, dotted(self.path), self.what) if part)


@dataclass(frozen=True, slots=True)
class Variable:
    """What one variable of the environment says about `path`: itself, or values below it."""

    path: KeyPath
    given: Sequence[Given]


def read_file(file: Path) -> tuple[Sequence[Given], Sequence[Problem]]:
    """Every value of a YAML file, in its order."""
    reading = _YamlReading(str(file), has_lines=True)
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        reading.refuse((), f"cannot be read: {error.strerror}")
    else:
        reading.read_document(text)
    return reading.given, reading.problems


def read_environment(
    environment: Mapping[str, str], free_keys: Mapping[KeyPath, Sequence[str]]
) -> tuple[Sequence[Variable], Sequence[Problem]]:
    """Every `FRESHRANK__SECTION__KEY`, sorted by name; keys are found whatever their case.

    `free_keys` are those already in use in mappings whose keys are free; others of them are taken in lower case. A
    secret may also be given by `..._FILE`, the name of a file that holds it and perhaps a newline behind it.
    """
    variables: dict[KeyPath, tuple[str, Variable]] = {}
    problems: list[Problem] = []
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX):
            continue
        reading = _YamlReading(name, has_lines=False)
        path = _path(name[len(PREFIX) :], free_keys)
        secret = _named_by_file(path)
        if secret is not None:
            path = secret
            _read_secret_file(reading, path, environment[name])
        else:
            _read_text(reading, path, environment[name])
        if path in variables:
            reading.refuse(path, f"is given twice, by {variables[path][0]} too")
        variables[path] = name, Variable(path, reading.given)
        problems += reading.problems
    return [variable for _, variable in variables.values()], problems


class _YamlReading:
    """What one source gives, and what is wrong with it.

    Walks the nodes of YAML rather than its values: nodes know their lines, and show keys that are given twice.
    """

    def __init__(self, source: str, *, has_lines: bool) -> None:
        self._source = source
        self._has_lines = has_lines
        self.given: list[Given] = []
        self.problems: list[Problem] = []

    def give(self, path: KeyPath, value: Any, line: int | None = None) -> None:
        self.given.append(Given(path, value, self._source, line if self._has_lines else None))

    def refuse(self, path: KeyPath, what: str, line: int | None = None) -> None:
        self.problems.append(Problem(path, what, Given(path, None, self._source, line).origin))

    def read_document(self, text: bytes) -> None:
        """A whole file, which must be a mapping or empty."""
        loader, root = self._root(text, ())
        if isinstance(root, yaml.MappingNode):
            self._walk(loader, root, ())
        elif root is not None:
            self.refuse((), "must be a mapping of settings, `key: value`", self._line(root))

    def read_value(self, text: str, path: KeyPath) -> None:
        """A scalar, a list or a mapping in YAML's short form; nothing at all is null."""
        loader, root = self._root(text, path)
        if root is not None:
            self._walk(loader, root, path)
        elif not self.problems:
            self.give(path, None)

    def _root(self, text: bytes | str, path: KeyPath) -> tuple[yaml.SafeLoader, yaml.Node | None]:
        loader = yaml.SafeLoader(b"")
        if len(text) > _MOST_BYTES:
            self.refuse(path, f"is longer than {_MOST_BYTES} bytes")
            return loader, None
        try:
            loader = yaml.SafeLoader(text)
            root = loader.get_single_node()
            if root is None or _n_nodes(root) <= _MOST_NODES:
                return loader, root
            self.refuse(path, f"comes to more than {_MOST_NODES} keys and values")
        except RecursionError:
            self.refuse(path, f"is not valid YAML: {_ENDLESS}")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = ", ".join(part for part in (error.context, error.problem) if part)
            reason = _NAMED.sub(r"\1", reason)  # of a password that was not put in quotes
            self.refuse(path, f"is not valid YAML: {reason}", mark.line + 1 if mark and self._has_lines else None)
        except yaml.YAMLError as error:  # for example bytes that are not UTF-8
            self.refuse(path, f"is not valid YAML: {' '.join(str(error).split())}")
        return loader, None

    def _walk(self, loader: yaml.SafeLoader, node: yaml.Node, path: KeyPath) -> None:
        if isinstance(node, yaml.MappingNode) and node.value:
            for key, inner in self._entries(loader, node, path):
                self._walk(loader, inner, (*path, key))
        else:
            value = self._constructed(loader, node, path)
            if value is not _UNREADABLE:
                self.give(path, value, self._line(node))

    def _entries(
        self, loader: yaml.SafeLoader, node: yaml.MappingNode, path: KeyPath
    ) -> Iterator[tuple[str, yaml.Node]]:
        taken: set[str] = set()
        for key_node, inner in node.value:
            key = self._constructed(loader, key_node, path)
            if key is _UNREADABLE:
                continue
            if not isinstance(key, str):
                self.refuse(
                    path, f"YAML reads a key here as {key!r}, not as text: put it in quotes", self._line(key_node)
                )
            elif key in taken:
                self.refuse((*path, key), "is given a second time", self._line(key_node))
            else:
                taken.add(key)
                yield key, inner

    def _constructed(self, loader: yaml.SafeLoader, node: yaml.Node, path: KeyPath) -> Any:
        try:
            return loader.construct_object(node, deep=True)
        except _WRONG_VALUE:
            self.refuse(path, "has a value or key that cannot be read", self._line(node))
            return _UNREADABLE

    def _line(self, node: yaml.Node) -> int | None:
        return int(node.start_mark.line) + 1 if self._has_lines else None


_UNREADABLE = object()


def _n_nodes(root: yaml.Node) -> int:
    """Keys and values, those behind an alias wherever it stands. Raises YAMLError beyond _DEEPEST levels."""
    counted: dict[int, tuple[int, int]] = {}  # of a node: keys and values, and levels

    def count(node: yaml.Node, depth: int) -> tuple[int, int]:
        if id(node) not in counted:
            if depth > _DEEPEST:
                raise yaml.MarkedYAMLError(problem=_ENDLESS, problem_mark=node.start_mark)
            inner = [count(one, depth + 1) for one in _inner_nodes(node)]
            counted[id(node)] = 1 + sum(n for n, _ in inner), 1 + max((levels for _, levels in inner), default=0)
        n, levels = counted[id(node)]
        if depth + levels > _DEEPEST + 1:
            raise yaml.MarkedYAMLError(problem=_ENDLESS, problem_mark=node.start_mark)
        return n, levels

    return count(root, 0)[0]


def _inner_nodes(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _path(name: str, free_keys: Mapping[KeyPath, Sequence[str]]) -> KeyPath:
    path: KeyPath = ()
    for part in name.split(_SEPARATOR):
        section = section_at(path)
        known = keys_of(section) if section else free_keys.get(path, ())
        same = [key for key in known if key.lower() == part.lower()]
        path = (*path, same[0] if same else part.lower())
    return path


def _named_by_file(path: KeyPath) -> KeyPath | None:
    """The secret that `..._file` names a file for; None where the key is an ordinary one."""
    *outer, last = path
    secret = (*outer, str(last).removesuffix("_file"))
    return secret if secret != path and type_at(path) is None and is_secret(secret) else None


def _read_text(reading: _YamlReading, path: KeyPath, text: str) -> None:
    if is_secret(path):
        reading.give(path, text)  # never parsed: `0123` and `yes` are passwords
    elif is_text(type_at(path)):
        reading.give(path, _as_text(text))
    else:
        reading.read_value(text, path)


def _as_text(text: str) -> str | None:
    """What YAML reads as text or null is that; all else, such as the topic `2024`, is taken as it stands."""
    if len(text) > _MOST_TEXT:
        return text
    try:
        value = yaml.safe_load(text)
    except (*_WRONG_VALUE, RecursionError):
        return text
    return value if isinstance(value, str | None) else text


def _read_secret_file(reading: _YamlReading, path: KeyPath, file: str) -> None:
    try:
        reading.give(path, Path(file).read_text(encoding="utf-8").removesuffix("\n"))
    except OSError as error:
        reading.refuse(path, f"the file {file!r} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        reading.refuse(path, f"the file {file!r} is not UTF-8 text")
    except ValueError:
        reading.refuse(path, f"{file!r} cannot be the name of a file")
