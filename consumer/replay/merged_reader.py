"""Records of several partitions, decoded, in the order of their event times; holds a bounded number of them.

Each partition has its part of the window. A record comes out once every partition has one waiting or is at its end, so
the order (`consumer.replay.merge_order`) is that of the records, however their fetching went.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import numpy as np

from consumer import record_columns
from consumer.byte_column import PADDING, ByteColumn
from consumer.events.feature_entries import gathered
from consumer.messages import Decoded, EventBatch, FeatureEntries, Int64Array, RecordBatch
from consumer.replay.merge_order import merged_order
from consumer.replay.partitions import Partitions

WINDOW_RECORDS: Final = 65_536
"""That wait for each other, over all partitions."""
LEAST_PART: Final = 512
"""Of the window, for each partition."""
WAIT_S: Final = 0.05


class EndOfRange(Exception):
    """Everything was handed out."""


class MergedReader:
    """Hands out batches of at most `max_events`; a partition alone is read as it is."""

    def __init__(
        self,
        partitions: Partitions,
        decode: Callable[[RecordBatch], EventBatch],
        max_events: int,
        window: int = WINDOW_RECORDS,
    ) -> None:
        self._partitions = partitions
        self._decode = decode
        self._max_events = max_events
        self._waiting = {p: _Waiting() for p in partitions.numbers}
        self._part = max(LEAST_PART, window // max(1, len(self._waiting)))

    def next(self) -> Decoded | None:
        """The next batch; None where nothing came for a moment. Raises EndOfRange behind the last one."""
        if len(self._waiting) == 1:
            return self._next_of_one()
        self._fill()
        times_ms, bounds = _joined_times(list(self._waiting.values()))
        is_whole = np.array([self._partitions.is_at_end(p) for p in self._waiting], np.uint8)
        order, n_each = merged_order(times_ms, bounds, is_whole, self._max_events)
        if len(order):
            return _merged(self._taken(n_each), order)
        if is_whole.all():
            raise EndOfRange
        return None

    def _next_of_one(self) -> Decoded | None:
        (partition,) = self._waiting
        if self._partitions.is_at_end(partition):
            raise EndOfRange
        records = self._partitions.read(partition, self._max_events, WAIT_S)
        return None if records is None else Decoded(records, self._decode(records))

    def _fill(self) -> None:
        """Read on where less than half of a part waits; wait for a moment where nothing does."""
        for partition, waiting in self._waiting.items():
            if waiting.n_records <= self._part // 2 and not self._partitions.is_at_end(partition):
                n_wanted = self._part - waiting.n_records
                records = self._partitions.read(partition, n_wanted, 0.0 if waiting.n_records else WAIT_S)
                if records is not None:
                    waiting.pieces.append(_with_own_ids(Decoded(records, self._decode(records))))

    def _taken(self, n_each: Int64Array) -> list[Decoded]:
        """So many records of each partition, one partition after the other."""
        return [
            piece
            for waiting, n in zip(self._waiting.values(), n_each.tolist(), strict=True)
            for piece in waiting.take(n)
        ]


class _Waiting:
    """Of one partition, in its order."""

    def __init__(self) -> None:
        self.pieces: list[Decoded] = []

    @property
    def n_records(self) -> int:
        return sum(len(piece.events) for piece in self.pieces)

    def take(self, n: int) -> list[Decoded]:
        """The first n."""
        found = []
        while n:
            piece = self.pieces.pop(0)
            n_here = min(n, len(piece.events))
            found.append(_between(piece, 0, n_here))
            if n_here < len(piece.events):
                self.pieces.insert(0, _between(piece, n_here, len(piece.events)))
            n -= n_here
        return found


def _joined_times(waiting: Sequence[_Waiting]) -> tuple[Int64Array, Int64Array]:
    """Event times one partition after the other, and the bounds between them."""
    bounds = np.cumsum([0, *(one.n_records for one in waiting)])
    times = [piece.events.event_time_ms for one in waiting for piece in one.pieces]
    return np.concatenate([np.zeros(0, np.int64), *times]), bounds


def _with_own_ids(decoded: Decoded) -> Decoded:
    """The same, but with a text of item ids only, one behind the other, which can be cut and joined."""
    events = decoded.events
    bounds = np.zeros(len(events) + 1, np.int64)
    np.cumsum(events.item_length, out=bounds[1:])
    ids = _gathered(events, bounds)
    columns = {f.name: getattr(events, f.name) for f in fields(events)}
    return Decoded(decoded.records, EventBatch(**{**columns, "text": ids.text, "item_start": bounds[:-1]}))


def _gathered(events: EventBatch, bounds: Int64Array) -> ByteColumn:
    """The ids as a column, wherever in the text they lie."""
    text = record_columns.copied(events.text.ctypes.data + events.item_start, bounds)
    return ByteColumn(text, bounds, np.zeros(len(events), np.uint8))


def _between(decoded: Decoded, start: int, stop: int) -> Decoded:
    return Decoded(record_columns.between(decoded.records, start, stop), decoded.events.between(start, stop))


def _merged(pieces: Sequence[Decoded], order: Int64Array) -> Decoded:
    records = record_columns.taken([piece.records for piece in pieces], order)
    events = [piece.events for piece in pieces]
    ids = record_columns.taken_strings([_ids(one) for one in events], order)
    columns: dict[str, Any] = {
        "topic_hash": events[0].topic_hash,
        "partitions": records.partitions,
        "offsets": records.offsets,
        "timestamps_ms": records.timestamps_ms,
        "text": ids.text,
        "item_start": ids.bounds[:-1],
        **_merged_features(events, order),
    }
    for name in (f.name for f in fields(EventBatch) if f.name not in columns):
        columns[name] = np.concatenate([getattr(one, name) for one in events]).take(order, axis=0)
    return Decoded(records, EventBatch(**columns))


def _merged_features(events: Sequence[EventBatch], order: Int64Array) -> Mapping[str, Any]:
    """`features`, and where those of each record begin."""
    entries, starts = zip(*(gathered(one) for one in events), strict=True)
    before = np.cumsum([0, *(len(one.name) for one in entries[:-1])])
    shifted = [one + n for one, n in zip(starts, before.tolist(), strict=True)]
    return {
        "features": FeatureEntries(*(np.concatenate(columns) for columns in zip(*entries, strict=True))),
        "feature_start": np.concatenate(shifted).take(order),
    }


def _ids(events: EventBatch) -> ByteColumn:
    """The ids of a piece that `_with_own_ids` made, in the same memory."""
    n = len(events)
    if n == 0:
        return ByteColumn.of(())
    first, last = int(events.item_start[0]), int(events.item_start[-1] + events.item_length[-1])
    bounds = np.append(events.item_start, last) - first
    return ByteColumn(events.text[first : last + PADDING], bounds, np.zeros(n, np.uint8))
