"""All members together: what each proposes, and the one list made of it.

Readers have only `item_to_item` and `repeat`: they run `recommend` instead, and `logit` is learned for them and for a
worker that has no other member. Where one is on, the worker goes by `wide_logit`, which hears all.
"""

from __future__ import annotations

from typing import NamedTuple

from consumer.kernels import hot_kernel
from consumer.messages import Int32Array, UInt8Array
from consumer.models import (
    item_to_item,
    linear_learning,
    linear_model,
    logit,
    neural,
    neural_encoder,
    popularity,
    session_knn_ranking,
)
from consumer.models.fusion import FusionArrays
from consumer.models.item_to_item import ItemToItemArrays, Scratch
from consumer.models.linear_model import LinearModel, LinearPlan, LinearScratch
from consumer.models.logit import ITEM_TO_ITEM, LINEAR, N_PROPOSERS, NEURAL, NONE, SESSION_KNN, LogitArrays, Pool
from consumer.models.neural import NeuralArrays, NeuralPlan
from consumer.models.neural_encoder import NeuralScratch
from consumer.models.popularity import PopularityArrays
from consumer.models.recommend import N_READABLE, Lists, finish
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
    neural: NeuralArrays
    neural_plan: NeuralPlan
    repeat: RepeatArrays
    logit: LogitArrays
    wide_logit: LogitArrays
    fusion: FusionArrays
    scratch: Scratch
    knn_scratch: KnnScratch
    linear_scratch: LinearScratch
    neural_scratch: NeuralScratch


@hot_kernel
def has_session_knn(sessions: SessionArrays) -> bool:
    """Whether the member is on."""
    return len(sessions.keys) > 0


@hot_kernel
def _is_wide(sessions: SessionArrays, linear: LinearModel, pool: Pool) -> bool:
    """Whether a member is on that readers don't have, and was asked."""
    return has_session_knn(sessions) or linear_model.is_on(linear) or bool(pool.n_proposed[NEURAL] != NONE)


@hot_kernel
def propose(
    models: Ensemble,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    now_ms: float,
    asks_neural: bool,
    pool: Pool,
) -> None:
    """Ask every member that is on for its items outside the history, and see whether its list is in order."""
    n = item_to_item.rank(
        models.item_to_item, models.scratch, is_live, history, n_history, now_ms,
        pool.proposed[ITEM_TO_ITEM], pool.scores[ITEM_TO_ITEM], pool.parts,
    )  # fmt: skip
    logit.take(pool, ITEM_TO_ITEM, n, is_live)
    pool.n_proposed[SESSION_KNN] = NONE
    if has_session_knn(models.sessions):
        n = session_knn_ranking.rank(
            models.session_knn, models.sessions, models.knn_scratch, models.scratch, is_live, history, n_history,
            now_ms, pool.proposed[SESSION_KNN], pool.scores[SESSION_KNN],
        )  # fmt: skip
        logit.take(pool, SESSION_KNN, n, is_live)
    pool.n_proposed[NEURAL] = NONE
    if neural.is_on(models.neural) and asks_neural:
        n = neural_encoder.rank(
            models.neural, models.neural_scratch, is_live, history, n_history,
            pool.proposed[NEURAL], pool.scores[NEURAL],
        )  # fmt: skip
        logit.take(pool, NEURAL, n, is_live)


@hot_kernel
def _gather(
    models: Ensemble,
    weighed: LogitArrays,
    n_members: int,
    shares: PopularityArrays,
    n_live: int,
    now_ms: float,
    pool: Pool,
) -> None:
    """The candidates of the first n_members, with all features but those of judges."""
    logit.gather(weighed, pool, n_members)
    beforehand = popularity.weigh_half_lives(shares, n_live, shares.work)
    for c in range(pool.n_items[0]):
        pool.share[c] = popularity.score(shares, shares.work, beforehand, pool.items[c])
    logit.describe_items(pool, models.item_to_item, now_ms)


@hot_kernel
def recommend(
    models: Ensemble,
    shares: PopularityArrays,
    n_live: int,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    last_kind: int,
    now_ms: float,
    asks_neural: bool,
    pool: Pool,
    lists: Lists,
) -> None:
    """Fill `lists` as `recommend.recommend` does, and `pool` with what each member proposed; changes nothing else but
    working memory. `last_kind`: type of the history's latest event + 1, or 0; `asks_neural`: whether that member, if it
    is on, is asked; where it isn't, the list is the one without it."""
    n_listed = 0
    if n_history > 0:
        propose(models, is_live, history, n_history, now_ms, asks_neural, pool)
        pool.n_proposed[LINEAR] = NONE
        if _is_wide(models.sessions, models.linear, pool):
            _gather(models, models.wide_logit, N_PROPOSERS, shares, n_live, now_ms, pool)
            if linear_model.is_on(models.linear):
                linear_learning.judge(
                    models.linear, models.linear_plan, models.linear_scratch, shares, models.item_to_item,
                    is_live, history, n_history, last_kind, now_ms, pool.items, pool.n_items[0], pool.judged,
                )  # fmt: skip
                logit.take_judgement(models.wide_logit, pool, LINEAR)
            n_listed = logit.order(models.wide_logit, pool, lists.listed)
        else:
            _gather(models, models.logit, N_READABLE, shares, n_live, now_ms, pool)
            n_listed = logit.order(models.logit, pool, lists.listed)
    finish(models.repeat, models.fusion, history, n_history, shares.top, n_listed, lists)


@hot_kernel
def learn_sample(
    models: Ensemble, shares: PopularityArrays, n_live: int, now_ms: float, pool: Pool, lists: Lists, item: int,
    factor: float,
) -> None:  # fmt: skip
    """The item came true where `recommend` has just filled the pool; steps are up to `factor` times longer than usual.
    `lists.listed` is working memory. How to weigh all members is learned only where all that are on were asked."""
    if _is_wide(models.sessions, models.linear, pool):
        logit.note_faults(models.wide_logit, pool)
        if pool.n_proposed[NEURAL] != NONE or not neural.is_on(models.neural):
            step = logit.NETWORK_STEP if pool.n_proposed[NEURAL] != NONE else logit.STEP
            logit.learn(models.wide_logit, pool, item, logit.step_of(models.wide_logit, step, factor))
        _gather(models, models.logit, N_READABLE, shares, n_live, now_ms, pool)
        logit.order(models.logit, pool, lists.listed)
    logit.note_faults(models.logit, pool)
    logit.learn(models.logit, pool, item, logit.step_of(models.logit, logit.STEP, factor))
