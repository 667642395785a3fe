"""Structured logs on the standard library's logging: one line for each thing that happened.

Rooms log with what they have, and need nothing from here: `logger.info("checkpoint saved", extra={"version": 417})`.
`log_event` is the same in one line less. Values never carry secrets: whatever is a pydantic secret, or is named like
one, shows as `***`.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Literal, TextIO

import numpy as np
from pydantic import SecretBytes, SecretStr

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

MAX_TEXT = 2_000
"""Characters of one value; the rest is cut."""

_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|sasl\.jaas", re.IGNORECASE)
_BARE = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_EVENT_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_FIELDS = "freshrank_fields"
_LINE_ENDS = {code: f"\\u{code:04x}" for code in (0x7F, *range(0x80, 0xA0), 0x2028, 0x2029)}
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _FIELDS}
_BASE = ("time", "level", "logger", "event")

Shown = str | int | float | bool | None | list["Shown"] | dict[str, "Shown"]


def log_event(logger: logging.Logger, event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """One line: what happened, in words that never vary, and its values as fields, each with its unit in its name."""
    if logger.isEnabledFor(level):
        logger.log(level, "%s", event, extra={_FIELDS: fields}, stacklevel=2)


def configure(level: Level, format: Format, stream: TextIO | None = None) -> None:
    """Send every log line to `stream` (standard error). May be called again: the last call counts.

    `level` is that of this package; of others, warnings and worse are shown.
    """
    output = _Output(stream or sys.stderr)
    output.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    root = logging.getLogger()
    for former in [h for h in root.handlers if isinstance(h, _Output)]:
        root.removeHandler(former)
    root.addHandler(output)
    root.setLevel(logging.WARNING)
    for name in ("consumer", "producer_tools"):
        logging.getLogger(name).setLevel(level.upper())


class _Output(logging.StreamHandler[TextIO]):
    """The one handler that `configure` owns."""


class TextFormatter(logging.Formatter):
    """For people: `2026-11-23T10:15:00.123Z INFO checkpoint saved version=417 seconds=0.031`."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_time(record)} {record.levelname} {_EVENT_UNSAFE.sub(' ', record.getMessage())}"
        return " ".join((head, *(f"{name}={_word(value)}" for name, value in _fields(record).items())))


class JsonFormatter(logging.Formatter):
    """For machines: one object a line, with `time`, `level`, `logger`, `event` and the fields beside them."""

    def format(self, record: logging.LogRecord) -> str:
        base = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        named = {f"{name}_" if name in _BASE else name: value for name, value in _fields(record).items()}
        return json.dumps({**base, **named}, allow_nan=False)


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> dict[str, Shown]:
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    fields = {name: _shown(name, value) for name, value in {**given, **getattr(record, _FIELDS, {})}.items()}
    if record.exc_info and record.exc_info[1] is not None:
        fields.update(_error(record.exc_info[1]))
    return fields


def _error(error: BaseException) -> dict[str, Shown]:
    """What and where, in two fields: a traceback of many lines would be many lines."""
    frames = [f"{Path(f.filename).name}:{f.lineno}:{f.name}" for f in extract_tb(error.__traceback__)]
    return {"error": _cut(f"{type(error).__name__}: {error}"), "at": " > ".join(frames[-8:])}


def _shown(name: str, value: object) -> Shown:
    """`value` as JSON can hold it, without secrets. Never raises for a value that str() takes."""
    if isinstance(value, SecretStr | SecretBytes) or _SECRET_NAME.search(name):
        return "***"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_shown(name, inner) for inner in value]
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"


def _word(value: Shown) -> str:
    """One word where it can be, else JSON."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str) and _BARE.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS)
