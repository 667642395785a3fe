"""`session_knn`: what people did next in recent sessions that resemble this one.

Vector-multiplication session kNN (Ludewig and Jannach 2018, "Evaluation of session-based recommendation algorithms")
over the index of `session_knn`. Scoring a history, b events back at an item's last occurrence, n_i how many of the
sessions kept hold item i:

    sim(s) = |s|^(−0.25) · e^(−age/τ) · Σ e^(−b/1.5) · idf_i^3      over items i of both, idf_i = ln((Σn + 1)/(n_i + 1))
    score(j) = Σ sim(s) · e^(−(d−1)/6) · (0.85 where j stands in front)    over the N_NEIGHBOURS sessions most alike

d: how many places j stands in s from the latest item of the history that s holds. An item stands in a session at its
last occurrence only. Items of the history are left to `repeat`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, UInt8Array
from consumer.models import session_ring
from consumer.models.item_to_item import MAX_HISTORY, Scratch, insert_ranked
from consumer.models.session_knn import SessionKnnArrays
from consumer.models.session_ring import MAX_ITEMS, NONE, SessionArrays

STEP_DECAY = 1 / 1.5  # e^(−b/1.5)
IDF_POWER = 3
LENGTH_FACTOR = np.arange(1, MAX_ITEMS + 1) ** -0.25  # entry n − 1: of a session of n items
DISTANCE_FACTOR = np.exp(-np.arange(MAX_ITEMS) / 6.0)  # entry d − 1
IN_FRONT = 0.85
N_NEIGHBOURS = 200
NONSENSE = -1


class KnnScratch(NamedTuple):
    """Working memory of a scoring, reused; `similarity` and `matched` are zero between calls."""

    similarity: Float64Array  # (sessions,)
    matched: Int32Array  # (sessions,) 1 + places back of the history's last item that was counted
    touched: Int32Array  # (MAX_HISTORY · R,) rows that are not zero
    neighbours: Int32Array  # (N_NEIGHBOURS,) rows of the sessions most alike
    similarities: Float64Array  # (N_NEIGHBOURS,)


def allocate_scratch(n_sessions: int, recent: int) -> KnnScratch:
    return KnnScratch(
        similarity=np.zeros(n_sessions),
        matched=np.zeros(n_sessions, np.int32),
        touched=np.zeros(MAX_HISTORY * recent, np.int32),
        neighbours=np.zeros(N_NEIGHBOURS, np.int32),
        similarities=np.zeros(N_NEIGHBOURS),
    )


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
    for b in range(n_history):
        i = history[b]
        if i < 0 or not is_live[i] or of_items.mark[i] == 2:
            continue
        of_items.mark[i] = 2
        of_items.first[i] = b
        of_items.touched[n_items] = i
        n_items += 1
        if n_items <= MAX_HISTORY:
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
