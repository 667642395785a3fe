"""Whole records as columns: joined, thinned out and put into another order without a Python object a record."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np

from consumer.byte_column import PADDING, ByteColumn
from consumer.foreign_memory import copy_bytes
from consumer.kernels import kernel
from consumer.messages import InputRecord, Int32Array, Int64Array, RecordBatch, UInt8Array

_LENGTH: Final = struct.Struct("<i")
NULL_LENGTH: Final = -1
"""Length of a header's value that is null."""
_STRINGS: Final = ("values", "keys", "headers")


@dataclass(frozen=True, slots=True)
class Originals(Sequence[InputRecord]):
    """The whole records of a batch, each built when asked for."""

    topic: str
    partitions: Int32Array
    offsets: Int64Array
    timestamps_ms: Int64Array
    values: ByteColumn
    keys: ByteColumn
    headers: ByteColumn
    """Packed: for each header the length of its name, the name, the length of its value, the value."""

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> InputRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[InputRecord]: ...
    def __getitem__(self, index: int | slice) -> InputRecord | list[InputRecord]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return InputRecord(
            topic=self.topic,
            partition=int(self.partitions[index]),
            offset=int(self.offsets[index]),
            timestamp_ms=int(self.timestamps_ms[index]),
            key=self.keys[index],
            value=self.values[index],
            headers=tuple(_unpacked(self.headers[index] or b"")),
        )


def batch_of(
    topic: str,
    partitions: Int32Array,
    offsets: Int64Array,
    timestamps_ms: Int64Array,
    values: ByteColumn,
    keys: ByteColumn,
    headers: ByteColumn,
) -> RecordBatch:
    """A batch whose whole records are these columns; the functions below take such batches only."""
    originals = Originals(topic, partitions, offsets, timestamps_ms, values, keys, headers)
    return RecordBatch(topic, values, partitions, offsets, timestamps_ms, originals)


def joined(batches: Sequence[RecordBatch]) -> RecordBatch:
    """Batches of one topic, one behind the other."""
    if len(batches) == 1:
        return batches[0]
    originals = [_originals(batch) for batch in batches]
    return batch_of(
        batches[0].topic,
        np.concatenate([batch.partitions for batch in batches]),
        np.concatenate([batch.offsets for batch in batches]),
        np.concatenate([batch.timestamps_ms for batch in batches]),
        *(ByteColumn.joined([getattr(o, name) for o in originals]) for name in _STRINGS),
    )


def taken(batches: Sequence[RecordBatch], rows: Int64Array) -> RecordBatch:
    """These records of the batches, counted through one after the other, in this order. All are of one topic."""
    originals = [_originals(batch) for batch in batches]
    return batch_of(
        batches[0].topic,
        np.concatenate([batch.partitions for batch in batches]).take(rows),
        np.concatenate([batch.offsets for batch in batches]).take(rows),
        np.concatenate([batch.timestamps_ms for batch in batches]).take(rows),
        *(taken_strings([getattr(o, name) for o in originals], rows) for name in _STRINGS),
    )


def between(batch: RecordBatch, start: int, stop: int) -> RecordBatch:
    """Records start … stop - 1, without copying what they hold."""
    if (start, stop) == (0, len(batch)):
        return batch
    originals, rows = _originals(batch), slice(start, stop)
    return batch_of(
        batch.topic,
        batch.partitions[rows],
        batch.offsets[rows],
        batch.timestamps_ms[rows],
        *(strings_between(getattr(originals, name), start, stop) for name in _STRINGS),
    )


def without(batch: RecordBatch, partitions: Iterable[int]) -> RecordBatch:
    """The batch without the records of these partitions."""
    kept = np.flatnonzero(~np.isin(batch.partitions, list(partitions)))
    return batch if len(kept) == len(batch) else taken([batch], kept)


def taken_strings(columns: Sequence[ByteColumn], rows: Int64Array) -> ByteColumn:
    """These strings of the columns, counted through one after the other, in this order."""
    is_null = np.concatenate([column.is_null for column in columns]).take(rows)
    bounds = np.zeros(len(rows) + 1, np.int64)
    if not any(column.n_bytes for column in columns):  # as headers mostly are
        return ByteColumn(np.zeros(PADDING, np.uint8), bounds, is_null)
    np.cumsum(np.concatenate([np.diff(column.bounds) for column in columns]).take(rows), out=bounds[1:])
    addresses = np.concatenate([column.bounds[:-1] + column.text.ctypes.data for column in columns])
    return ByteColumn(copied(addresses.take(rows), bounds), bounds, is_null)


def copied(addresses: Int64Array, bounds: Int64Array) -> UInt8Array:
    """A column's text, made of what lies at these addresses; string i is bounds[i + 1] - bounds[i] bytes long."""
    text = np.empty(int(bounds[-1]) + PADDING, np.uint8)
    text[bounds[-1] :] = 0
    _copy(addresses, text, bounds)
    return text


def strings_between(column: ByteColumn, start: int, stop: int) -> ByteColumn:
    """Strings start … stop - 1, in the same memory."""
    first, end = int(column.bounds[start]), int(column.bounds[stop])
    bounds = column.bounds[start : stop + 1] - first
    return ByteColumn(column.text[first : end + PADDING], bounds, column.is_null[start:stop])


def compile_kernels() -> None:
    """Compile the kernel, or load it from the cache."""
    taken_strings([ByteColumn.of((b"a",))], np.zeros(1, np.int64))


@kernel
def _copy(addresses: Int64Array, into: UInt8Array, bounds: Int64Array) -> None:
    for i in range(len(addresses)):
        copy_bytes(into, bounds[i], addresses[i], bounds[i + 1] - bounds[i])


def _originals(batch: RecordBatch) -> Originals:
    assert isinstance(batch.originals, Originals), "made by `batch_of`"
    return batch.originals


def _unpacked(packed: bytes) -> Iterator[tuple[str, bytes | None]]:
    at = 0
    while at < len(packed):
        name, at = _piece(packed, at)
        value, at = _piece(packed, at)
        yield (name or b"").decode("utf-8", "replace"), value


def _piece(packed: bytes, at: int) -> tuple[bytes | None, int]:
    (length,) = _LENGTH.unpack_from(packed, at)
    at += _LENGTH.size
    return (None, at) if length == NULL_LENGTH else (packed[at : at + length], at + length)
