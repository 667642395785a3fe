"""What an event record means, told once more, by Python's own `json`: slower, and with no code of the product's.

It is the third opinion beside the scanner and the reference. Both of those stand on msgspec or on bytes.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final, NoReturn

from consumer.events.fields import MAX_FEATURES, Field, event_type_index, field_names, max_future_ms
from consumer.events.reference import MAX_DEPTH, DecodedEvent
from consumer.messages import Outcome
from consumer.settings import Input

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EXACT: Final = Context(prec=10**9, Emax=10**17, Emin=-(10**17))
_INT64: Final = range(-(2**63), 2**63)
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d))", re.ASCII
)


class Refused(Exception):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.name)
        self.outcome = outcome


class Number(str):
    """A number as it was written."""

    __slots__ = ()


class Oracle:
    """Of one input's settings."""

    def __init__(self, settings: Input, *, keeps_features: bool) -> None:
        self._settings = settings
        self._keeps_features = keeps_features
        self._names = field_names(settings)
        self._types = event_type_index(settings)

    def decode(self, value: bytes, timestamp_ms: int) -> DecodedEvent | Outcome:
        """The event, or why there is none."""
        try:
            event = self._event(_object(value), timestamp_ms)
        except Refused as refused:
            return refused.outcome
        return Outcome.IGNORED_TYPE if event.event_type is None else event

    def _event(self, members: dict[str, Any], timestamp_ms: int) -> DecodedEvent:
        found = [members.get(name) for name in self._names]
        return DecodedEvent(
            event_id=self._id(found[Field.EVENT_ID]),
            user_id=self._required_id(found[Field.USER_ID]),
            item_id=self._required_id(found[Field.ITEM_ID]),
            event_type=self._type(found[Field.EVENT_TYPE]),
            event_time_ms=self._time(found[Field.EVENT_TIME], timestamp_ms),
            session_id=self._id(found[Field.SESSION_ID]),
            value=math.nan if found[Field.VALUE] is None else _finite(found[Field.VALUE]),
            features=self._features(found[Field.FEATURES]),
        )

    def _id(self, given: Any) -> bytes | None:
        if given is None:
            return None
        if isinstance(given, Number):
            given = _integer(given)
        elif not isinstance(given, str):
            raise Refused(Outcome.WRONG_TYPE)
        if not given:
            raise Refused(Outcome.EMPTY_ID)
        text: bytes = given.encode()
        if len(text) > self._settings.max_id_bytes:
            raise Refused(Outcome.ID_TOO_LONG)
        return text

    def _required_id(self, given: Any) -> bytes:
        text = self._id(given)
        if text is None:
            raise Refused(Outcome.MISSING_FIELD)
        return text

    def _type(self, given: Any) -> int | None:
        if given is None:
            given = self._settings.default_event_type
        if given is None:
            raise Refused(Outcome.MISSING_FIELD)
        return self._types.get(_text(given))

    def _time(self, given: Any, timestamp_ms: int) -> int:
        if given is not None:
            time_ms = self._given_time(given)
        elif self._settings.missing_event_time == "record_timestamp":
            time_ms = timestamp_ms
        else:
            raise Refused(Outcome.MISSING_FIELD)
        latest_ms = timestamp_ms + max_future_ms(self._settings)
        if time_ms not in _INT64 or not self._settings.earliest_event_time_ms <= time_ms <= latest_ms:
            raise Refused(Outcome.TIME_OUT_OF_RANGE)
        return time_ms

    def _given_time(self, given: Any) -> int:
        if self._settings.time_format == "rfc3339":
            return _rfc3339_ms(_text(given))
        approximate = _finite(given)
        if abs(approximate) >= 2.0**63:
            raise Refused(Outcome.TIME_OUT_OF_RANGE)
        if abs(approximate) < 1e-9:
            return -1 if approximate < 0 else 0
        factor = 1000 if self._settings.time_format == "epoch_seconds" else 1
        return int((_EXACT.multiply(Decimal(given), factor)).to_integral_value(ROUND_FLOOR, _EXACT))

    def _features(self, given: Any) -> tuple[tuple[str, str | float], ...]:
        if given is None:
            return ()
        if not isinstance(given, dict):
            raise Refused(Outcome.WRONG_TYPE)
        pairs = [(name, _finite(v) if isinstance(v, Number) else _text(v)) for name, v in given.items()]
        return tuple(pairs[:MAX_FEATURES]) if self._keeps_features else ()


def _object(value: bytes) -> dict[str, Any]:
    try:
        text = value.decode()
        found = _JSON.decode(text)
    except (ValueError, RecursionError):
        raise Refused(Outcome.UNDECODABLE) from None
    if not isinstance(found, dict) or _depth(value) > MAX_DEPTH:
        raise Refused(Outcome.UNDECODABLE)
    if b"\\" in value:
        _require_no_lone_surrogates(text)
    return found


def _depth(value: bytes) -> int:
    """Of brackets that are open at once, of a text that is JSON."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    in_string = escaped = False
    for c in value:
        if in_string:
            in_string = escaped or c != 0x22
            escaped = not escaped and c == 0x5C
        elif c == 0x22:
            in_string = True
        elif c in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in b"]}":
            depth -= 1
    return deepest


def _require_no_lone_surrogates(text: str) -> None:
    """In any string, also of a member that is not known or does not count; the text is known to be JSON."""
    for string in re.findall(r'"(?:[^"\\]|\\.)*"', text):
        try:
            json.loads(string).encode()
        except UnicodeEncodeError:
            raise Refused(Outcome.UNDECODABLE) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_JSON: Final = json.JSONDecoder(parse_int=Number, parse_float=Number, parse_constant=_refuse)
"""Of a name that occurs twice the last value counts, in the first one's place."""


def _text(given: Any) -> str:
    if isinstance(given, Number) or not isinstance(given, str):
        raise Refused(Outcome.WRONG_TYPE)
    return given


def _integer(number: Number) -> str:
    if len(number) <= 20 and re.fullmatch(r"-?\d+", number) and int(number) in _INT64:
        return str(int(number))
    raise Refused(Outcome.WRONG_TYPE)


def _finite(given: Any) -> float:
    if not isinstance(given, Number):
        raise Refused(Outcome.WRONG_TYPE)
    if not math.isfinite(float(given)):
        raise Refused(Outcome.NOT_FINITE)
    return float(given)


def _rfc3339_ms(text: str) -> int:
    match = _TIME.fullmatch(text)
    if match is None:
        raise Refused(Outcome.WRONG_TYPE)
    fraction, sign = match[7] or "", -1 if match[8] == "-" else 1
    hours, minutes = int(match[9] or 0), int(match[10] or 0)
    try:
        time = dt.datetime(*map(int, match.groups()[:6]), tzinfo=dt.UTC)  # type: ignore[misc,arg-type] # six numbers
    except ValueError:
        raise Refused(Outcome.WRONG_TYPE) from None
    if hours > 23 or minutes > 59:
        raise Refused(Outcome.WRONG_TYPE)
    seconds = (time - _EPOCH) // dt.timedelta(seconds=1) - sign * 60 * (60 * hours + minutes)
    return seconds * 1000 + int((fraction + "00")[:3] or 0)
