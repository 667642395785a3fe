"""A learning pass that notes, before each positive event on a known item, what its score was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.kernels import hot_kernel
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import DONE, Columns, Limits, Pass, State
from consumer.learning.rows import evict
from consumer.learning.trainer import Trainer
from consumer.messages import Float64Array, Int32Array, Int64Array, Outcome, UInt8Array
from consumer.models import popularity, recency_index
from consumer.models.recency_index import N_LIVE, NONE
from consumer.models.state import ModelState
from consumer.settings import Settings

_ADMITTED = int(Outcome.ADMITTED)


class Noted(NamedTuple):
    """Entry i belongs to record i of a batch; all zero where it isn't positive."""

    weight: Float64Array  # (n,) of a positive event, else 0
    item: Int32Array  # (n,) row, NONE where the item is new
    n_live: Int64Array  # (n,)
    shares: Float64Array  # (n, half-lives) p_h
    mixture: Float64Array  # (n, half-lives) m_h


def _allocate(n: int, n_half_lives: int) -> Noted:
    return Noted(
        np.zeros(n),
        np.full(n, NONE, np.int32),
        np.zeros(n, np.int64),
        np.zeros((n, n_half_lives)),
        np.zeros((n, n_half_lives)),
    )


@hot_kernel
def _note_then_learn(
    state: State, limits: Limits, columns: Columns, noted: Noted, start: int, stop: int
) -> tuple[int, int]:
    for i in range(start, stop):
        if columns.outcome[i] == _ADMITTED and columns.weight[i] > 0.0:
            evict(state, limits, columns.watermark_ms[i])
            noted.weight[i] = columns.weight[i]
            item = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
            noted.item[i] = item
            noted.n_live[i] = state.items.counts[N_LIVE]
            for h in range(noted.shares.shape[1]):
                noted.mixture[i, h] = state.popularity.mixture[h]
                if item != NONE:
                    noted.shares[i, h] = popularity.share(state.popularity, noted.n_live[i], h, item)
        _, why = learn_events(state, limits, columns, i, i + 1)
        if why != DONE:
            return i, why
    return stop, DONE


@dataclass(slots=True)
class Scored:
    """Positive events on known items, and how the scores at hand before them fared."""

    weight: Float64Array  # (n,)
    n_live: Int64Array  # (n,)
    shares: Float64Array  # (n, half-lives)
    mixture: Float64Array  # (n, half-lives)
    expected: Float64Array  # (10,) share that each tenth of the items was expected to get
    followed: Float64Array  # (10,) share that it got
    n_new: int  # positive events on items that nobody had seen
    n_snapshots: int


class ScorePass:
    """Learns batches in order. Every `snapshot_events` events from `first_snapshot` on the scores are frozen and the
    events up to the next snapshot are counted against them, tenth by tenth of the items by score."""

    def __init__(self, settings: Settings, first_snapshot: int, snapshot_events: int) -> None:
        self._model = ModelState(settings)
        self._trainer = Trainer(settings, self._model)
        self._n_half_lives = len(settings.models.popularity.half_lives_s)
        self._first, self._every = first_snapshot, snapshot_events
        self._n_events = 0
        self._tenth: UInt8Array = np.zeros(0, np.uint8)
        self._expected, self._followed = np.zeros(10), np.zeros(10)
        self._n_snapshots = 0
        self._noted: list[Noted] = []

    def learn(self, batches: Iterable[AdmittedBatch]) -> Scored:
        """The whole stream."""
        for batch in batches:
            n, start = len(batch.outcome), 0
            noted = _allocate(n, self._n_half_lives)
            while start < n:
                until_next = self._every - (self._n_events - self._first) % self._every
                if self._n_events >= self._first and until_next == self._every:
                    self._take_snapshot()
                stop = min(n, start + until_next)
                self._trainer.run(_pass(noted), batch, start, stop)
                self._count(noted, start, stop)
                self._n_events += stop - start
                start = stop
            self._noted.append(noted)
        return self._scored()

    def _take_snapshot(self) -> None:
        scores = self._model.scores()
        live = np.flatnonzero(np.isfinite(scores))
        if len(live) < 10:
            return
        self._tenth = np.full(len(scores), 255, np.uint8)
        order = live[np.argsort(scores[live], kind="stable")]
        self._tenth[order] = np.arange(len(order)) * 10 // len(order)
        self._expected += np.bincount(self._tenth[order], scores[order], 10)
        self._n_snapshots += 1

    def _count(self, noted: Noted, start: int, stop: int) -> None:
        """Events on items of the snapshot count; those on newer ones had no score to be judged."""
        item, weight = noted.item[start:stop], noted.weight[start:stop]
        is_scored = (item >= 0) & (item < len(self._tenth)) & (weight > 0)
        tenth = self._tenth[item[is_scored]]
        weights = weight[is_scored][tenth < 10]
        if len(weights):
            self._followed += np.bincount(tenth[tenth < 10], weights, 10)

    def _scored(self) -> Scored:
        all_noted = Noted(*(np.concatenate(column) for column in zip(*self._noted, strict=True)))
        is_known = (all_noted.weight > 0) & (all_noted.item != NONE)
        return Scored(
            weight=all_noted.weight[is_known],
            n_live=all_noted.n_live[is_known],
            shares=all_noted.shares[is_known],
            mixture=all_noted.mixture[is_known],
            expected=self._expected / self._expected.sum(),
            followed=self._followed / self._followed.sum(),
            n_new=int(((all_noted.weight > 0) & (all_noted.item == NONE)).sum()),
            n_snapshots=self._n_snapshots,
        )


def _pass(noted: Noted) -> Pass:
    def run(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
        return _note_then_learn(state, limits, columns, noted, start, stop)

    return run
