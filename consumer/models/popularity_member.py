"""`popularity` as a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import popularity
from consumer.models.base import Interactions, Law, Ranked, Update, check_rows, fill, named
from consumer.models.popularity import MAX_EXPONENT, PopularityArrays
from consumer.settings import Models
from consumer.tables import Array


@hot_kernel
def _learn_each(
    learned: PopularityArrays,
    pending: PopularityArrays,
    is_live: UInt8Array,
    dirty: UInt8Array,
    items: Int32Array,
    weights: Float64Array,
    times_ms: Int64Array,
    n_live: int,
) -> None:
    n_rows = len(is_live)
    for i in range(len(items)):
        item = items[i]
        if not is_live[item]:
            is_live[item] = 1
            n_live += 1
        elif weights[i] > 0.0:
            popularity.learn_mixture(learned, n_live, item, weights[i], popularity.MIXTURE_STEP)
        popularity.learn_event(learned, n_rows, is_live, dirty, item, weights[i], times_ms[i])
        popularity.learn_event(pending, n_rows, is_live, dirty, item, weights[i], times_ms[i])


@hot_kernel
def add_counts(
    learned: PopularityArrays,
    items: Int32Array,
    positive: Float64Array,
    negative: Float64Array,
    landmark_ms: Float64Array,
) -> None:
    """Add counts in units of one event at `landmark_ms` (NaN: there are none)."""
    for h in range(len(landmark_ms)):
        if np.isnan(landmark_ms[h]):
            continue
        if np.isnan(learned.landmark_ms[h]):
            learned.landmark_ms[h] = landmark_ms[h]
        exponent = (landmark_ms[h] - learned.landmark_ms[h]) / learned.time_constant_ms[h]
        if exponent > MAX_EXPONENT:
            popularity.move_landmark(learned, len(learned.positive), h, landmark_ms[h])
            exponent = 0.0
        g = np.exp(exponent)
        for r in range(len(items)):
            before = popularity.net(learned, items[r], h)
            learned.positive[items[r], h] += g * positive[r, h]
            learned.negative[items[r], h] += g * negative[r, h]
            popularity.replace_in_total(learned, h, before, popularity.net(learned, items[r], h))


class PopularityMember:
    """Each item's expected share of upcoming positive interactions, whoever asks.

    Updates: counts add up, so they are exact up to rounding. The mixture's gains multiply: exact where the receiver had
    what the sender had when it was last asked, else close while the gains of one update are small.

    >>> member = PopularityMember(Models(), n_rows=10)
    >>> one = np.ones(3)
    >>> nobody = np.full((3, 10), -1, np.int32)
    >>> member.learn(Interactions(
    ...     item=np.array([4, 7, 7], np.int32), weight=one, time_ms=np.zeros(3, np.int64),
    ...     enters_history=one.astype(np.uint8), session=np.zeros(3, np.uint64),
    ...     predecessors=nobody, history=nobody, n_history=np.zeros(3, np.int32),
    ... ))
    >>> member.score(np.zeros(0, np.int32), n=2, now_ms=0).items.tolist()
    [7, 4]
    """

    name: ClassVar[str] = "popularity"
    opt_outs: ClassVar[Mapping[Law, str]] = {
        Law.UPDATES_COMMUTE: "the mixture steps from where it stands, by shares as they stand; only the counts commute",
    }

    def __init__(self, settings: Models, n_rows: int) -> None:
        self.learned = popularity.allocate(n_rows, settings.popularity.half_lives_s)
        self._pending = popularity.allocate(n_rows, settings.popularity.half_lives_s)
        self.is_live = np.zeros(n_rows, np.uint8)
        self._dirty = np.zeros(n_rows, np.uint8)  # learned here since the last update
        self._mixture_told = self.learned.mixture.copy()

    def learn(self, interactions: Interactions) -> None:
        check_rows(self.name, interactions.item, len(self.is_live))
        _learn_each(
            self.learned, self._pending, self.is_live, self._dirty,
            interactions.item, interactions.weight, interactions.time_ms, self._n_live(),
        )  # fmt: skip

    def forget(self, items: Int32Array) -> None:
        for item in items.tolist():
            popularity.forget_item(self.learned, item)
            popularity.forget_item(self._pending, item)
        self.is_live[items] = 0
        self._dirty[items] = 0

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """The n items with the greatest share, ties by row. The history says nothing here, and decay leaves shares as
        they are, so the time says nothing either."""
        scores = popularity.scores(self.learned, self._n_live(), len(self.is_live), self.is_live)
        items = np.flatnonzero(scores > 0.0)
        best = items[np.argsort(-scores[items], kind="stable")[:n]]
        return Ranked(best.astype(np.int32), scores[best])

    def state(self) -> Mapping[str, Array]:
        groups = named(learned=self.learned, pending=self._pending)
        return {**groups, "is_live": self.is_live, "dirty": self._dirty, "mixture_told": self._mixture_told}

    def restore(self, state: Mapping[str, Array]) -> None:
        fill(self.state(), state)

    def take_update(self) -> Update:
        rows = np.flatnonzero(self._dirty)
        update: dict[str, Array] = {
            "items": rows.astype(np.int32),
            "positive": self._pending.positive[rows],
            "negative": self._pending.negative[rows],
            "landmark_ms": self._pending.landmark_ms.copy(),
            "mixture_gain": np.log(self.learned.mixture) - np.log(self._mixture_told),
        }
        pending = self._pending
        pending.positive[rows] = pending.negative[rows] = 0.0
        for array in (pending.total, pending.total_error, pending.n_positive):
            array[:] = 0
        pending.landmark_ms[:] = np.nan
        self._dirty[:] = 0
        self._mixture_told[:] = self.learned.mixture
        return update

    def apply_update(self, update: Update) -> None:
        items = update["items"]
        check_rows(self.name, items, len(self.is_live))
        self.is_live[items] = 1
        add_counts(self.learned, items, update["positive"], update["negative"], update["landmark_ms"])
        for mixture in (self.learned.mixture, self._mixture_told):
            gained = mixture * np.exp(update["mixture_gain"])
            mixture[:] = gained / gained.sum()

    def _n_live(self) -> int:
        return int(self.is_live.sum())
