"""`session_knn`: the index it learns, bounded: the latest sessions, and for each item the latest of those that hold it.

What is made of it: `session_knn_ranking`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import session_ring
from consumer.models.session_ring import MAX_ITEMS, NONE, SessionArrays, UInt32Array


class SessionKnnArrays(NamedTuple):
    """R recent sessions an item. Without rows the member is off."""

    recent: UInt32Array  # (capacity, R) serial numbers, a ring
    recent_head: Int32Array  # (capacity,) place of the latest one
    n_recent: Int32Array  # (capacity,) places in use
    spread: Int32Array  # (capacity,) sessions kept that hold the item
    spread_total: Int64Array  # (1,) over all items
    time_constant_ms: Float64Array  # (1,) τ


def allocate(capacity: int, recent: int, time_constant_s: float) -> SessionKnnArrays:
    return SessionKnnArrays(
        recent=np.zeros((capacity, recent), np.uint32),
        recent_head=np.zeros(capacity, np.int32),
        n_recent=np.zeros(capacity, np.int32),
        spread=np.zeros(capacity, np.int32),
        spread_total=np.zeros(1, np.int64),
        time_constant_ms=np.array([time_constant_s * 1000.0]),
    )


@hot_kernel
def add_spread(knn: SessionKnnArrays, dirty: UInt8Array, item: int, amount: int) -> None:
    """So many sessions more (or, below 0, fewer) hold the item."""
    knn.spread[item] += amount
    knn.spread_total[0] += amount
    dirty[item] = 1


@hot_kernel
def remember(knn: SessionKnnArrays, dirty: UInt8Array, item: int, serial: np.uint32) -> None:
    """The session is the latest that holds the item; the earliest one remembered makes room."""
    length = knn.recent.shape[1]
    head = knn.recent_head[item] + 1
    if head >= length:
        head = 0
    knn.recent_head[item] = head
    knn.recent[item, head] = serial
    if knn.n_recent[item] < length:
        knn.n_recent[item] += 1
    add_spread(knn, dirty, item, 1)


@hot_kernel
def open_session(
    knn: SessionKnnArrays, sessions: SessionArrays, is_live: UInt8Array, dirty: UInt8Array, key: np.uint64
) -> int:
    """The row of a new session; the one that lay there no longer counts for its items."""
    row = session_ring.next_row(sessions)
    for place in range(sessions.n_items[row]):
        item = sessions.items[row, place]
        if is_live[item]:
            add_spread(knn, dirty, item, -1)
    return session_ring.open_next(sessions, key)


@hot_kernel
def append(
    knn: SessionKnnArrays, sessions: SessionArrays, is_live: UInt8Array, dirty: UInt8Array, row: int, item: int
) -> None:
    """The session's latest item is this one; an item that it has already moves, else its first one may make room."""
    items = sessions.items[row]
    n = sessions.n_items[row]
    place = 0
    while place < n and items[place] != item:
        place += 1
    if place == n:
        if n == MAX_ITEMS:
            place = 0
            n -= 1
            if is_live[items[0]]:
                add_spread(knn, dirty, items[0], -1)
        remember(knn, dirty, item, session_ring.serial_of(sessions, row))
        n += 1
        sessions.n_items[row] = n
    for k in range(place, n - 1):
        items[k] = items[k + 1]
    items[n - 1] = item
    sessions.dirty[row] = 1


@hot_kernel
def learn_event(
    knn: SessionKnnArrays,
    sessions: SessionArrays,
    is_live: UInt8Array,
    dirty: UInt8Array,
    item: int,
    key: np.uint64,
    time_ms: int,
) -> int:
    """Learn that `item` came up in the session with this key; returns the session's row."""
    row = session_ring.find(sessions, key)
    if row == NONE:
        row = open_session(knn, sessions, is_live, dirty, key)
    sessions.latest_ms[row] = max(sessions.latest_ms[row], time_ms)
    append(knn, sessions, is_live, dirty, row, item)
    return row


@hot_kernel
def forget_item(knn: SessionKnnArrays, item: int) -> None:
    """Clear an evicted item's own row; sessions drop it in `forget_items`."""
    knn.spread_total[0] -= knn.spread[item]
    knn.spread[item] = 0
    knn.recent[item, :] = 0
    knn.recent_head[item] = 0
    knn.n_recent[item] = 0


@hot_kernel
def forget_items(sessions: SessionArrays, is_live: UInt8Array) -> None:
    """Drop items no longer live from the sessions, before their rows are reused."""
    for row in range(session_ring.n_used(sessions)):
        kept = 0
        n = sessions.n_items[row]
        for place in range(n):
            item = sessions.items[row, place]
            if is_live[item]:
                sessions.items[row, kept] = item
                kept += 1
        if kept != n:
            sessions.items[row, kept:n] = NONE
            sessions.n_items[row] = kept
            sessions.dirty[row] = 1
