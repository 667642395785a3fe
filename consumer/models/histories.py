"""A user is his recent history: a ring of the last items, with their times and sessions.

Users are rows of a bounded `recency_index`; the least recently active one makes room, and one idle for longer than the
time to live (event time) is forgotten. Consecutive events on the same item take one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumer.kernels import hot_kernel, prefetch
from consumer.messages import Int32Array, Int64Array, UInt8Array
from consumer.models.recency_index import NONE, IndexArrays
from consumer.models.rows import Field, side_by_side
from consumer.tables import Array

UInt32Array = NDArray[np.uint32]


class HistoryArrays(NamedTuple):
    """Row-aligned with the users' index; `length` places a row."""

    items: Int32Array  # (capacity, length) item row; NONE: the item is gone
    sessions: UInt32Array  # (capacity, length) session of the event
    times_s: UInt32Array  # (capacity, length) event time, seconds since 1970
    head: Int32Array  # (capacity,) place of the latest event
    n_events: Int32Array  # (capacity,) places in use
    session: UInt32Array  # (capacity,) number of the current session where events name none
    latest_ms: Int64Array  # (capacity,) greatest event time


HEADER: tuple[Field, ...] = (
    ("latest_ms", np.int64), ("head", np.int32), ("n_events", np.int32), ("session", np.uint32)
)  # fmt: skip
"""What a row has once, not in every place."""


def allocate(capacity: int, length: int, header: Mapping[str, Array] | None = None) -> HistoryArrays:
    """Empty histories; `header`: zeros for the fields of HEADER, where they are to lie beside something else.

    Places not in use hold zeros: a row takes no memory before `clear` makes it a user's."""
    ring = side_by_side(capacity, (("items", np.int32), ("sessions", np.uint32), ("times_s", np.uint32)), length)
    return HistoryArrays(**ring, **(side_by_side(capacity, HEADER) if header is None else header))


@hot_kernel
def clear(histories: HistoryArrays, user: int) -> None:
    """An empty history for a new user."""
    histories.items[user, :] = NONE
    histories.sessions[user, :] = 0
    histories.times_s[user, :] = 0
    histories.head[user] = 0
    histories.n_events[user] = 0
    histories.session[user] = 0
    histories.latest_ms[user] = 0


@hot_kernel
def session_of(histories: HistoryArrays, user: int, session_key: np.uint64, time_ms: int, gap_ms: int) -> np.uint32:
    """The session of an event: the one it names, else the user's current one or, after the gap, a new one.

    An event out of order never opens a session.
    """
    if session_key != np.uint64(0):
        return np.uint32(session_key & np.uint64(0xFFFFFFFF)) | np.uint32(1)
    if histories.n_events[user] == 0 or time_ms > histories.latest_ms[user] + gap_ms:
        return np.uint32(histories.session[user] + np.uint32(2))  # even: never equal to a named one
    return np.uint32(histories.session[user])


@hot_kernel
def latest_first(histories: HistoryArrays, user: int, is_live_item: UInt8Array, items: Int32Array) -> int:
    """Copy the user's item rows into `items`, latest first, NONE for those no longer live; returns how many."""
    length = histories.items.shape[1]
    n = histories.n_events[user]
    place = histories.head[user]
    for b in range(n):
        item = histories.items[user, place]
        items[b] = item if item != NONE and is_live_item[item] else NONE
        place = place - 1 if place > 0 else length - 1
    return int(n)


@hot_kernel
def predecessors(histories: HistoryArrays, user: int, session: np.uint32, items: Int32Array) -> int:
    """Copy the item rows of this session into `items`, latest first, at most len(items); returns how many."""
    length = histories.items.shape[1]
    place = histories.head[user]
    n_found = 0
    for _ in range(histories.n_events[user]):
        if histories.sessions[user, place] == session:
            items[n_found] = histories.items[user, place]
            n_found += 1
            if n_found == len(items):
                break
        place = place - 1 if place > 0 else length - 1
    return n_found


@hot_kernel
def push(histories: HistoryArrays, user: int, item: int, session: np.uint32, names_session: bool, time_ms: int) -> None:
    """Add an event to the history."""
    length = histories.items.shape[1]
    head = histories.head[user]
    if histories.n_events[user] == 0:
        histories.n_events[user] = 1
        histories.latest_ms[user] = time_ms
    elif histories.items[user, head] != item:
        head = head + 1 if head + 1 < length else 0
        histories.head[user] = head
        if histories.n_events[user] < length:
            histories.n_events[user] += 1
    histories.items[user, head] = item
    histories.sessions[user, head] = session
    histories.times_s[user, head] = np.uint32(max(0, min(time_ms // 1000, 0xFFFFFFFF)))
    if not names_session:
        histories.session[user] = session
    if time_ms > histories.latest_ms[user]:
        histories.latest_ms[user] = time_ms


@hot_kernel
def forget_items(histories: HistoryArrays, users: IndexArrays, n_users: int, is_live_item: UInt8Array) -> None:
    """Blank the places of items that are no longer live, before their rows are reused."""
    for user in range(n_users):
        for place in range(histories.items.shape[1]):
            item = histories.items[user, place]
            if item != NONE and is_live_item[item] == 0:
                histories.items[user, place] = NONE
                users.dirty[user] = 1


@hot_kernel
def prefetch_row(histories: HistoryArrays, user: int) -> None:
    """Begin to bring near a user's history."""
    for place in range(0, histories.items.shape[1], 5):  # places in a cache line
        prefetch(histories.items, user, place)
    prefetch(histories.latest_ms, user, 0)
