"""When an event took place: reading its time in any of the formats, and refusing times that cannot be."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re

import msgspec

from consumer.errors import MalformedEvent
from consumer.events.fields import max_future_ms
from consumer.events.values import fault, finite_number, shortened, text_of, wrong_type
from consumer.messages import Outcome
from consumer.settings import Input

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_BEYOND_MICROSECONDS = re.compile(r"(?<=\.[0-9]{6})[0-9]+")
_EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
_LARGEST = 2.0**63
_SMALLEST = 1e-9
_MAX_INT64 = 2**63 - 1
_MIN_INT64 = -(2**63)


class EventTimes:
    """Event times by the settings. All results are whole milliseconds since 1970-01-01 UTC, rounded down."""

    def __init__(self, settings: Input, name: str) -> None:
        self._name = name
        self._format = settings.time_format
        self._may_be_missing = settings.missing_event_time == "record_timestamp"
        self._earliest_ms = max(settings.earliest_event_time_ms, _MIN_INT64)
        self._max_future_ms = max_future_ms(settings)

    def of_event(self, raw: bytes | None, timestamp_ms: int) -> int:
        """The time given by this JSON text, in a record with that timestamp of its own. Raises MalformedEvent."""
        if raw is not None:
            return self._in_range(self._read(raw), raw, timestamp_ms)
        if not self._may_be_missing:
            raise MalformedEvent(Outcome.MISSING_FIELD, f"{shortened(self._name)}: missing")
        return self._in_range(timestamp_ms, b"%d, the record's timestamp," % timestamp_ms, timestamp_ms)

    def _read(self, raw: bytes) -> int:
        if self._format == "rfc3339":
            return self._from_rfc3339(raw)
        wanted = f"a number of {self._format.removeprefix('epoch_')}"
        approximate = finite_number(raw, self._name, wanted)
        if abs(approximate) >= _LARGEST:
            raise fault(Outcome.TIME_OUT_OF_RANGE, self._name, raw, "is beyond 64 bits")
        return _floor_scaled(raw, approximate, 3 if self._format == "epoch_seconds" else 0)

    def _from_rfc3339(self, raw: bytes) -> int:
        wanted = "RFC 3339"
        text = text_of(raw, self._name, wanted)
        # msgspec would round further digits, and so move 23:59:59.9999999 to the next day
        text = _BEYOND_MICROSECONDS.sub("", text, count=1)
        try:
            time: dt.datetime = msgspec.convert(text, dt.datetime)
        except msgspec.ValidationError:
            raise wrong_type(self._name, raw, wanted) from None
        if time.tzinfo is None:
            raise wrong_type(self._name, raw, "RFC 3339: it has no offset from UTC")
        return (time - _EPOCH) // _MILLISECOND

    def _in_range(self, time_ms: int, raw: bytes, timestamp_ms: int) -> int:
        if time_ms < self._earliest_ms:
            complaint = f"is earlier than earliest_event_time_ms ({self._earliest_ms})"
            raise fault(Outcome.TIME_OUT_OF_RANGE, self._name, raw, complaint)
        if time_ms > min(timestamp_ms + self._max_future_ms, _MAX_INT64):
            complaint = f"is more than max_future_s ahead of the record's timestamp ({timestamp_ms})"
            raise fault(Outcome.TIME_OUT_OF_RANGE, self._name, raw, complaint)
        return time_ms


def _floor_scaled(raw: bytes, approximate: float, exponent: int) -> int:
    """floor(number · 10^exponent), exactly, of a JSON number whose nearest double is known."""
    if abs(approximate) < _SMALLEST:  # its exponent may be too large even for a decimal
        return math.floor(approximate * 10.0**exponent)
    return math.floor(_EXACT.scaleb(decimal.Decimal(raw.decode()), exponent))
