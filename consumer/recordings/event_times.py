"""Event times as files write them → milliseconds since 1970-01-01 UTC and the standard text."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from consumer.errors import BadRequest

NAMED_FORMATS = ("rfc3339", "epoch_seconds", "epoch_milliseconds")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REMEMBERED = 65_536  # neighbouring rows share their seconds, and strptime takes microseconds


class EventTime(NamedTuple):
    ms: int  # since 1970-01-01 UTC
    text: str  # RFC 3339 with milliseconds, UTC


TimeParser = Callable[[str], EventTime]
"""Raises ValueError, with what is wrong, for a text that is no time between the years 1970 and 9999."""


def time_parser(time_format: str) -> TimeParser:
    """A parser for one of NAMED_FORMATS or a strptime pattern (UTC, unless it has `%z`). Raises BadRequest."""
    to_datetime = _to_datetime(time_format)

    @lru_cache(maxsize=_REMEMBERED)
    def parse(text: str) -> EventTime:
        return _event_time(to_datetime(text))

    return parse


def _to_datetime(time_format: str) -> Callable[[str], datetime]:
    match time_format:
        case "rfc3339":
            return _from_rfc3339
        case "epoch_seconds":
            return _from_seconds
        case "epoch_milliseconds":
            return _from_ms
        case _ if "%" in time_format:
            return _from_pattern(time_format)
    raise BadRequest(
        f"unknown time format {time_format!r}: give {', '.join(NAMED_FORMATS)} "
        'or a pattern such as "%Y-%m-%d %H:%M:%S UTC"'
    )


def _event_time(moment: datetime) -> EventTime:
    moment = moment.astimezone(UTC)
    ms = (moment - _EPOCH) // timedelta(milliseconds=1)
    if ms < 0:
        raise ValueError("lies before 1970")
    return EventTime(ms, f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1_000:03d}Z")


def _from_rfc3339(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC, such as Z or +01:00")
    return moment


def _from_seconds(text: str) -> datetime:
    return _from_epoch(float(text))


def _from_ms(text: str) -> datetime:
    return _from_epoch(float(text) / 1_000)


def _from_epoch(seconds: float) -> datetime:
    if not math.isfinite(seconds) or abs(seconds) > 253_402_300_799:
        raise ValueError("lies after the year 9999")
    return _EPOCH + timedelta(milliseconds=round(seconds * 1_000))


def _from_pattern(pattern: str) -> Callable[[str], datetime]:
    def parse(text: str) -> datetime:
        moment = datetime.strptime(text, pattern)  # noqa: DTZ007 - the next line gives it its zone
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)

    return parse
