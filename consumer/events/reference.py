"""The reference: what an event record means, one record at a time, and why a bad one is bad.

Order of checks: the record as a whole (UNDECODABLE), then its members in the order of `Field`, the first one at fault
giving the reason; of one member: missing, wrong type, empty or too long or not finite, out of range. A record whose
type isn't listed in the settings is ignored only if nothing else is wrong with it. null is as good as absent; of a name
that occurs twice the last one counts; members that aren't known are ignored, but the whole record must be valid JSON,
nested no deeper than MAX_DEPTH.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from consumer.errors import MalformedEvent
from consumer.events.fields import MAX_FEATURES, Field, event_type_index, field_names
from consumer.events.times import EventTimes
from consumer.events.values import finite_number, id_text, raw_type, shortened, text_of, wrong_type
from consumer.messages import Outcome
from consumer.settings import Input

MAX_DEPTH: Final = 100
"""Of objects and arrays in each other. How many the parser takes depends on the stack that it finds, and a record must
mean the same whenever it is read again."""

_Members = dict[str, msgspec.Raw]
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))


class DecodedEvent(NamedTuple):
    """What one record says. Ids are their text in UTF-8."""

    event_id: bytes | None
    user_id: bytes
    item_id: bytes
    event_type: int | None
    """Index into the settings' event types; None: not listed there, the event is to be ignored."""
    event_time_ms: int
    session_id: bytes | None
    value: float
    """NaN: the record carries none."""
    features: tuple[tuple[str, str | float], ...] = ()
    """Name and text or number of the first MAX_FEATURES, where they are kept."""


class ReferenceDecoder:
    """Decodes the value of one record, strictly."""

    def __init__(self, settings: Input, *, keeps_features: bool = False) -> None:
        self._keeps_features = keeps_features
        self._names = field_names(settings)
        self._event_types = event_type_index(settings)
        self._default_event_type = settings.default_event_type
        self._max_id_bytes = settings.max_id_bytes
        self._times = EventTimes(settings, self._names[Field.EVENT_TIME])
        # Not a Struct: its members cannot have every name that JSON names can.
        self._object = msgspec.json.Decoder(_Members)

    def decode(self, value: bytes, timestamp_ms: int) -> DecodedEvent:
        """The event of a record with this value and this timestamp of its own. Raises MalformedEvent."""
        members = self._members(value)
        return DecodedEvent(
            event_id=self._id(members, Field.EVENT_ID),
            user_id=self._required_id(members, Field.USER_ID),
            item_id=self._required_id(members, Field.ITEM_ID),
            event_type=self._event_type(members),
            event_time_ms=self._times.of_event(self._member(members, Field.EVENT_TIME), timestamp_ms),
            session_id=self._id(members, Field.SESSION_ID),
            value=self._value(members),
            features=self._features(members),
        )

    def _members(self, value: bytes) -> _Members:
        if not value:
            raise MalformedEvent(Outcome.UNDECODABLE, "the record has no bytes")
        try:
            value.decode()  # msgspec doesn't look at the bytes of strings that it need not make
            members = self._object.decode(value)
        except UnicodeDecodeError as error:
            raise MalformedEvent(Outcome.UNDECODABLE, f"byte {error.start} is not UTF-8") from error
        except msgspec.DecodeError as error:
            raise MalformedEvent(Outcome.UNDECODABLE, shortened(str(error), 150)) from error
        except RecursionError as error:
            raise _too_deep() from error
        if _is_too_deep(value):
            raise _too_deep()
        return members

    def _member(self, members: _Members, field: Field) -> bytes | None:
        """The member's JSON text; None: absent or null."""
        raw = members.get(self._names[field])
        if raw is None:
            return None
        text = bytes(raw)
        return None if text == b"null" else text

    def _required(self, members: _Members, field: Field) -> bytes:
        raw = self._member(members, field)
        if raw is None:
            raise MalformedEvent(Outcome.MISSING_FIELD, f"{shortened(self._names[field])}: missing")
        return raw

    def _id(self, members: _Members, field: Field) -> bytes | None:
        raw = self._member(members, field)
        return None if raw is None else id_text(raw, self._names[field], self._max_id_bytes)

    def _required_id(self, members: _Members, field: Field) -> bytes:
        return id_text(self._required(members, field), self._names[field], self._max_id_bytes)

    def _event_type(self, members: _Members) -> int | None:
        name = self._default_event_type
        if name is None or self._member(members, Field.EVENT_TYPE) is not None:
            name = text_of(self._required(members, Field.EVENT_TYPE), self._names[Field.EVENT_TYPE])
        return self._event_types.get(name)

    def _value(self, members: _Members) -> float:
        raw = self._member(members, Field.VALUE)
        return float("nan") if raw is None else finite_number(raw, self._names[Field.VALUE])

    def _features(self, members: _Members) -> tuple[tuple[str, str | float], ...]:
        """Features must be a flat object of strings and finite numbers, kept or not."""
        raw = self._member(members, Field.FEATURES)
        if raw is None:
            return ()
        name = self._names[Field.FEATURES]
        if raw_type(raw) != "object":
            raise wrong_type(name, raw, "an object of numbers and strings")
        found = [
            (feature, _feature(bytes(value), f"{name}.{feature}"))
            for feature, value in self._object.decode(raw).items()
        ]
        return tuple(found[:MAX_FEATURES]) if self._keeps_features else ()


def _is_too_deep(value: bytes) -> bool:
    """Of a record that is valid JSON."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", value).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")  # the innermost ones
    return bool(brackets)


def _too_deep() -> MalformedEvent:
    return MalformedEvent(Outcome.UNDECODABLE, f"the record is nested deeper than {MAX_DEPTH}")


def _feature(raw: bytes, path: str) -> str | float:
    if raw_type(raw) == "number":
        return finite_number(raw, path)
    return text_of(raw, path, "a number or a string")
