"""Which decoded events are learned: no duplicate, none that comes too late. One compiled pass, record by record.

Lateness is judged against the greatest event time of the record's own partition: judged against the global one, reading a
backlog of several partitions would call most of it late. The watermark is the least of these times over the partitions,
but those far behind the others (idle). Duplicates are found in a window of event ids; an id is forgotten once its own
partition's time has passed it by the window, or early (counted) when the window is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consumer.kernels import kernel
from consumer.messages import EventBatch, Int32Array, Int64Array, Outcome, UInt8Array, UInt64Array
from consumer.settings import Input
from consumer.tables import Array, Table

NEVER = np.iinfo(np.int64).min
MIN_CAPACITY = 1 << 12

# Entries of `clock`.
WATERMARK_MS = 0
GREATEST_MS = 1
HEAD = 2  # ring place of the oldest id
N_IDS = 3
N_FORGOTTEN_EARLY = 4
N_CLOCK = 5

_ADMITTED = int(Outcome.ADMITTED)
_DUPLICATE = int(Outcome.DUPLICATE)
_LATE = int(Outcome.LATE)
_LATE_POPULARITY_ONLY = int(Outcome.LATE_POPULARITY_ONLY)


class WindowArrays(NamedTuple):
    """A ring of event ids in order of arrival, and its look-up table."""

    keys: UInt64Array  # (capacity, 2)
    times_ms: Int64Array  # (capacity,) its partition's greatest event time at arrival
    partitions: Int32Array  # (capacity,)
    dirty: UInt8Array  # (capacity,)
    slots: Int32Array  # derived: ring place or -1


class Limits(NamedTuple):
    window_ms: int
    lateness_ms: int
    idle_ms: int
    max_entries: int
    late_outcome: int


@dataclass(frozen=True, slots=True)
class AdmittedBatch:
    """A batch after admission. `outcome` says what each record is; `watermark_ms` is that just after the record."""

    events: EventBatch
    outcome: UInt8Array  # (n,)
    watermark_ms: Int64Array  # (n,)

    def counts(self) -> Mapping[str, int]:
        """Records by outcome, lower case, without zeros."""
        n_each = np.bincount(self.outcome)
        return {Outcome(code).name.lower(): int(n_each[code]) for code in np.flatnonzero(n_each)}


@kernel
def _find(window: WindowArrays, key_0: np.uint64, key_1: np.uint64) -> int:
    """Slot that holds the id, or the empty one where it belongs."""
    mask = len(window.slots) - 1
    slot = np.int64(key_0 & np.uint64(mask))
    while True:
        place = window.slots[slot]
        if place < 0 or (window.keys[place, 0] == key_0 and window.keys[place, 1] == key_1):
            return slot
        slot = (slot + 1) & mask


@kernel
def _forget_oldest(window: WindowArrays, clock: Int64Array) -> None:
    mask = len(window.slots) - 1
    place = clock[HEAD]
    gap = _find(window, window.keys[place, 0], window.keys[place, 1])
    probe = (gap + 1) & mask
    while window.slots[probe] >= 0:
        home = np.int64(window.keys[window.slots[probe], 0] & np.uint64(mask))
        if ((probe - home) & mask) >= ((probe - gap) & mask):
            window.slots[gap] = window.slots[probe]
            gap = probe
        probe = (probe + 1) & mask
    window.slots[gap] = -1
    clock[HEAD] = place + 1 if place + 1 < len(window.times_ms) else 0
    clock[N_IDS] -= 1


@kernel
def _fill_slots(window: WindowArrays, clock: Int64Array) -> None:
    window.slots[:] = -1
    capacity = len(window.times_ms)
    for i in range(clock[N_IDS]):
        place = (clock[HEAD] + i) % capacity
        window.slots[_find(window, window.keys[place, 0], window.keys[place, 1])] = place


@kernel
def _watermark(partition_ms: Int64Array, greatest_ms: int, idle_ms: int) -> int:
    least = greatest_ms
    for p in range(len(partition_ms)):
        if partition_ms[p] != NEVER and partition_ms[p] >= greatest_ms - idle_ms:
            least = min(least, partition_ms[p])
    return least


@kernel
def _admit(
    window: WindowArrays,
    clock: Int64Array,
    partition_ms: Int64Array,
    limits: Limits,
    partitions: Int32Array,
    event_key: UInt64Array,
    time_ms: Int64Array,
    redriven: UInt8Array,
    outcome: UInt8Array,
    watermark_ms: Int64Array,
) -> None:
    capacity = len(window.times_ms)
    for i in range(len(outcome)):
        if outcome[i] != _ADMITTED:
            watermark_ms[i] = clock[WATERMARK_MS]
            continue
        while clock[N_IDS] > 0:
            oldest = clock[HEAD]
            if window.times_ms[oldest] >= partition_ms[window.partitions[oldest]] - limits.window_ms:
                break
            _forget_oldest(window, clock)
        partition = partitions[i]
        reached_ms = partition_ms[partition]
        slot = _find(window, event_key[i, 0], event_key[i, 1])
        if window.slots[slot] >= 0:
            outcome[i] = _DUPLICATE
        elif reached_ms != NEVER and time_ms[i] < reached_ms - limits.lateness_ms and not redriven[i]:
            outcome[i] = limits.late_outcome
        if outcome[i] == _ADMITTED or outcome[i] == _LATE_POPULARITY_ONLY:
            if clock[N_IDS] >= limits.max_entries:
                _forget_oldest(window, clock)
                clock[N_FORGOTTEN_EARLY] += 1
                slot = _find(window, event_key[i, 0], event_key[i, 1])
            place = (clock[HEAD] + clock[N_IDS]) % capacity
            window.keys[place, 0] = event_key[i, 0]
            window.keys[place, 1] = event_key[i, 1]
            window.times_ms[place] = max(reached_ms, time_ms[i])
            window.partitions[place] = partition
            window.dirty[place] = 1
            window.slots[slot] = place
            clock[N_IDS] += 1
            if time_ms[i] > reached_ms:
                partition_ms[partition] = time_ms[i]
                clock[GREATEST_MS] = max(clock[GREATEST_MS], time_ms[i])
                held_back_by_it = reached_ms <= clock[WATERMARK_MS]
                held_back_by_idle = clock[WATERMARK_MS] < clock[GREATEST_MS] - limits.idle_ms
                if held_back_by_it or held_back_by_idle:
                    mark = _watermark(partition_ms, clock[GREATEST_MS], limits.idle_ms)
                    clock[WATERMARK_MS] = max(clock[WATERMARK_MS], mark)
        watermark_ms[i] = clock[WATERMARK_MS]


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
        self.clock = np.array([NEVER, NEVER, 0, 0, 0], np.int64)
        self.partition_ms = np.full(1, NEVER, np.int64)
        self.window = self._allocate(min(MIN_CAPACITY, self._limits.max_entries))

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
        """Rows that will be called late unless they are exempt (redriven). Changes nothing."""
        self._make_room(events)
        late = _late_candidates(
            self.partition_ms, self._limits.lateness_ms, events.partitions, events.event_time_ms, events.outcome
        )
        return np.flatnonzero(late)

    def admit(self, events: EventBatch, redriven: UInt8Array | None = None) -> AdmittedBatch:
        """Decide about each record in order. `redriven` (n,) 1: exempt from lateness."""
        self._make_room(events)
        n = len(events)
        outcome = events.outcome.copy()
        watermark_ms = np.empty(n, np.int64)
        _admit(
            self.window,
            self.clock,
            self.partition_ms,
            self._limits,
            events.partitions,
            events.event_key,
            events.event_time_ms,
            np.zeros(n, np.uint8) if redriven is None else redriven,
            outcome,
            watermark_ms,
        )
        return AdmittedBatch(events, outcome, watermark_ms)

    def table(self) -> Table:
        """The window, for checkpoints."""
        columns = {"keys": self.window.keys, "times_ms": self.window.times_ms, "partitions": self.window.partitions}
        return Table(columns, self.window.dirty, len(self.window.times_ms))

    def small(self) -> Mapping[str, Array]:
        """The clocks, for checkpoints."""
        return {"admission.clock": self.clock, "admission.partition_ms": self.partition_ms}

    def restore(self, window: Mapping[str, Array], small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint."""
        self.clock[:] = small["admission.clock"]
        self.partition_ms = small["admission.partition_ms"].copy()
        self.window = self._allocate(len(window["times_ms"]))
        for name, array in self.table().arrays.items():
            array[:] = window[name]
        _fill_slots(self.window, self.clock)

    def _allocate(self, capacity: int) -> WindowArrays:
        n_slots = 16
        while n_slots < 2 * capacity:
            n_slots *= 2
        return WindowArrays(
            keys=np.zeros((capacity, 2), np.uint64),
            times_ms=np.zeros(capacity, np.int64),
            partitions=np.zeros(capacity, np.int32),
            dirty=np.zeros(capacity, np.uint8),
            slots=np.full(n_slots, -1, np.int32),
        )

    def _make_room(self, events: EventBatch) -> None:
        """Room for every partition and, up to the limit, for every id of the batch. Changes no answer."""
        n_partitions = int(events.partitions.max(initial=0)) + 1
        if n_partitions > len(self.partition_ms):
            more = np.full(n_partitions - len(self.partition_ms), NEVER, np.int64)
            self.partition_ms = np.concatenate((self.partition_ms, more))
        capacity = len(self.window.times_ms)
        wanted = min(self.n_ids + len(events), self._limits.max_entries)
        if wanted > capacity:
            self._grow(min(max(wanted, 2 * capacity), self._limits.max_entries))

    def _grow(self, capacity: int) -> None:
        """A longer ring with the same ids, the oldest at its start."""
        old, n = self.window, self.n_ids
        order = (self.clock[HEAD] + np.arange(n)) % len(old.times_ms)
        self.window = self._allocate(capacity)
        for name in ("keys", "times_ms", "partitions"):
            getattr(self.window, name)[:n] = getattr(old, name)[order]
        self.window.dirty[:] = 1
        self.clock[HEAD] = 0
        _fill_slots(self.window, self.clock)
