"""The meaning of one JSON value of an event: ids, numbers and texts, with the reason if it is none.

A value is given as its JSON text, of which msgspec has made sure that it is valid.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from consumer.errors import MalformedEvent
from consumer.messages import Outcome

RawType = Literal["string", "number", "object", "array", "literal"]

_FIRST_BYTES: dict[int, RawType] = {
    **dict.fromkeys(b'"', "string"),
    **dict.fromkeys(b"-0123456789", "number"),
    **dict.fromkeys(b"{", "object"),
    **dict.fromkeys(b"[", "array"),
    **dict.fromkeys(b"tfn", "literal"),
}
_MAX_SHOWN = 60
_MAX_INTEGER_BYTES = 20
"""No integer of 64 bits is longer."""
_STRING = msgspec.json.Decoder(str)


def shortened(text: str, most: int = _MAX_SHOWN) -> str:
    """At most so many characters of a text, with a mark where some are left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def fault(reason: Outcome, name: str, raw: bytes, complaint: str) -> MalformedEvent:
    """The error that says which member is at fault, its value and what is wrong with it."""
    # the slice may cut a character in two, but only far behind what is shown
    shown = shortened(raw[: 4 * _MAX_SHOWN].decode(errors="replace"))
    return MalformedEvent(reason, shortened(f"{shortened(name)}: {shown} {complaint}", 200))


def wrong_type(name: str, raw: bytes, wanted: str) -> MalformedEvent:
    """The error for a value that isn't `wanted`."""
    return fault(Outcome.WRONG_TYPE, name, raw, f"is not {wanted}")


def raw_type(raw: bytes) -> RawType:
    """Which type of JSON a value has, by its first byte."""
    return _FIRST_BYTES[raw[0]]


def text_of(raw: bytes, name: str, wanted: str = "a string") -> str:
    """The text of a string. Raises MalformedEvent for any other type."""
    text = _string_text(raw)
    if text is None:
        raise wrong_type(name, raw, wanted)
    return text.decode()


def id_text(raw: bytes, name: str, max_bytes: int) -> bytes:
    """The text of an id in UTF-8: a string as it is, an integer in decimal digits. Raises MalformedEvent."""
    text = _integer_text(raw) if raw_type(raw) == "number" else _string_text(raw)
    if text is None:
        raise wrong_type(name, raw, "a string or an integer of 64 bits")
    if not text:
        raise fault(Outcome.EMPTY_ID, name, raw, "is empty")
    if len(text) > max_bytes:
        raise fault(Outcome.ID_TOO_LONG, name, raw, f"has {len(text)} bytes, more than max_id_bytes ({max_bytes})")
    return text


def _string_text(raw: bytes) -> bytes | None:
    """The text of a string in UTF-8; None: it isn't a string."""
    if raw_type(raw) != "string":
        return None
    return _STRING.decode(raw).encode() if b"\\" in raw else raw[1:-1]


def _integer_text(raw: bytes) -> bytes | None:
    """A JSON number as Python writes it, if it is an integer of 64 bits; else None."""
    if len(raw) > _MAX_INTEGER_BYTES or not raw.removeprefix(b"-").isdigit():
        return None
    number = int(raw)
    return b"%d" % number if -(2**63) <= number < 2**63 else None


def finite_number(raw: bytes, name: str, wanted: str = "a number") -> float:
    """The double nearest to a number. Raises MalformedEvent for any other type and beyond the range of a double."""
    if raw_type(raw) != "number":
        raise wrong_type(name, raw, wanted)
    number = float(raw)
    if not math.isfinite(number):
        raise fault(Outcome.NOT_FINITE, name, raw, "is beyond the range of a double")
    return number
