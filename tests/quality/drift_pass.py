"""A learning pass that notes, before each event, how well everything that has steps foretold it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.learning import quality
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import DONE, Columns, Limits, Pass, State
from consumer.learning.quality import QualityArrays
from consumer.learning.sampling import rank_next
from consumer.messages import Float64Array, Int64Array
from consumer.models import histories, popularity, recency_index, repeat
from consumer.models.fusion import BUCKET_OF_RANK, BUCKET_WIDTHS, N_BUCKETS
from consumer.models.item_to_item import N_RANKED
from consumer.models.recency_index import N_LIVE, NONE
from consumer.models.recommend import MERGED, place_of
from consumer.models.repeat import N_BACK

UNASKED = -1
LEAST = 0.001  # chance of what the tables leave over


class Noted(NamedTuple):
    """Entry i belongs to record i of a batch; every record is a positive event."""

    likelihoods: Float64Array  # (n, half-lives) of the item by each half-life, smoothed; 0: the item is new
    score: Float64Array  # (n,) by their mixture
    context: Int64Array  # (n,) of the tables, UNASKED: no history
    back: Int64Array  # (n,) places back in the history, 0: not in it
    places: Int64Array  # (n,) a bit for each place of the history that can be returned to, bit 0 for b = 1
    return_chance: Float64Array  # (n,) that `repeat` gave to that
    bucket: Int64Array  # (n,) of the rank outside the history, UNASKED: not listed
    list_chance: Float64Array  # (n,) that the fusion gave to that
    merged: Int64Array  # (n,) place in the list that is recommended, 0: not in it


def allocate(n: int, n_half_lives: int) -> Noted:
    return Noted(
        np.zeros((n, n_half_lives)), np.zeros(n), np.full(n, UNASKED), np.zeros(n, np.int64), np.zeros(n, np.int64),
        np.ones(n), np.full(n, UNASKED), np.ones(n), np.zeros(n, np.int64),
    )  # fmt: skip


@hot_kernel
def _note_score(state: State, noted: Noted, i: int, item: int) -> None:
    shares, n_live = state.popularity, state.items.counts[N_LIVE]
    for h in range(noted.likelihoods.shape[1]):
        likely = (1.0 - popularity.SMOOTHING) * popularity.share(
            shares, n_live, h, item
        ) + popularity.SMOOTHING / n_live
        noted.likelihoods[i, h] = likely
        noted.score[i] += shares.mixture[h] * likely


@hot_kernel
def _note_tables(state: State, noted: Noted, i: int, item: int, n_history: int) -> None:
    chances, list_chances = state.ensemble.repeat.chance, state.ensemble.fusion.chance
    history = state.work.history
    context, last_places = repeat.look_at(history, n_history)
    noted.context[i] = context
    outside = 1.0
    for b in range(min(n_history, N_BACK)):
        if repeat.is_last_place(last_places, b):
            outside -= chances[context, b]
            noted.places[i] |= np.int64(1) << np.int64(b)
            if history[b] == item:
                noted.back[i] = b + 1
    back = noted.back[i]
    noted.return_chance[i] = chances[context, back - 1] if back > 0 else max(outside, LEAST)
    if back > 0:
        return  # the fusion is about new items
    length = repeat.length_of(n_history)
    rank = place_of(state.work.lists.listed, N_RANKED, item)
    if rank > 0:
        noted.bucket[i] = BUCKET_OF_RANK[rank]
        noted.list_chance[i] = list_chances[length, BUCKET_OF_RANK[rank]]
    else:
        unlisted = 1.0
        for bucket in range(N_BUCKETS):
            unlisted -= BUCKET_WIDTHS[bucket] * list_chances[length, bucket]
        noted.list_chance[i] = max(unlisted, LEAST)


@hot_kernel
def _note_then_learn(
    state: State, testing: State, limits: Limits, columns: Columns, noted: Noted, start: int, stop: int
) -> tuple[int, int]:
    for i in range(start, stop):
        item = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
        user = recency_index.find(state.users, columns.user_key[i, 0], columns.user_key[i, 1])
        noted.score[i] = 0.0
        if item != NONE:
            _note_score(state, noted, i, item)
            n_history = 0
            if user != NONE:
                n_history = histories.latest_first(state.histories, user, state.items.is_live, state.work.history)
            if n_history > 0:
                state.work.lists.listed[:] = NONE
                rank_next(testing, n_history, 0, item, columns.time_ms[i], True, True)
                noted.merged[i] = place_of(state.work.lists.merged, state.work.lists.lengths[MERGED], item)
                _note_tables(state, noted, i, item, n_history)
        _, why = learn_events(state, limits, columns, i, i + 1)
        if why != DONE:
            return i, why
    return stop, DONE


def noting(noted: Noted) -> Pass:
    """The pass that fills these columns, beside a batch of as many records."""
    scratch: QualityArrays = quality.allocate()

    def run(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
        return _note_then_learn(state, state._replace(quality=scratch), limits, columns, noted, start, stop)

    return run
