"""Dead letters as records, and back: the original untouched, with headers in the two conventions that tools know.

Kafka Connect's (KIP-298) writes text, Spring for Apache Kafka's writes partition, offset and timestamp as big-endian
integers. Headers may repeat and the last one counts, so those of an earlier death stay in front of ours.
"""

from __future__ import annotations

import struct
from typing import Final

from consumer.messages import (
    REDRIVEN_HEADER,
    DeadLetter,
    Headers,
    InputRecord,
    OutputRecord,
    StoredRecord,
    n_redriven,
)

REASON: Final = "freshrank-reason"
VALUE_BYTES: Final = "freshrank-value-bytes"
"""Size of the original value, where it was cut."""
KEY_BYTES: Final = "freshrank-key-bytes"
HEADERS_DROPPED: Final = "freshrank-headers-dropped"
REDRIVEN_TIMES: Final = "freshrank-redriven-times"
"""How often the original had been sent back before it failed once more; its own headers say from where."""

_CONNECT: Final = "__connect.errors."
_SPRING: Final = "kafka_dlt-"
_EXCEPTION: Final = "consumer.errors.MalformedEvent"
_MAX_DETAIL_BYTES: Final = 2_000
_RECORD_OVERHEAD: Final = 200
"""More than a record batch and a record take besides key, value and headers."""
_HEADER_OVERHEAD: Final = 10
_MAX_MARK_BYTES: Final = 1_000
"""A longer mark of a redrive isn't one of ours."""
_MAX_KEY_BYTES: Final = 1_000
"""What is left of a key that doesn't fit."""


def dead_letter_record(letter: DeadLetter, topic: str, *, max_bytes: int) -> OutputRecord:
    """The record for the dead-letter topic, which takes records of up to `max_bytes`.

    One that would be larger has its value cut; if even that isn't enough, its headers go and its key is cut. Headers
    say how much there was; the coordinates are always there.
    """
    record = letter.record
    told = _told(letter)
    room = max_bytes - _RECORD_OVERHEAD
    whole = (*record.headers, *told)
    if len(record.key or b"") + len(record.value or b"") + _size(whole) <= room:
        return OutputRecord(topic, record.key, record.value, whole)
    return _cut(record, topic, told, room)


def coordinates(record: StoredRecord) -> tuple[str, int, int] | None:
    """Topic, partition and offset where the dead letter lay; None for a record that isn't one of ours."""
    found = dict(record.headers)
    topic, partition, offset = (found.get(_CONNECT + name) for name in ("topic", "partition", "offset"))
    if topic is None or partition is None or offset is None:
        return None
    try:
        return topic.decode(), int(partition), int(offset)
    except ValueError:
        return None


def split(headers: Headers) -> tuple[Headers, Headers]:
    """Of a dead letter: the headers of the original, and those that its last death added."""
    starts = [at for at, (name, _) in enumerate(headers) if name == REASON]
    start = starts[-1] if starts else len(headers)
    return headers[:start], headers[start:]


def is_whole(told: Headers) -> bool:
    """Whether nothing of the original was cut, by the headers that the death added."""
    return not {VALUE_BYTES, KEY_BYTES, HEADERS_DROPPED} & {name for name, _ in told}


def _told(letter: DeadLetter) -> Headers:
    record = letter.record
    reason = letter.reason.name.lower()
    message = f"{reason}: {letter.detail}".encode()[:_MAX_DETAIL_BYTES].decode(errors="ignore").encode()
    n_before = n_redriven(record.headers)
    return (
        (REASON, reason.encode()),
        (_CONNECT + "topic", record.topic.encode()),
        (_CONNECT + "partition", str(record.partition).encode()),
        (_CONNECT + "offset", str(record.offset).encode()),
        (_CONNECT + "exception.class.name", _EXCEPTION.encode()),
        (_CONNECT + "exception.message", message),
        (_SPRING + "original-topic", record.topic.encode()),
        (_SPRING + "original-partition", struct.pack(">i", record.partition)),
        (_SPRING + "original-offset", struct.pack(">q", record.offset)),
        (_SPRING + "original-timestamp", struct.pack(">q", record.timestamp_ms)),
        (_SPRING + "original-timestamp-type", b"CreateTime"),
        (_SPRING + "exception-fqcn", _EXCEPTION.encode()),
        (_SPRING + "exception-message", message),
        *(((REDRIVEN_TIMES, str(n_before).encode()),) if n_before else ()),
    )


def _cut(record: InputRecord, topic: str, told: Headers, room: int) -> OutputRecord:
    value, key = record.value or b"", record.key
    marked = (*told, (VALUE_BYTES, str(len(value)).encode()))
    headers = (*record.headers, *marked)
    left = room - len(key or b"") - _size(headers)
    if left < 0:
        headers = (*_last_mark(record.headers), *marked, (HEADERS_DROPPED, str(len(record.headers)).encode()))
        if key is not None and len(key) > _MAX_KEY_BYTES:
            headers = (*headers, (KEY_BYTES, str(len(key)).encode()))
            key = key[:_MAX_KEY_BYTES]
        left = max(0, room - len(key or b"") - _size(headers))
    return OutputRecord(topic, key, None if record.value is None else value[:left], headers)


def _last_mark(headers: Headers) -> Headers:
    """The mark of the last redrive: of what is too large it is all that stays of the original's headers."""
    return tuple(h for h in headers if h[0] == REDRIVEN_HEADER and len(h[1] or b"") <= _MAX_MARK_BYTES)[-1:]


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") + _HEADER_OVERHEAD for name, value in headers)
