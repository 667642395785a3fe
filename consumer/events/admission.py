"""Which decoded events are learned: no duplicate, none that comes too late. One compiled pass, record by record.

Lateness is judged against the greatest event time of the record's own partition: judged against the global one, reading
a backlog of several partitions would call most of it late. The watermark is the least of these times over the
partitions, but those far behind the others (idle). Duplicates are found in a window of event ids, in order of arrival;
an id is forgotten once its own partition's time has passed it by the window and it is the oldest, or early (counted)
when the window is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consumer.events import id_window
from consumer.events.id_window import N_FORGOTTEN_EARLY, N_IDS, WindowArrays, fill_slots, find, forget_passed, remember
from consumer.kernels import hot_kernel, kernel
from consumer.messages import EventBatch, Int32Array, Int64Array, Outcome, UInt8Array, UInt64Array
from consumer.settings import Input
from consumer.tables import Array, Table

NEVER = np.iinfo(np.int64).min
MIN_CAPACITY = 1 << 12
LOOK_AHEAD = 8  # events

# Entries of `clock`; 2, 3 and 4 are those of `id_window`.
WATERMARK_MS = 0
GREATEST_MS = 1
LEAST_MS = 5  # the least time over the partitions that aren't idle; the watermark is the greatest it ever was
N_CLOCK = 6

_ADMITTED = int(Outcome.ADMITTED)
_DUPLICATE = int(Outcome.DUPLICATE)
_LATE_POPULARITY_ONLY = int(Outcome.LATE_POPULARITY_ONLY)


class Limits(NamedTuple):
    window_ms: int
    lateness_ms: int
    idle_ms: int
    max_entries: int
    late_outcome: int


class Columns(NamedTuple):
    """What the pass reads of a batch."""

    partitions: Int32Array
    event_key: UInt64Array
    time_ms: Int64Array
    redriven: UInt8Array


@dataclass(frozen=True, slots=True)
class AdmittedBatch:
    """A batch after admission. `outcome` says what each record is; `watermark_ms` is that just after the record."""

    events: EventBatch
    outcome: UInt8Array  # (n,)
    watermark_ms: Int64Array  # (n,)

    def counts(self) -> Mapping[str, int]:
        """Records by outcome, lower case, without zeros."""
        n_each = np.bincount(self.outcome).tolist()
        return {Outcome(code).name.lower(): n for code, n in enumerate(n_each) if n}


@hot_kernel
def _least_awake(partition_ms: Int64Array, greatest_ms: int, idle_ms: int) -> int:
    least = greatest_ms
    for p in range(len(partition_ms)):
        if partition_ms[p] != NEVER and partition_ms[p] >= greatest_ms - idle_ms:
            least = min(least, partition_ms[p])
    return least


@hot_kernel
def _advance(clock: Int64Array, partition_ms: Int64Array, partition: int, time_ms: int, idle_ms: int) -> None:
    """The partition has reached this time, later than before. Its watermark is looked for only where it may move."""
    before_ms = partition_ms[partition]
    partition_ms[partition] = time_ms
    clock[GREATEST_MS] = max(clock[GREATEST_MS], time_ms)
    was_least = before_ms <= clock[LEAST_MS]
    if was_least or clock[LEAST_MS] < clock[GREATEST_MS] - idle_ms:
        clock[LEAST_MS] = _least_awake(partition_ms, clock[GREATEST_MS], idle_ms)
        clock[WATERMARK_MS] = max(clock[WATERMARK_MS], clock[LEAST_MS])


@hot_kernel
def _look_ahead(window: WindowArrays, clock: Int64Array, columns: Columns, i: int) -> None:
    """The look-ups of a long window would mostly wait for memory; begin them early."""
    n = len(columns.time_ms)
    if i + 2 * LOOK_AHEAD < n:
        id_window.prefetch_slot(window, columns.event_key[i + 2 * LOOK_AHEAD, 0])
    if i + LOOK_AHEAD < n:
        id_window.prefetch_id(window, columns.event_key[i + LOOK_AHEAD, 0])
    id_window.prefetch_leaving(window, clock, LOOK_AHEAD)


@hot_kernel
def _admit(
    window: WindowArrays,
    clock: Int64Array,
    partition_ms: Int64Array,
    limits: Limits,
    columns: Columns,
    outcome: UInt8Array,
    watermark_ms: Int64Array,
    start: int,
) -> int:
    """Decide from record `start` on; stops at the end, or at a record before which the window must grow."""
    capacity = len(window.times_ms)
    for i in range(start, len(outcome)):
        if outcome[i] != _ADMITTED:
            watermark_ms[i] = clock[WATERMARK_MS]
            continue
        _look_ahead(window, clock, columns, i)
        forget_passed(window, clock, partition_ms, limits.window_ms)
        if clock[N_IDS] == capacity and capacity < limits.max_entries:
            return i
        time_ms = columns.time_ms[i]
        partition = columns.partitions[i]
        reached_ms = partition_ms[partition]
        key_0 = columns.event_key[i, 0]
        key_1 = columns.event_key[i, 1]
        if window.slots[find(window, key_0, key_1)] >= 0:
            outcome[i] = _DUPLICATE
        elif reached_ms != NEVER and time_ms < reached_ms - limits.lateness_ms and not columns.redriven[i]:
            outcome[i] = limits.late_outcome
        if outcome[i] == _ADMITTED or outcome[i] == _LATE_POPULARITY_ONLY:
            remember(window, clock, limits.max_entries, key_0, key_1, partition, max(reached_ms, time_ms))
            if time_ms > reached_ms:
                _advance(clock, partition_ms, partition, time_ms, limits.idle_ms)
        watermark_ms[i] = clock[WATERMARK_MS]
    return len(outcome)


@kernel
def _late_candidates(
    partition_ms: Int64Array, lateness_ms: int, partitions: Int32Array, time_ms: Int64Array, outcome: UInt8Array
) -> UInt8Array:
    reached_ms = partition_ms.copy()
    late = np.zeros(len(outcome), np.uint8)
    for i in range(len(outcome)):
        if outcome[i] == _ADMITTED:
            p = partitions[i]
            if reached_ms[p] != NEVER and time_ms[i] < reached_ms[p] - lateness_ms:
                late[i] = 1
            reached_ms[p] = max(reached_ms[p], time_ms[i])
    return late


class Admission:
    """Owns the window of event ids and the partitions' clocks; both belong to every checkpoint."""

    def __init__(self, settings: Input) -> None:
        late = Outcome.LATE if settings.late_events == "drop" else Outcome.LATE_POPULARITY_ONLY
        self._limits = Limits(
            window_ms=int(settings.dedupe.window_s * 1000),
            lateness_ms=int(settings.lateness_s * 1000),
            idle_ms=int(settings.idle_partition_s * 1000),
            max_entries=settings.dedupe.max_entries,
            late_outcome=int(late),
        )
        self.clock = np.zeros(N_CLOCK, np.int64)
        self.clock[[WATERMARK_MS, GREATEST_MS, LEAST_MS]] = NEVER
        self.partition_ms = np.full(1, NEVER, np.int64)
        self.window = id_window.allocate(min(MIN_CAPACITY, self._limits.max_entries))

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which every partition that is not idle has been read; None before the first event."""
        mark = int(self.clock[WATERMARK_MS])
        return None if mark == NEVER else mark

    @property
    def n_ids(self) -> int:
        return int(self.clock[N_IDS])

    @property
    def n_forgotten_early(self) -> int:
        """Event ids that left the window before their time, because it was full."""
        return int(self.clock[N_FORGOTTEN_EARLY])

    def late_candidates(self, events: EventBatch) -> Int64Array:
        """Rows that may be called late unless they are exempt (redriven), and all that will. Changes nothing."""
        self._know_partitions(events)
        late = _late_candidates(
            self.partition_ms, self._limits.lateness_ms, events.partitions, events.event_time_ms, events.outcome
        )
        return np.flatnonzero(late)

    def admit(self, events: EventBatch, redriven: UInt8Array | None = None) -> AdmittedBatch:
        """Decide about each record in order. `redriven` (n,) 1: exempt from lateness."""
        self._know_partitions(events)
        n = len(events)
        exempt = np.zeros(n, np.uint8) if redriven is None else redriven
        columns = Columns(events.partitions, events.event_key, events.event_time_ms, exempt)
        outcome = events.outcome.copy()
        watermark_ms = np.empty(n, np.int64)
        start = 0
        while True:
            state = (self.window, self.clock, self.partition_ms)
            start = _admit(*state, self._limits, columns, outcome, watermark_ms, start)
            if start == n:
                break
            capacity = min(2 * len(self.window.times_ms), self._limits.max_entries)
            self.window = id_window.grown(self.window, self.clock, capacity)
        return AdmittedBatch(events, outcome, watermark_ms)

    def table(self) -> Table:
        """The window, for checkpoints."""
        columns: dict[str, Array] = {
            "keys": self.window.keys,
            "times_ms": self.window.times_ms,
            "partitions": self.window.partitions,
        }
        return Table(columns, self.window.dirty, len(self.window.times_ms))

    def small(self) -> Mapping[str, Array]:
        """The clocks, for checkpoints."""
        return {"admission.clock": self.clock, "admission.partition_ms": self.partition_ms}

    def restore(self, window: Mapping[str, Array], small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint."""
        self.clock[:] = small["admission.clock"]
        self.partition_ms = small["admission.partition_ms"].copy()
        self.window = id_window.allocate(len(window["times_ms"]))
        for name, array in self.table().arrays.items():
            array[:] = window[name]
        fill_slots(self.window, self.clock)

    def _know_partitions(self, events: EventBatch) -> None:
        n_partitions = int(events.partitions.max(initial=0)) + 1
        if n_partitions > len(self.partition_ms):
            more = np.full(n_partitions - len(self.partition_ms), NEVER, np.int64)
            self.partition_ms = np.concatenate((self.partition_ms, more))
