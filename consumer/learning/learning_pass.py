"""The learning pass: one compiled loop over an admitted batch, event by event, in order.

For each event: evict what has outlived its time, rank (if sampled), then learn. Whatever is periodic fires by counts or
by event time inside the pass, so how the stream is cut into batches changes nothing. The pass stops early where arrays
must grow or rows must be recycled, and goes on at the same event.
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import called_kernel, hot_kernel
from consumer.learning import daily_cap, drift
from consumer.learning.drift import NEXT, SCORE
from consumer.learning.look_ahead import look_ahead
from consumer.learning.pass_state import DONE, NEEDS_STEP, Columns, Limits, State
from consumer.learning.rows import evict, new_item, user_of, why_waiting
from consumer.learning.sampling import draw_of, is_sampled, rank_sample
from consumer.messages import Outcome
from consumer.models import (
    ensemble,
    histories,
    item_features,
    item_to_item,
    linear_learning,
    linear_model,
    linear_rows,
    neural,
    neural_examples,
    popularity,
    recency_index,
    repeat,
    session_knn,
    session_ring,
)
from consumer.models.recency_index import N_LIVE, N_USED, NONE

_ADMITTED = int(Outcome.ADMITTED)
_LATE_POPULARITY_ONLY = int(Outcome.LATE_POPULARITY_ONLY)


@hot_kernel
def _learn_sequence(
    state: State, limits: Limits, columns: Columns, i: int, item: int, is_new: bool, is_counted: bool
) -> None:
    """Learn an event that enters its user's history; one that isn't counted adds nothing to what items say."""
    history = state.work.history
    time_ms = columns.time_ms[i]
    user = user_of(
        state.users, state.histories, state.ensemble.linear, limits, columns.user_key[i, 0], columns.user_key[i, 1]
    )
    n_history = histories.latest_first(state.histories, user, state.items.is_live, history)
    back = 0
    if n_history > 0:
        draw = draw_of(limits.topic_hash, columns.partitions[i], columns.offsets[i])
        is_test = is_sampled(draw, limits.sample_one_in)
        if is_test or (drift.is_raised(state.drift, NEXT) and is_sampled(draw, limits.sample_one_in_raised)):
            last_kind = linear_model.last_kind_of(state.ensemble.linear, user)
            rank_sample(state, columns.user_key[i, 0], n_history, last_kind, item, time_ms, is_test)
        if linear_model.is_on(state.ensemble.linear) and is_counted and not is_new:
            _learn_linear(state, limits, columns, i, item, user, n_history)
        back = repeat.learn_event(state.ensemble.repeat, history, n_history, item, state.drift.factor[NEXT])
    session = histories.session_of(state.histories, user, columns.session_key[i], time_ms, limits.session_gap_ms)
    before = state.work.before
    n_before = histories.predecessors(state.histories, user, session, before)
    if is_counted:
        closeness = item_to_item.learn_event(
            state.ensemble.item_to_item, state.items.counts[N_USED], state.items.is_live, state.items.dirty,
            item, before, n_before, time_ms,
        )  # fmt: skip
        if limits.drift.is_on and n_history > 0:
            drift.note_next(state.drift, n_history, drift.kind_of_next(back, closeness))
    if is_counted and ensemble.has_session_knn(state.ensemble.sessions):
        session_knn.learn_event(
            state.ensemble.session_knn, state.ensemble.sessions, state.items.is_live, state.items.dirty,
            item, session_ring.key_of(columns.user_key[i, 0], session), time_ms,
        )  # fmt: skip
    if neural.is_on(state.ensemble.neural):
        neural_examples.note_event(state.ensemble.neural, state.ensemble.neural_plan)
        if is_counted:
            neural_examples.learn_event(
                state.ensemble.neural, state.ensemble.neural_plan, history, n_history, item,
                item_to_item.fresh_count(state.ensemble.item_to_item, item, np.float64(time_ms)),
                columns.user_key[i, 0], session_ring.key_of(columns.user_key[i, 0], session),
            )  # fmt: skip
    histories.push(state.histories, user, item, session, columns.session_key[i] != np.uint64(0), time_ms)
    linear_model.note_kind(state.ensemble.linear, user, columns.event_type[i])
    recency_index.touch(state.users, user, time_ms)


@hot_kernel
def _learn_linear(state: State, limits: Limits, columns: Columns, i: int, item: int, user: int, n_history: int) -> None:
    key = draw_of(limits.topic_hash, columns.partitions[i], columns.offsets[i])
    models = state.ensemble
    if linear_learning.is_chosen(models.linear_plan, key):
        linear_learning.raise_steps(models.linear.learned, state.drift.factor[NEXT])
        linear_learning.learn_event(
            models.linear, models.linear_plan, models.linear_scratch, state.popularity, models.item_to_item,
            state.items.is_live, state.items.counts[N_LIVE], state.items.counts[N_USED], state.work.history,
            n_history, item, linear_model.last_kind_of(models.linear, user), np.float64(columns.time_ms[i]), key,
        )  # fmt: skip


@hot_kernel
def _learn_event(state: State, limits: Limits, columns: Columns, i: int) -> None:
    weight = daily_cap.allowed(
        state.cap, columns.user_key[i, 0], columns.item_key[i, 0], columns.weight[i],
        limits.most_a_day, columns.time_ms[i],
    )  # fmt: skip
    is_counted = weight != 0.0 or columns.weight[i] == 0.0
    is_late = columns.outcome[i] == _LATE_POPULARITY_ONLY
    item = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
    is_new = item == NONE
    if is_new:
        item = new_item(state, limits, columns, i)
    elif weight > 0.0 and not is_late:
        alpha = state.drift.factor[SCORE] * popularity.MIXTURE_STEP
        chance = popularity.learn_mixture(state.popularity, state.items.counts[N_LIVE], item, weight, alpha)
        if limits.drift.is_on:
            drift.note_positive(state.drift, state.popularity.work, chance, weight)
    if columns.enters_history[i] and not is_late:
        _learn_sequence(state, limits, columns, i, item, is_new, is_counted)
    if columns.n_features[i] > 0 and linear_model.is_on(state.ensemble.linear) and is_counted and not is_late:
        linear = state.ensemble.linear
        item_features.remember(linear.features, item, columns.features, columns.feature_start[i], columns.n_features[i])
        linear_rows.observe_features(linear, item, np.float64(columns.time_ms[i]))
    popularity.learn_event(
        state.popularity, state.items.counts[N_USED], state.items.is_live, state.items.dirty,
        item, weight, columns.time_ms[i],
    )  # fmt: skip
    recency_index.touch(state.items, item, columns.time_ms[i])
    popularity.refresh_top_if_due(
        state.popularity, state.items.counts[N_LIVE], state.items.counts[N_USED], state.items.is_live
    )
    drift.react(state.drift, state.detectors, limits.drift)


@called_kernel
def learn_events(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
    """Learn records start … stop - 1; returns where it stopped and why."""
    state.work.n_expected[:] = 0
    for i in range(start, stop):
        if columns.outcome[i] != _ADMITTED and columns.outcome[i] != _LATE_POPULARITY_ONLY:
            continue
        evict(state, limits, columns.watermark_ms[i])
        needs = why_waiting(state.items, state.users, state.text, limits, columns.item_length[i])
        if needs != DONE:
            return i, needs
        if neural_examples.is_step_due(state.ensemble.neural, state.ensemble.neural_plan):
            return i, NEEDS_STEP
        look_ahead(state, limits, columns, i)
        _learn_event(state, limits, columns, i)
    return stop, DONE
