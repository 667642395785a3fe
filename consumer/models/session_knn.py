"""`session_knn`: what people did next in recent sessions that resemble this one.

Vector-multiplication session kNN (Ludewig and Jannach 2018, "Evaluation of session-based recommendation algorithms")
over a bounded index: the latest sessions, and for each item the latest of those in which it appeared. Scoring a
history, b events back at an item's last occurrence, n_i how many of the sessions kept hold item i:

    sim(s) = |s|^(−0.25) · e^(−age/τ) · Σ e^(−b/1.5) · idf_i^3      over items i of both, idf_i = ln((Σn + 1)/(n_i + 1))
    score(j) = Σ sim(s) · e^(−(d−1)/6) · (0.85 where j stands in front)    over the N_NEIGHBOURS sessions most alike

d: how many places j stands in s from the latest item of the history that s holds. An item stands in a session at its
last occurrence only. Items of the history are left to `repeat`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import session_ring
from consumer.models.item_to_item import MAX_HISTORY, Scratch, insert_ranked
from consumer.models.session_ring import MAX_ITEMS, NONE, SessionArrays, UInt32Array

STEP_DECAY = 1 / 1.5  # e^(−b/1.5)
IDF_POWER = 3
LENGTH_FACTOR = np.arange(1, MAX_ITEMS + 1) ** -0.25  # entry n − 1: of a session of n items
DISTANCE_FACTOR = np.exp(-np.arange(MAX_ITEMS) / 6.0)  # entry d − 1
IN_FRONT = 0.85
N_NEIGHBOURS = 200
NONSENSE = -1


class SessionKnnArrays(NamedTuple):
    """R recent sessions an item. Without rows the member is off."""

    recent: UInt32Array  # (capacity, R) serial numbers, a ring
    recent_head: Int32Array  # (capacity,) place of the latest one
    n_recent: Int32Array  # (capacity,) places in use
    spread: Int32Array  # (capacity,) sessions kept that hold the item
    spread_total: Int64Array  # (1,) over all items
    time_constant_ms: Float64Array  # (1,) τ


class KnnScratch(NamedTuple):
    """Working memory of a scoring, reused; `similarity` and `matched` are zero between calls."""

    similarity: Float64Array  # (sessions,)
    matched: Int32Array  # (sessions,) 1 + places back of the history's last item that was counted
    touched: Int32Array  # (MAX_HISTORY · R,) rows that are not zero
    neighbours: Int32Array  # (N_NEIGHBOURS,) rows of the sessions most alike
    similarities: Float64Array  # (N_NEIGHBOURS,)


def allocate(capacity: int, recent: int, time_constant_s: float) -> SessionKnnArrays:
    return SessionKnnArrays(
        recent=np.zeros((capacity, recent), np.uint32),
        recent_head=np.zeros(capacity, np.int32),
        n_recent=np.zeros(capacity, np.int32),
        spread=np.zeros(capacity, np.int32),
        spread_total=np.zeros(1, np.int64),
        time_constant_ms=np.array([time_constant_s * 1000.0]),
    )


def allocate_scratch(n_sessions: int, recent: int) -> KnnScratch:
    return KnnScratch(
        similarity=np.zeros(n_sessions),
        matched=np.zeros(n_sessions, np.int32),
        touched=np.zeros(MAX_HISTORY * recent, np.int32),
        neighbours=np.zeros(N_NEIGHBOURS, np.int32),
        similarities=np.zeros(N_NEIGHBOURS),
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


@hot_kernel
def _match(knn: SessionKnnArrays, sessions: SessionArrays, scratch: KnnScratch, item: int, b: int, n: int) -> int:
    """Count the item, b events back, for each of its recent sessions; returns the new number of touched rows."""
    idf = np.log((knn.spread_total[0] + 1.0) / (knn.spread[item] + 1.0))
    weight = np.exp(-STEP_DECAY * b) * idf**IDF_POWER
    if weight == 0.0:
        return n
    newest_row = session_ring.newest_row(sessions)
    place = knn.recent_head[item]
    for _ in range(knn.n_recent[item]):
        row = session_ring.row_of(sessions, knn.recent[item, place], newest_row)
        if row != NONE and scratch.matched[row] != b + 1:
            if scratch.matched[row] == 0:
                scratch.touched[n] = row
                n += 1
            scratch.matched[row] = b + 1
            scratch.similarity[row] += weight
        place = place - 1 if place > 0 else knn.recent.shape[1] - 1
    return n


@hot_kernel
def _most_alike(
    knn: SessionKnnArrays, sessions: SessionArrays, scratch: KnnScratch, n_touched: int, now_ms: float
) -> int:
    """Fill `neighbours` and `similarities` from the touched rows, which become zero again; returns how many."""
    n = 0
    for t in range(n_touched):
        row = scratch.touched[t]
        age_ms = max(0.0, now_ms - sessions.latest_ms[row])
        similarity = scratch.similarity[row] * np.exp(-age_ms / knn.time_constant_ms[0])
        if sessions.n_items[row] > 0:
            similarity *= LENGTH_FACTOR[sessions.n_items[row] - 1]
            n = insert_ranked(scratch.neighbours, scratch.similarities, n, row, similarity)
        scratch.similarity[row] = 0.0
        scratch.matched[row] = 0
    return n


@hot_kernel
def _latest_match(sessions: SessionArrays, of_items: Scratch, row: int) -> int:
    """Place in the session of the latest item of the history that it holds, or NONE."""
    match = NONE
    nearest = np.inf
    for place in range(sessions.n_items[row]):
        item = sessions.items[row, place]
        if of_items.mark[item] == 2 and of_items.first[item] < nearest:
            nearest = of_items.first[item]
            match = place
    return match


@hot_kernel
def _add_session(
    sessions: SessionArrays, of_items: Scratch, is_live: UInt8Array, row: int, match: int, similarity: float, n: int
) -> int:
    """Let a neighbour speak for its items; returns the new number of touched items."""
    for place in range(sessions.n_items[row]):
        j = sessions.items[row, place]
        if place == match or not is_live[j] or of_items.mark[j] == 2:
            continue
        if of_items.mark[j] == 0:
            of_items.mark[j] = 1
            of_items.touched[n] = j
            n += 1
        factor = DISTANCE_FACTOR[abs(place - match) - 1]
        of_items.total[j] += similarity * (factor if place > match else IN_FRONT * factor)
    return n


@hot_kernel
def rank(
    knn: SessionKnnArrays,
    sessions: SessionArrays,
    scratch: KnnScratch,
    of_items: Scratch,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    now_ms: float,
    ranked: Int32Array,
    values: Float64Array,
) -> int:
    """The best items outside the history, as `item_to_item.rank` gives them; NONSENSE where a score is not a number.
    Changes nothing but `scratch` and `of_items`, which it leaves clean."""
    if sessions.n_opened[0] == 0:
        return 0
    n_matched = 0
    n_items = 0
    n_distinct = 0
    for b in range(n_history):
        i = history[b]
        if i < 0 or not is_live[i] or of_items.mark[i] == 2:
            continue
        of_items.mark[i] = 2
        of_items.first[i] = b
        of_items.touched[n_items] = i
        n_items += 1
        n_distinct += 1
        if n_distinct <= MAX_HISTORY:
            n_matched = _match(knn, sessions, scratch, i, b, n_matched)
    n_neighbours = _most_alike(knn, sessions, scratch, n_matched, now_ms)
    for k in range(n_neighbours):
        row = scratch.neighbours[k]
        match = _latest_match(sessions, of_items, row)
        if match != NONE:
            n_items = _add_session(sessions, of_items, is_live, row, match, scratch.similarities[k], n_items)
    n_ranked = 0
    is_nonsense = False
    for t in range(n_items):
        j = of_items.touched[t]
        if of_items.mark[j] == 1 and of_items.total[j] > 0.0:
            n_ranked = insert_ranked(ranked, values, n_ranked, j, of_items.total[j])
        is_nonsense |= np.isnan(of_items.total[j])
        of_items.mark[j] = 0
        of_items.first[j] = 0.0
        of_items.total[j] = 0.0
    return NONSENSE if is_nonsense else n_ranked
