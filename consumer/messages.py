"""The values that travel between stages: one frozen dataclass each, columns rather than lists of objects.

Arrays of one batch are parallel: entry i of each belongs to the same record. "Offset" and "position" always mean
Kafka's; a position is the next offset to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumer.byte_column import ByteColumn

UInt8Array = NDArray[np.uint8]
UInt32Array = NDArray[np.uint32]
UInt64Array = NDArray[np.uint64]
Int16Array = NDArray[np.int16]
Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

Headers = Sequence[tuple[str, bytes | None]]
Positions = Mapping[int, int]  # partition → next offset to read (input) or to be written (output)


class Outcome(IntEnum):
    """What became of a record. Values up to `MAX_DEAD_LETTER` other than ADMITTED are reasons for a dead letter."""

    ADMITTED = 0
    UNDECODABLE = 1
    MISSING_FIELD = 2
    WRONG_TYPE = 3
    EMPTY_ID = 4
    ID_TOO_LONG = 5
    NOT_FINITE = 6
    TIME_OUT_OF_RANGE = 7
    TOMBSTONE = 16
    IGNORED_TYPE = 17
    DUPLICATE = 18
    LATE = 19
    LATE_POPULARITY_ONLY = 20

    @property
    def is_dead_letter(self) -> bool:
        return 0 < self <= MAX_DEAD_LETTER


MAX_DEAD_LETTER = 15
"""Outcomes 1 … MAX_DEAD_LETTER go to the dead letters."""


REDRIVEN_HEADER = "freshrank-redriven"
"""Header of a record that an operator has sent again from the dead letters, one for each time; it is never late."""


def is_redriven(headers: Headers) -> bool:
    """Whether the record was sent back to the input from the dead letters."""
    return n_redriven(headers) > 0


def n_redriven(headers: Headers) -> int:
    """How often the record was sent back."""
    return sum(name == REDRIVEN_HEADER for name, _ in headers)


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One record as it lay in the input topic, byte for byte; needed only for dead letters and redriving."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records of one topic, in the order in which they are to be learned.

    `originals[i]` builds the whole record i on demand; nobody asks for it on the hot path.
    """

    topic: str
    values: ByteColumn
    partitions: Int32Array  # (n,)
    offsets: Int64Array  # (n,)
    timestamps_ms: Int64Array  # (n,) the records' own Kafka timestamps
    originals: Sequence[InputRecord]

    def __len__(self) -> int:
        return len(self.values)


class FeatureEntries(NamedTuple):
    """Features of a batch's events, an entry each; those of one event lie side by side, each name once."""

    name: UInt32Array  # (any,) hash of the name, never 0
    text: UInt32Array  # (any,) hash of the text, never 0; 0: it is a number
    value: Float64Array  # (any,) the number; 0 for a text


@dataclass(frozen=True, slots=True)
class EventBatch:
    """Decoded records as columns, before admission.

    Ids are 128-bit hashes (two uint64); only item ids keep their text, as slices of `text`, because they are published.
    Where `outcome` isn't ADMITTED the other columns of that entry, but the coordinates, mean nothing.
    """

    topic_hash: int
    """64-bit hash of the topic's name, for sampling by (topic, partition, offset)."""
    partitions: Int32Array  # (n,)
    offsets: Int64Array  # (n,)
    timestamps_ms: Int64Array  # (n,)
    outcome: UInt8Array  # (n,) Outcome
    text: UInt8Array  # (any,) the bytes that item ids point into
    item_start: Int64Array  # (n,)
    item_length: Int32Array  # (n,)
    item_key: UInt64Array  # (n, 2)
    user_key: UInt64Array  # (n, 2)
    event_key: UInt64Array  # (n, 2)
    session_key: UInt64Array  # (n,) 0: the record names no session
    event_type: Int16Array  # (n,) index into the settings' event types
    event_time_ms: Int64Array  # (n,)
    value: Float64Array  # (n,) NaN: the record carries none
    feature_start: Int64Array  # (n,) its first entry of `features`
    n_features: Int32Array  # (n,) all 0 where nobody learns from features
    features: FeatureEntries

    def __len__(self) -> int:
        return len(self.outcome)

    def head(self, n: int) -> EventBatch:
        """The first n records."""
        return self if n >= len(self) else self.between(0, n)

    def between(self, start: int, stop: int) -> EventBatch:
        """Records start … stop - 1."""
        columns: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, column in columns.items():
            if name not in SHARED_BY_ALL:
                columns[name] = column[start:stop]
        return EventBatch(**columns)


SHARED_BY_ALL = ("topic_hash", "text", "features")
"""Fields of `EventBatch` that are no columns: its records point into them."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Records and their columns, side by side."""

    records: RecordBatch
    events: EventBatch


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that will never be learned, and why."""

    record: InputRecord
    reason: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One record to be written; `value` None is a tombstone. Only a dead letter may lack a key, as its original did."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    """None: by its key."""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One committed record read back from an output topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int = -1
    """The record's own; -1 where nobody needs it."""
