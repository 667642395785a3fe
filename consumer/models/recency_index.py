"""A bounded index from 128-bit id hashes to row numbers that knows which row was touched least recently.

Open addressing with linear probing for the look-up, a doubly linked list for the order of touches. Both are derived:
a checkpoint keeps `keys`, `touched` and `is_live`, and `rebuild` makes them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, prefetch
from consumer.messages import Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models.rows import Field, side_by_side
from consumer.tables import Array

# Entries of `counts`.
N_LIVE = 0
N_FREE = 1
N_USED = 2  # rows ever used: every row from here on is untouched
NEWEST = 3
OLDEST = 4
SEQUENCE = 5  # touches so far
N_RETIRED = 6
N_COUNTS = 7

NONE = -1


class IndexArrays(NamedTuple):
    """Row-aligned arrays have `capacity` entries."""

    keys: UInt64Array  # (capacity, 2) hash of the id
    touched: Int64Array  # (capacity,) sequence number of the last touch
    seen_ms: Int64Array  # (capacity,) greatest event time of the row
    is_live: UInt8Array  # (capacity,)
    dirty: UInt8Array  # (capacity,) 1: changed since the last checkpoint copy
    newer: Int32Array  # (capacity,) derived
    older: Int32Array  # (capacity,) derived
    slots: Int32Array  # (power of two ≥ 2 · capacity,) derived: row or NONE
    free: Int32Array  # (capacity,) the first N_FREE entries are a stack of reusable rows
    retired: Int32Array  # (capacity,) the first N_RETIRED entries: rows no longer live, not yet reusable
    counts: Int64Array  # (N_COUNTS,)


def _n_slots(capacity: int) -> int:
    n = 16
    while n < 2 * capacity:
        n *= 2
    return n


def allocate(capacity: int) -> IndexArrays:
    """An empty index with room for `capacity` rows."""
    return allocate_with(capacity, ())[0]


def allocate_with(capacity: int, fields: Iterable[Field]) -> tuple[IndexArrays, Mapping[str, Array]]:
    """The same, and arrays for these fields, beside its own: a cache line has room for 24 bytes a row."""
    own: tuple[Field, ...] = (
        ("keys", np.uint64, (2,)),
        ("touched", np.int64),
        ("seen_ms", np.int64),
        ("newer", np.int32),
        ("older", np.int32),
    )
    rows = side_by_side(capacity, (*own, *fields))
    rows["newer"][:] = rows["older"][:] = NONE
    counts = np.zeros(N_COUNTS, np.int64)
    counts[NEWEST] = counts[OLDEST] = NONE
    index = IndexArrays(
        **{field[0]: rows[field[0]] for field in own},
        is_live=np.zeros(capacity, np.uint8),
        dirty=np.zeros(capacity, np.uint8),
        slots=np.full(_n_slots(capacity), NONE, np.int32),
        free=np.zeros(capacity, np.int32),
        retired=np.zeros(capacity, np.int32),
        counts=counts,
    )
    return index, {field[0]: rows[field[0]] for field in fields}


def grown(index: IndexArrays, capacity: int) -> IndexArrays:
    """The same index with more room; row numbers stay."""
    return moved(index, allocate(capacity))


def moved(index: IndexArrays, bigger: IndexArrays) -> IndexArrays:
    """The same index in the arrays of an empty one with more room."""
    n = len(index.touched)
    for name in ("keys", "touched", "seen_ms", "is_live", "dirty", "newer", "older", "free", "retired"):
        getattr(bigger, name)[:n] = getattr(index, name)
    bigger.counts[:] = index.counts
    fill_slots(bigger)
    return bigger


def rebuild(index: IndexArrays) -> None:
    """Derive the slots and the order of touches from `keys`, `touched` and `is_live` (after loading a checkpoint)."""
    fill_slots(index)
    live = np.flatnonzero(index.is_live)
    order = live[np.argsort(index.touched[live], kind="stable")].astype(np.int32)
    index.newer[:] = NONE
    index.older[:] = NONE
    index.older[order[1:]] = order[:-1]
    index.newer[order[:-1]] = order[1:]
    index.counts[OLDEST] = order[0] if len(order) else NONE
    index.counts[NEWEST] = order[-1] if len(order) else NONE


@hot_kernel
def fill_slots(index: IndexArrays) -> None:
    """Enter every live row anew."""
    index.slots[:] = NONE
    mask = len(index.slots) - 1
    for row in range(index.counts[N_USED]):
        if index.is_live[row]:
            slot = np.int64(index.keys[row, 0] & np.uint64(mask))
            while index.slots[slot] != NONE:
                slot = (slot + 1) & mask
            index.slots[slot] = row


@hot_kernel
def find(index: IndexArrays, key_0: np.uint64, key_1: np.uint64) -> int:
    """Row of the id, or NONE. Changes nothing."""
    mask = len(index.slots) - 1
    slot = np.int64(key_0 & np.uint64(mask))
    while True:
        row = index.slots[slot]
        if row == NONE or (index.keys[row, 0] == key_0 and index.keys[row, 1] == key_1):
            return int(row)
        slot = (slot + 1) & mask


@hot_kernel
def has_room(index: IndexArrays) -> bool:
    """Whether `insert` may be called."""
    return bool(index.counts[N_FREE] > 0 or index.counts[N_USED] < len(index.touched))


@hot_kernel
def insert(index: IndexArrays, key_0: np.uint64, key_1: np.uint64) -> int:
    """A row for an id that `find` did not find. The caller has asked `has_room`, clears the row, and touches it."""
    counts = index.counts
    if counts[N_FREE] > 0:
        counts[N_FREE] -= 1
        row = np.int64(index.free[counts[N_FREE]])
    else:
        row = counts[N_USED]
        counts[N_USED] += 1
    index.keys[row, 0] = key_0
    index.keys[row, 1] = key_1
    index.is_live[row] = 1
    index.seen_ms[row] = np.iinfo(np.int64).min
    index.newer[row] = NONE
    index.older[row] = NONE
    mask = len(index.slots) - 1
    slot = np.int64(key_0 & np.uint64(mask))
    while index.slots[slot] != NONE:
        slot = (slot + 1) & mask
    index.slots[slot] = row
    counts[N_LIVE] += 1
    return int(row)


@hot_kernel
def _unlink(index: IndexArrays, row: int) -> None:
    newer = index.newer[row]
    older = index.older[row]
    if newer != NONE:
        index.older[newer] = older
    elif index.counts[NEWEST] == row:
        index.counts[NEWEST] = older
    if older != NONE:
        index.newer[older] = newer
    elif index.counts[OLDEST] == row:
        index.counts[OLDEST] = newer
    index.newer[row] = NONE
    index.older[row] = NONE


@hot_kernel
def touch(index: IndexArrays, row: int, event_time_ms: int) -> None:
    """Make the row the most recent one."""
    counts = index.counts
    if counts[NEWEST] != row:
        _unlink(index, row)
        newest = counts[NEWEST]
        index.older[row] = newest
        if newest != NONE:
            index.newer[newest] = row
        else:
            counts[OLDEST] = row
        counts[NEWEST] = row
    index.touched[row] = counts[SEQUENCE]
    counts[SEQUENCE] += 1
    if event_time_ms > index.seen_ms[row]:
        index.seen_ms[row] = event_time_ms
    index.dirty[row] = 1


@hot_kernel
def remove(index: IndexArrays, row: int) -> None:
    """Forget the id of a live row. The row isn't reused until it is put on `free`."""
    _unlink(index, row)
    mask = len(index.slots) - 1
    slot = np.int64(index.keys[row, 0] & np.uint64(mask))
    while index.slots[slot] != row:
        slot = (slot + 1) & mask
    # Close the gap: move back every entry of the run that may stand in it (backward-shift deletion).
    gap = slot
    probe = (slot + 1) & mask
    while index.slots[probe] != NONE:
        home = np.int64(index.keys[index.slots[probe], 0] & np.uint64(mask))
        if ((probe - home) & mask) >= ((probe - gap) & mask):
            index.slots[gap] = index.slots[probe]
            gap = probe
        probe = (probe + 1) & mask
    index.slots[gap] = NONE
    index.is_live[row] = 0
    index.dirty[row] = 1
    index.counts[N_LIVE] -= 1


@hot_kernel
def release(index: IndexArrays, row: int) -> None:
    """Let a removed row be reused."""
    index.free[index.counts[N_FREE]] = row
    index.counts[N_FREE] += 1


@hot_kernel
def retire(index: IndexArrays, row: int) -> None:
    """Remove a live row and keep it aside until `release_retired`: others may still refer to its number."""
    remove(index, row)
    index.retired[index.counts[N_RETIRED]] = row
    index.counts[N_RETIRED] += 1


@hot_kernel
def release_retired(index: IndexArrays) -> None:
    """Let all retired rows be reused; nothing refers to them any more."""
    for i in range(index.counts[N_RETIRED]):
        release(index, index.retired[i])
    index.counts[N_RETIRED] = 0


@hot_kernel
def prefetch_row(index: IndexArrays, row: int) -> None:
    """Begin to bring near what `touch` needs of a row."""
    prefetch(index.touched, row, 0)
