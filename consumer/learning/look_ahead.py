"""What the events to come will touch is brought near while the present one is learned."""

from __future__ import annotations

import numpy as np

from consumer.kernels import hot_kernel, prefetch
from consumer.learning import daily_cap
from consumer.learning.pass_state import N_EXPECTED, Columns, Limits, State
from consumer.messages import Int32Array, Outcome
from consumer.models import histories, item_features, item_to_item, linear_model, popularity, recency_index
from consumer.models.histories import HistoryArrays
from consumer.models.recency_index import NONE, IndexArrays

LOOK_AHEAD = 4  # events
_ADMITTED = int(Outcome.ADMITTED)
_LATE_POPULARITY_ONLY = int(Outcome.LATE_POPULARITY_ONLY)


@hot_kernel
def is_learned(columns: Columns, i: int) -> bool:
    return i < len(columns.outcome) and (columns.outcome[i] == _ADMITTED or columns.outcome[i] == _LATE_POPULARITY_ONLY)


@hot_kernel
def look_ahead(state: State, limits: Limits, columns: Columns, i: int) -> None:
    """Begin to bring near what the events to come will touch, in four steps, each of which needs what the one before
    brought: look-up slots; the rows of item and user; the item's entries and the rows of those before it in the
    session; the entries of these. Most of the pass would be waiting for memory otherwise."""
    items, users = state.items, state.users
    far = i + 4 * LOOK_AHEAD
    if is_learned(columns, far):
        prefetch(items.slots, int(columns.item_key[far, 0] & np.uint64(len(items.slots) - 1)), 0)
        prefetch(users.slots, int(columns.user_key[far, 0] & np.uint64(len(users.slots) - 1)), 0)
        daily_cap.prefetch_pair(state.cap, columns.user_key[far, 0], columns.item_key[far, 0])
    middle = i + 3 * LOOK_AHEAD
    if is_learned(columns, middle):
        item = recency_index.find(items, columns.item_key[middle, 0], columns.item_key[middle, 1])
        if item != NONE:
            recency_index.prefetch_row(items, item)
            popularity.prefetch_row(state.popularity, item)
            item_to_item.prefetch_row(state.ensemble.item_to_item, item)
            if columns.n_features[middle] > 0 and linear_model.is_on(state.ensemble.linear):
                item_features.prefetch_row(state.ensemble.linear.features, item)
        user = recency_index.find(users, columns.user_key[middle, 0], columns.user_key[middle, 1])
        if user != NONE:
            recency_index.prefetch_row(users, user)
            histories.prefetch_row(state.histories, user)
    near = i + 2 * LOOK_AHEAD
    expected, n_expected = state.work.expected[near % N_EXPECTED], 0
    if is_learned(columns, near):
        item = recency_index.find(items, columns.item_key[near, 0], columns.item_key[near, 1])
        if item != NONE:
            item_to_item.prefetch_entries(state.ensemble.item_to_item, item)
        n_expected = _expect(users, state.histories, limits, columns, near, expected)
    state.work.n_expected[near % N_EXPECTED] = n_expected
    for k in range(n_expected):
        item_to_item.prefetch_row(state.ensemble.item_to_item, expected[k])
    due = (i + LOOK_AHEAD) % N_EXPECTED
    for k in range(state.work.n_expected[due]):
        item_to_item.prefetch_entries(state.ensemble.item_to_item, state.work.expected[due, k])


@hot_kernel
def _expect(
    users: IndexArrays, rings: HistoryArrays, limits: Limits, columns: Columns, i: int, expected: Int32Array
) -> int:
    """The predecessors that an event to come will have, as it looks now; returns how many."""
    user = recency_index.find(users, columns.user_key[i, 0], columns.user_key[i, 1])
    if user == NONE:
        return 0
    session = histories.session_of(rings, user, columns.session_key[i], columns.time_ms[i], limits.session_gap_ms)
    n_live = 0
    for k in range(histories.predecessors(rings, user, session, expected)):
        if expected[k] != NONE:
            expected[n_live] = expected[k]
            n_live += 1
    return n_live
