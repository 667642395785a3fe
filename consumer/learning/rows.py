"""Rows of items and users in the learning pass: evicted when their time is over, given to new ones, recycled.

What needs only a few of the pass's arrays takes only these: each function that takes all of them is seconds of
compiling.
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import hot_kernel
from consumer.learning import cases
from consumer.learning.pass_state import (
    DONE,
    NEEDS_ITEMS,
    NEEDS_SWEEP,
    NEEDS_TEXT,
    NEEDS_USERS,
    Columns,
    Limits,
    State,
)
from consumer.models import (
    ensemble,
    histories,
    item_features,
    item_to_item,
    linear_model,
    neural,
    neural_examples,
    popularity,
    recency_index,
    session_knn,
)
from consumer.models.histories import HistoryArrays
from consumer.models.linear_model import LinearModel
from consumer.models.recency_index import N_LIVE, N_RETIRED, N_USED, NONE, OLDEST, IndexArrays
from consumer.models.state import ItemText

MIN_RETIRED = 64
"""Evicted rows are recycled together, once they are so many and a sixteenth of the catalogue: it takes a sweep over all
that may refer to them."""


@hot_kernel
def _retire_item(state: State, item: int) -> None:
    popularity.forget_item(state.popularity, item)
    item_to_item.forget_item(state.ensemble.item_to_item, item)
    if ensemble.has_session_knn(state.ensemble.sessions):
        session_knn.forget_item(state.ensemble.session_knn, item)
    if linear_model.is_on(state.ensemble.linear):
        item_features.forget_item(state.ensemble.linear.features, item)
    if neural.is_on(state.ensemble.neural):
        neural.forget_item(state.ensemble.neural.items, item)
    recency_index.retire(state.items, item)


@hot_kernel
def _remove_user(users: IndexArrays, user: int) -> None:
    recency_index.remove(users, user)
    recency_index.release(users, user)


@hot_kernel
def evict(state: State, limits: Limits, watermark_ms: int) -> None:
    """Forget what has outlived its time, and what is too many since the limits were lowered."""
    while state.items.counts[N_LIVE] > 0:
        oldest = state.items.counts[OLDEST]
        is_fresh = state.items.seen_ms[oldest] >= watermark_ms - limits.item_ttl_ms
        if is_fresh and state.items.counts[N_LIVE] <= limits.max_items:
            break
        _retire_item(state, oldest)
    while state.users.counts[N_LIVE] > 0:
        oldest = state.users.counts[OLDEST]
        is_fresh = state.users.seen_ms[oldest] >= watermark_ms - limits.user_ttl_ms
        if is_fresh and state.users.counts[N_LIVE] <= limits.max_users:
            break
        _remove_user(state.users, oldest)


@hot_kernel
def needs_user_room(users: IndexArrays, limits: Limits) -> bool:
    """Whether the users' arrays must grow before another one comes."""
    return not recency_index.has_room(users) and bool(users.counts[N_LIVE] < limits.max_users)


@hot_kernel
def why_waiting(items: IndexArrays, users: IndexArrays, text: ItemText, limits: Limits, id_length: int) -> int:
    """Why this event cannot be learned yet, if so."""
    if items.counts[N_RETIRED] >= max(MIN_RETIRED, items.counts[N_LIVE] // 16):
        return NEEDS_SWEEP
    if not recency_index.has_room(items):
        return NEEDS_ITEMS
    if needs_user_room(users, limits):
        return NEEDS_USERS
    if id_length > text.text.shape[1]:
        return NEEDS_TEXT
    return DONE


@hot_kernel
def new_item(state: State, limits: Limits, columns: Columns, i: int) -> int:
    if state.items.counts[N_LIVE] >= limits.max_items:
        _retire_item(state, state.items.counts[OLDEST])
    item = recency_index.insert(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
    length = columns.item_length[i]
    start = columns.item_start[i]
    state.text.length[item] = length
    state.text.text[item, :] = 0
    for b in range(length):
        state.text.text[item, b] = columns.text[start + b]
    return item


@hot_kernel
def user_of(
    users: IndexArrays, rings: HistoryArrays, linear: LinearModel, limits: Limits, key_0: np.uint64, key_1: np.uint64
) -> int:
    """Row of the user, a new one where he is unknown; `needs_user_room` has been asked."""
    user = recency_index.find(users, key_0, key_1)
    if user == NONE:
        if users.counts[N_LIVE] >= limits.max_users:
            _remove_user(users, users.counts[OLDEST])
        user = recency_index.insert(users, key_0, key_1)
        histories.clear(rings, user)
        linear_model.note_kind(linear, user, -1)
    return user


@hot_kernel
def sweep(state: State) -> None:
    """Recycle the evicted item rows."""
    n_used = state.items.counts[N_USED]
    item_to_item.forget_items(state.ensemble.item_to_item, n_used, state.items.is_live, state.items.dirty)
    session_knn.forget_items(state.ensemble.sessions, state.items.is_live)
    histories.forget_items(state.histories, state.users, state.users.counts[N_USED], state.items.is_live)
    cases.forget_items(state.cases, state.items.is_live)
    neural_examples.forget_items(state.ensemble.neural.examples, state.items.is_live)
    recency_index.release_retired(state.items)
