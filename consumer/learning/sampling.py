"""Test before training: what would be recommended just before an event is learned, on a sample of the events."""

from __future__ import annotations

import numpy as np

from consumer.kernels import hot_kernel
from consumer.learning import cases, quality
from consumer.learning.drift import NEXT
from consumer.learning.pass_state import State
from consumer.models import ensemble, fusion, neural, neural_examples, popularity
from consumer.models.logit import ITEM_TO_ITEM, LINEAR, NEURAL, SESSION_KNN, Pool
from consumer.models.recency_index import N_LIVE
from consumer.models.recommend import LISTED, MERGED, REPEATED, place_of


@hot_kernel
def is_sampled(draw: np.uint64, one_in: int) -> bool:
    """Whether a record that drew this is one of the sampled ones: one in so many."""
    return bool(draw % np.uint64(one_in) == np.uint64(0))


@hot_kernel
def draw_of(topic_hash: np.uint64, partition: int, offset: int) -> np.uint64:
    """A hash of the record's coordinates (splitmix64)."""
    x = topic_hash ^ (np.uint64(partition) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(offset)
    x = (x + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(x ^ (x >> np.uint64(31)))


@hot_kernel
def rank_next(
    state: State, n_history: int, last_kind: int, item: int, time_ms: int, asks_neural: bool, is_test: bool
) -> int:
    """Rank for the history in `work`; a test is noted in `quality`: where the next item stands in each list.

    Returns its place in the list outside the history, 0 if it isn't there. Changes nothing else.
    """
    history = state.work.history
    models, lists, pool = state.ensemble, state.work.lists, state.work.pool
    top = state.popularity.top
    ensemble.recommend(
        models, state.popularity, state.items.counts[N_LIVE], state.items.is_live, history, n_history, last_kind,
        np.float64(time_ms), asks_neural, pool, lists,
    )  # fmt: skip
    place = place_of(lists.listed, lists.lengths[LISTED], item)
    if is_test:
        quality.record(
            state.quality,
            place_of(lists.merged, lists.lengths[MERGED], item),
            _place_proposed(pool, ITEM_TO_ITEM, item),
            place_of(lists.repeated, lists.lengths[REPEATED], item),
            place_of(top, len(top), item),
            _place_proposed(pool, SESSION_KNN, item),
            place_judged(pool, item),
            _place_proposed(pool, NEURAL, item),
        )
    return place


@hot_kernel
def rank_sample(
    state: State, user_key: np.uint64, n_history: int, last_kind: int, item: int, time_ms: int, is_test: bool
) -> None:
    """Test before training; the fusion learns from it. An item that just repeats is no test.

    Where it is not to be one either, only the fusion learns.
    """
    models = state.ensemble
    factor = state.drift.factor[NEXT]
    if state.work.history[0] == item:
        return
    asks_neural = neural.is_on(models.neural) and neural_examples.may_ask(models.neural)
    place = rank_next(state, n_history, last_kind, item, time_ms, asks_neural, is_test)
    lists, shares, n_live = state.work.lists, state.popularity, state.items.counts[N_LIVE]
    if is_test:
        beforehand = popularity.weigh_half_lives(shares, n_live, shares.work)
        cases.keep(
            state.cases, user_key, state.work.history, n_history, item, time_ms,
            place_of(lists.merged, lists.lengths[MERGED], item),
            popularity.score(shares, shares.work, beforehand, item),
        )  # fmt: skip
    ensemble.learn_sample(models, shares, n_live, np.float64(time_ms), state.work.pool, lists, item, factor)
    if place_of(state.work.history, n_history, item) == 0:
        fusion.learn_sample(models.fusion, n_history, place, factor)


@hot_kernel
def _place_proposed(pool: Pool, member: int, item: int) -> int:
    """Where the item stands in the member's own list; quality.OFF where the member is off."""
    if pool.n_proposed[member] < 0:
        return quality.OFF
    return place_of(pool.proposed[member], pool.n_proposed[member], item)


@hot_kernel
def place_judged(pool: Pool, item: int) -> int:
    """Where the item would stand if `linear` alone ordered what the others propose (ties: smaller row); quality.OFF
    where it is off."""
    if pool.n_proposed[LINEAR] < 0:
        return quality.OFF
    own = -1
    for c in range(pool.n_items[0]):
        if pool.items[c] == item:
            own = c
    if own < 0 or pool.is_faulty[LINEAR]:
        return 0
    place = 1
    for c in range(pool.n_items[0]):
        is_better = pool.judged[c] > pool.judged[own]
        if is_better or (pool.judged[c] == pool.judged[own] and pool.items[c] < item):
            place += 1
    return min(place, quality.CUTOFF + 1)
