"""A dead letter as an operator sees it: what it says of its original, and the record to send back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from consumer.kafka import dead_letters
from consumer.messages import REDRIVEN_HEADER, Headers, OutputRecord, StoredRecord, n_redriven

_MESSAGE: Final = "__connect.errors.exception.message"
_TIMESTAMP: Final = "kafka_dlt-original-timestamp"
_UNKNOWN: Final = "unknown"


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is told of a dead letter, without its bytes."""

    place: Place
    """In the dead-letter topic."""
    origin: Place
    """In the input, where it failed."""
    died_ms: int
    """Wall time at which it was written."""
    reason: str
    n_bytes: int
    """Of the value that is left."""
    n_redriven: int
    """How often its original had been sent back before."""
    is_whole: bool
    """Whether it holds all of its original; if not, it can't be sent back."""


@dataclass(frozen=True, slots=True)
class Original:
    """The record as it lay in the input, and what was said of it."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    detail: str

    @property
    def marks(self) -> Sequence[str]:
        """Of the times when it was sent back: from where."""
        return [(value or b"").decode("utf-8", "replace") for name, value in self.headers if name == REDRIVEN_HEADER]


def letter_of(record: StoredRecord) -> Letter | None:
    """None for a record that is no dead letter of ours."""
    origin = dead_letters.coordinates(record)
    if origin is None:
        return None
    original, told = dead_letters.split(record.headers)
    return Letter(
        place=Place(record.topic, record.partition, record.offset),
        origin=Place(*origin),
        died_ms=record.timestamp_ms,
        reason=(dict(told).get(dead_letters.REASON) or b"").decode("utf-8", "replace") or _UNKNOWN,
        n_bytes=len(record.value or b""),
        n_redriven=n_redriven(original),
        is_whole=dead_letters.is_whole(told),
    )


def original_of(record: StoredRecord) -> Original:
    """Of a dead letter; as much as is left of it."""
    original, told = dead_letters.split(record.headers)
    found = dict(told)
    time = found.get(_TIMESTAMP) or b""
    return Original(
        key=record.key,
        value=record.value,
        headers=original,
        timestamp_ms=struct.unpack(">q", time)[0] if len(time) == 8 else -1,
        detail=(found.get(_MESSAGE) or b"").decode("utf-8", "replace"),
    )


def sent_back(record: StoredRecord, letter: Letter, partitions: Sequence[int]) -> OutputRecord:
    """The original for the input, byte for byte, with one more mark behind its headers; in the partition where it lay,
    if it is among these."""
    original = original_of(record)
    mark = (REDRIVEN_HEADER, f"{letter.origin} {letter.place}".encode())
    partition = letter.origin.partition if letter.origin.partition in partitions else None
    return OutputRecord(letter.origin.topic, original.key, original.value, (*original.headers, mark), partition)
