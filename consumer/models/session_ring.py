"""A bounded ring of the latest sessions: each with its distinct items in order, found again by its key.

A new session takes the row of the one opened longest ago. Sessions have serial numbers in the order in which they were
opened; who remembers a number of 32 bits can tell whether that session is still there, and in which row. (Numbers wrap
around after four billion sessions: one remembered for so long may name a younger session.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumer.kernels import hot_kernel
from consumer.messages import Int32Array, Int64Array, UInt8Array, UInt64Array

UInt32Array = NDArray[np.uint32]

MAX_ITEMS = 20
"""Items kept of a session, the latest ones."""
NONE = -1


class SessionArrays(NamedTuple):
    """`capacity` rows; without any, the ring is off."""

    keys: UInt64Array  # (capacity,) of 64 random bits: n sessions share one with a chance of n²/2^65
    items: Int32Array  # (capacity, MAX_ITEMS) item rows, oldest first, each once; NONE behind them
    n_items: Int32Array  # (capacity,)
    latest_ms: Int64Array  # (capacity,) greatest event time
    dirty: UInt8Array  # (capacity,) 1: changed since the last checkpoint copy
    slots: Int32Array  # (power of two ≥ 2 · capacity,) derived: row or NONE
    n_opened: Int64Array  # (1,) sessions ever opened; serial n lies in row n mod capacity


def allocate(capacity: int) -> SessionArrays:
    return SessionArrays(
        keys=np.zeros(capacity, np.uint64),
        items=np.full((capacity, MAX_ITEMS), NONE, np.int32),
        n_items=np.zeros(capacity, np.int32),
        latest_ms=np.zeros(capacity, np.int64),
        dirty=np.zeros(capacity, np.uint8),
        slots=np.full(_n_slots(capacity), NONE, np.int32),
        n_opened=np.zeros(1, np.int64),
    )


def _n_slots(capacity: int) -> int:
    n = 2
    while n < 2 * capacity:
        n *= 2
    return n


@hot_kernel
def key_of(user_key: np.uint64, session: np.uint32) -> np.uint64:
    """Key of a user's session, from his own (random bits) and its number."""
    return np.uint64(user_key ^ (np.uint64(session) * np.uint64(0x9E3779B97F4A7C15)))


@hot_kernel
def n_used(sessions: SessionArrays) -> int:
    """Rows that hold a session."""
    return int(min(sessions.n_opened[0], len(sessions.keys)))


@hot_kernel
def rebuild(sessions: SessionArrays) -> None:
    """Derive the slots (after loading a checkpoint)."""
    sessions.slots[:] = NONE
    for row in range(n_used(sessions)):
        _enter(sessions, row)


@hot_kernel
def find(sessions: SessionArrays, key: np.uint64) -> int:
    """Row of the session, or NONE."""
    mask = len(sessions.slots) - 1
    slot = np.int64(key & np.uint64(mask))
    while True:
        row = sessions.slots[slot]
        if row == NONE or sessions.keys[row] == key:
            return int(row)
        slot = (slot + 1) & mask


@hot_kernel
def next_row(sessions: SessionArrays) -> int:
    """The row that the next session will take."""
    return int(sessions.n_opened[0] % len(sessions.keys))


@hot_kernel
def open_next(sessions: SessionArrays, key: np.uint64) -> int:
    """A session under a key that `find` did not find, in `next_row`; returns the row. What lay there is gone."""
    row = next_row(sessions)
    if sessions.n_opened[0] >= len(sessions.keys):
        _leave(sessions, row)
    sessions.n_opened[0] += 1
    sessions.keys[row] = key
    sessions.items[row, :] = NONE
    sessions.n_items[row] = 0
    sessions.latest_ms[row] = np.iinfo(np.int64).min
    sessions.dirty[row] = 1
    _enter(sessions, row)
    return row


@hot_kernel
def serial_of(sessions: SessionArrays, row: int) -> np.uint32:
    """The serial number, its last 32 bits, of the session in this row."""
    newest = sessions.n_opened[0] - 1
    age = newest % len(sessions.keys) - row
    if age < 0:
        age += len(sessions.keys)
    return np.uint32((newest - age) & 0xFFFFFFFF)


@hot_kernel
def row_of(sessions: SessionArrays, serial: np.uint32, newest_row: int) -> int:
    """Row of the session with this serial number, or NONE if it is gone. `newest_row`: where the newest one lies."""
    age = (sessions.n_opened[0] - 1 - np.int64(serial)) & 0xFFFFFFFF
    if age >= n_used(sessions):
        return NONE
    row = newest_row - age
    return int(row if row >= 0 else row + len(sessions.keys))


@hot_kernel
def newest_row(sessions: SessionArrays) -> int:
    """Row of the newest session; there is one."""
    return int((sessions.n_opened[0] - 1) % len(sessions.keys))


@hot_kernel
def _enter(sessions: SessionArrays, row: int) -> None:
    mask = len(sessions.slots) - 1
    slot = np.int64(sessions.keys[row] & np.uint64(mask))
    while sessions.slots[slot] != NONE:
        slot = (slot + 1) & mask
    sessions.slots[slot] = row


@hot_kernel
def _leave(sessions: SessionArrays, row: int) -> None:
    """Take the row's key out of the slots."""
    mask = len(sessions.slots) - 1
    slot = np.int64(sessions.keys[row] & np.uint64(mask))
    while sessions.slots[slot] != row:
        slot = (slot + 1) & mask
    # Close the gap: move back every entry of the run that may stand in it (backward-shift deletion).
    gap = slot
    probe = (slot + 1) & mask
    while sessions.slots[probe] != NONE:
        home = np.int64(sessions.keys[sessions.slots[probe]] & np.uint64(mask))
        if ((probe - home) & mask) >= ((probe - gap) & mask):
            sessions.slots[gap] = sessions.slots[probe]
            gap = probe
        probe = (probe + 1) & mask
    sessions.slots[gap] = NONE
