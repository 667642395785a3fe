"""All members together: what each proposes, and the one list made of it.

Where `item_to_item` is the only one that is heard, its list stands as it is, and costs no more. Readers have only that
one and `repeat`: they run `recommend` instead.
"""

from __future__ import annotations

from typing import NamedTuple

from consumer.kernels import hot_kernel
from consumer.messages import Int32Array, UInt8Array
from consumer.models import item_to_item, linear_learning, linear_model, logit, session_knn_ranking
from consumer.models.fusion import FusionArrays
from consumer.models.item_to_item import ItemToItemArrays, Scratch
from consumer.models.linear_model import LinearModel, LinearPlan, LinearScratch
from consumer.models.logit import ITEM_TO_ITEM, LINEAR, NONE, SESSION_KNN, LogitArrays, Pool
from consumer.models.popularity import PopularityArrays
from consumer.models.recommend import Lists, finish
from consumer.models.repeat import RepeatArrays
from consumer.models.session_knn import SessionKnnArrays
from consumer.models.session_knn_ranking import KnnScratch
from consumer.models.session_ring import SessionArrays


class Ensemble(NamedTuple):
    """The members' arrays, and those that fuse what they say."""

    item_to_item: ItemToItemArrays
    session_knn: SessionKnnArrays
    sessions: SessionArrays
    linear: LinearModel
    linear_plan: LinearPlan
    repeat: RepeatArrays
    logit: LogitArrays
    fusion: FusionArrays
    scratch: Scratch
    knn_scratch: KnnScratch
    linear_scratch: LinearScratch


@hot_kernel
def has_session_knn(sessions: SessionArrays) -> bool:
    """Whether the member is on."""
    return len(sessions.keys) > 0


@hot_kernel
def propose(
    models: Ensemble, is_live: UInt8Array, history: Int32Array, n_history: int, now_ms: float, pool: Pool
) -> None:
    """Ask every member that is on for its items outside the history, and see whether its list is in order."""
    n = item_to_item.rank(
        models.item_to_item, models.scratch, is_live, history, n_history, now_ms,
        pool.proposed[ITEM_TO_ITEM], pool.scores[ITEM_TO_ITEM],
    )  # fmt: skip
    logit.take(pool, ITEM_TO_ITEM, n, is_live)
    pool.n_proposed[SESSION_KNN] = NONE
    if has_session_knn(models.sessions):
        n = session_knn_ranking.rank(
            models.session_knn, models.sessions, models.knn_scratch, models.scratch, is_live, history, n_history,
            now_ms, pool.proposed[SESSION_KNN], pool.scores[SESSION_KNN],
        )  # fmt: skip
        logit.take(pool, SESSION_KNN, n, is_live)


@hot_kernel
def fuse(
    models: Ensemble,
    shares: PopularityArrays,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    last_kind: int,
    now_ms: float,
    pool: Pool,
    listed: Int32Array,
) -> int:
    """Stage (a): fill `listed` from what was proposed; returns how many."""
    pool.n_proposed[LINEAR] = NONE
    if pool.n_proposed[SESSION_KNN] == NONE and not linear_model.is_on(models.linear):
        for r in range(pool.n_proposed[ITEM_TO_ITEM]):
            listed[r] = pool.proposed[ITEM_TO_ITEM, r]
        return int(pool.n_proposed[ITEM_TO_ITEM])
    logit.gather(models.logit, pool)
    if linear_model.is_on(models.linear):
        linear_learning.judge(
            models.linear, models.linear_plan, models.linear_scratch, shares, models.item_to_item,
            is_live, history, n_history, last_kind, now_ms, pool.items, pool.n_items[0], pool.judged,
        )  # fmt: skip
        logit.take_judgement(models.logit, pool, LINEAR)
    return logit.order(models.logit, pool, listed)


@hot_kernel
def recommend(
    models: Ensemble,
    shares: PopularityArrays,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    last_kind: int,
    now_ms: float,
    popular: Int32Array,
    pool: Pool,
    lists: Lists,
) -> None:
    """Fill `lists` as `recommend.recommend` does, and `pool` with what each member proposed; changes nothing else but
    working memory. `last_kind`: type of the history's latest event + 1, or 0."""
    n_listed = 0
    if n_history > 0:
        propose(models, is_live, history, n_history, now_ms, pool)
        n_listed = fuse(models, shares, is_live, history, n_history, last_kind, now_ms, pool, lists.listed)
    finish(models.repeat, models.fusion, history, n_history, popular, n_listed, lists)


@hot_kernel
def learn_sample(models: Ensemble, pool: Pool, item: int, step: float) -> None:
    """The item came true where `recommend` has just filled the pool."""
    logit.note_faults(models.logit, pool)
    if pool.n_proposed[SESSION_KNN] != NONE or pool.n_proposed[LINEAR] != NONE:
        logit.learn(models.logit, pool, item, step)
