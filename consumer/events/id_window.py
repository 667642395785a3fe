"""A window of event ids in order of arrival: a ring, and a look-up table over it (open addressing, linear probing).

The table is derived: a checkpoint keeps the ring, and `fill_slots` makes the table again. Where the ring begins, how
many ids it holds and how many left it early stand in the `clock` array of admission, which every checkpoint copies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, prefetch
from consumer.messages import Int32Array, Int64Array, UInt8Array, UInt64Array

# Entries of `clock`.
HEAD = 2  # ring place of the oldest id
N_IDS = 3
N_FORGOTTEN_EARLY = 4


class WindowArrays(NamedTuple):
    """A ring of event ids in order of arrival, and its look-up table."""

    keys: UInt64Array  # (capacity, 2)
    times_ms: Int64Array  # (capacity,) its partition's greatest event time at arrival
    partitions: Int32Array  # (capacity,)
    dirty: UInt8Array  # (capacity,)
    slots: Int32Array  # derived: ring place or -1


def allocate(capacity: int) -> WindowArrays:
    """An empty window with room for `capacity` ids."""
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


def grown(window: WindowArrays, clock: Int64Array, capacity: int) -> WindowArrays:
    """A longer ring with the same ids, the oldest at its start; `clock` is changed to fit."""
    n = int(clock[N_IDS])
    order = (clock[HEAD] + np.arange(n)) % len(window.times_ms)
    longer = allocate(capacity)
    for name in ("keys", "times_ms", "partitions"):
        getattr(longer, name)[:n] = getattr(window, name)[order]
    longer.dirty[:] = 1
    clock[HEAD] = 0
    fill_slots(longer, clock)
    return longer


@hot_kernel
def find(window: WindowArrays, key_0: np.uint64, key_1: np.uint64) -> int:
    """Slot that holds the id, or the empty one where it belongs."""
    mask = len(window.slots) - 1
    slot = np.int64(key_0 & np.uint64(mask))
    while True:
        place = window.slots[slot]
        if place < 0 or (window.keys[place, 0] == key_0 and window.keys[place, 1] == key_1):
            return int(slot)
        slot = (slot + 1) & mask


@hot_kernel
def prefetch_slot(window: WindowArrays, key_0: np.uint64) -> None:
    """Begin to bring near where the look-up of an id begins."""
    prefetch(window.slots, int(key_0 & np.uint64(len(window.slots) - 1)), 0)


@hot_kernel
def prefetch_id(window: WindowArrays, key_0: np.uint64) -> None:
    """Begin to bring near the id that the look-up will find first, if any; its slot should be near already."""
    place = window.slots[np.int64(key_0 & np.uint64(len(window.slots) - 1))]
    if place >= 0:
        prefetch(window.keys, place, 0)


@hot_kernel
def prefetch_leaving(window: WindowArrays, clock: Int64Array, n_ahead: int) -> None:
    """Begin to bring near what forgetting the id after the n oldest will touch."""
    if clock[N_IDS] > n_ahead:
        prefetch_slot(window, window.keys[(clock[HEAD] + n_ahead) % len(window.times_ms), 0])


@hot_kernel
def forget_oldest(window: WindowArrays, clock: Int64Array) -> None:
    mask = len(window.slots) - 1
    place = clock[HEAD]
    gap = find(window, window.keys[place, 0], window.keys[place, 1])
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


@hot_kernel
def forget_passed(window: WindowArrays, clock: Int64Array, partition_ms: Int64Array, window_ms: int) -> None:
    """Forget the ids that their own partition's time has passed, oldest first, up to one that must stay."""
    while clock[N_IDS] > 0:
        oldest = clock[HEAD]
        if window.times_ms[oldest] >= partition_ms[window.partitions[oldest]] - window_ms:
            return
        forget_oldest(window, clock)


@hot_kernel
def remember(
    window: WindowArrays,
    clock: Int64Array,
    max_entries: int,
    key_0: np.uint64,
    key_1: np.uint64,
    partition: int,
    time_ms: int,
) -> None:
    """Enter an id that isn't in the window. There is room for it, or the window is as large as it may be."""
    while clock[N_IDS] >= max_entries:
        forget_oldest(window, clock)
        clock[N_FORGOTTEN_EARLY] += 1
    place = (clock[HEAD] + clock[N_IDS]) % len(window.times_ms)
    window.keys[place, 0] = key_0
    window.keys[place, 1] = key_1
    window.times_ms[place] = time_ms
    window.partitions[place] = partition
    window.dirty[place] = 1
    window.slots[find(window, key_0, key_1)] = place
    clock[N_IDS] += 1


@hot_kernel
def fill_slots(window: WindowArrays, clock: Int64Array) -> None:
    window.slots[:] = -1
    capacity = len(window.times_ms)
    for i in range(clock[N_IDS]):
        place = (clock[HEAD] + i) % capacity
        window.slots[find(window, window.keys[place, 0], window.keys[place, 1])] = place
