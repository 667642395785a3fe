"""A learning pass that notes what `linear` held of each item that came, and of those drawn beside it, beforehand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consumer.evaluation.questions import session_keys
from consumer.events.admission import AdmittedBatch
from consumer.kernels import hot_kernel
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import DONE, Columns, Limits, Pass, State
from consumer.learning.sampling import draw_of
from consumer.learning.trainer import Trainer
from consumer.messages import Float64Array, Int32Array, Int64Array, Outcome, UInt64Array
from consumer.models import histories, linear_learning, linear_model, recency_index
from consumer.models.linear_model import COUNT, N_CANDIDATES, N_ROWS
from consumer.models.recency_index import N_USED, NONE
from consumer.models.state import ModelState
from consumer.settings import Settings

_ADMITTED = int(Outcome.ADMITTED)
N_POPULARITY = COUNT + 1
"""The first features of a row: popularity at each half-life, and the item's count."""


N_BINS = 96
BINS_A_NAT = 4
LEAST_MARGIN = -8.0
ASKED = -1


class Bins(NamedTuple):
    """Chances of all candidates of some events, by how far their log-odds are above those of a uniform draw. Entry 0 is
    for the first half of the stream, entry 1 for the second."""

    expected: Float64Array  # (2, N_BINS) chances summed
    followed: Float64Array  # (2, N_BINS) candidates that came
    n_events: Int64Array  # (2,)
    items: Int32Array  # (any,) working memory
    margins: Float64Array  # (any,) working memory


class Noted(NamedTuple):
    """Entry i belongs to record i of a batch; n_rows is 0 where nothing was learned of it."""

    n_rows: Int64Array  # (n,)
    n_candidates: Int64Array  # (n,)
    margins: Float64Array  # (n, 1 + negatives) the first is that of the item that came
    popularity: Float64Array  # (n, 1 + negatives, N_POPULARITY) not standardised


@hot_kernel
def _bin_all(state: State, columns: Columns, bins: Bins, half: int, i: int, item: int, user: int) -> None:
    """What is held of every item outside the history to be the next one."""
    models, history = state.ensemble, state.work.history
    n_history = histories.latest_first(state.histories, user, state.items.is_live, history)
    n = 0
    for row in range(state.items.counts[N_USED]):
        is_past = False
        for b in range(n_history):
            is_past |= history[b] == row
        if state.items.is_live[row] and not is_past:
            bins.items[n] = row
            n += 1
        elif row == item:
            return  # it is for `repeat`
    if n_history == 0 or n < 2:
        return
    linear_learning.judge(
        models.linear, models.linear_plan, models.linear_scratch, state.popularity, models.item_to_item,
        state.items.is_live, history, n_history, linear_model.last_kind_of(models.linear, user),
        np.float64(columns.time_ms[i]), bins.items, n, bins.margins,
    )  # fmt: skip
    for c in range(n):
        place = int(BINS_A_NAT * (bins.margins[c] - LEAST_MARGIN))
        place = max(0, min(N_BINS - 1, place))
        bins.expected[half, place] += 1.0 / (1.0 + (n - 1) * np.exp(-bins.margins[c]))
        if bins.items[c] == item:
            bins.followed[half, place] += 1.0
    bins.n_events[half] += 1


@hot_kernel
def _ask_about_all(state: State, limits: Limits, columns: Columns, bins: Bins, half: int, one_in: int, i: int) -> None:
    key = draw_of(limits.topic_hash, columns.partitions[i], columns.offsets[i])
    if (
        columns.outcome[i] != _ADMITTED
        or columns.enters_history[i] == 0
        or (key >> np.uint64(8)) % np.uint64(one_in) != np.uint64(0)
    ):
        return
    item = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
    user = recency_index.find(state.users, columns.user_key[i, 0], columns.user_key[i, 1])
    if item != NONE and user != NONE:
        _bin_all(state, columns, bins, half, i, item, user)


@hot_kernel
def _note_and_learn(
    state: State,
    limits: Limits,
    columns: Columns,
    noted: Noted,
    bins: Bins,
    half: int,
    one_in: int,
    start: int,
    stop: int,
) -> tuple[int, int]:
    scratch = state.ensemble.linear_scratch
    for i in range(start, stop):
        if noted.n_rows[i] != ASKED:  # a pass that stops for room comes back to the same event
            _ask_about_all(state, limits, columns, bins, half, one_in, i)
            noted.n_rows[i] = ASKED
        scratch.counts[N_ROWS] = 0
        _, why = learn_events(state, limits, columns, i, i + 1)
        if why != DONE:
            return i, why
        noted.n_rows[i] = scratch.counts[N_ROWS]
        noted.n_candidates[i] = scratch.counts[N_CANDIDATES]
        for r in range(noted.n_rows[i]):
            noted.margins[i, r] = scratch.margins[r]
            for f in range(noted.popularity.shape[2]):
                noted.popularity[i, r, f] = scratch.raw[r, f]
    return stop, DONE


@dataclass(frozen=True, slots=True)
class Held:
    """What was held of the rows of n learned events, 1 + k each."""

    margins: Float64Array  # (n, 1 + k)
    popularity: Float64Array  # (n, 1 + k, N_POPULARITY)
    n_candidates: Int64Array  # (n,)
    time_ms: Int64Array  # (n,)
    session: UInt64Array  # (n,)
    bins: Bins

    def __len__(self) -> int:
        return len(self.margins)


def allocate_bins(n_items: int) -> Bins:
    return Bins(
        np.zeros((2, N_BINS)), np.zeros((2, N_BINS)), np.zeros(2, np.int64), np.zeros(n_items, np.int32),
        np.zeros(n_items),
    )  # fmt: skip


def held(batches: Iterable[AdmittedBatch], settings: Settings, one_in: int = 20) -> Held:
    """Of the whole stream; events for which not all negatives could be drawn are left out. All candidates are judged at
    one event in so many."""
    n_each = 1 + settings.models.linear.negatives
    model = ModelState(settings)
    trainer = Trainer(settings, model)
    parts: list[Held] = []
    whole = list(batches)
    n_all, n_before = sum(len(batch.outcome) for batch in whole), 0
    bins = allocate_bins(n_all)
    for batch in whole:
        n = len(batch.outcome)
        noted = Noted(
            np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, n_each)), np.zeros((n, n_each, N_POPULARITY))
        )
        middle = max(0, min(n, n_all // 2 - n_before))
        for half, (start, stop) in enumerate(((0, middle), (middle, n))):
            trainer.run(_pass(noted, bins, half, one_in), batch, start, stop)
        n_before += n
        parts.append(_held_of(noted, np.flatnonzero(noted.n_rows == n_each), batch, bins))
    return Held(
        margins=np.concatenate([part.margins for part in parts]),
        popularity=np.concatenate([part.popularity for part in parts]),
        n_candidates=np.concatenate([part.n_candidates for part in parts]),
        time_ms=np.concatenate([part.time_ms for part in parts]),
        session=np.concatenate([part.session for part in parts]),
        bins=bins,
    )


def _held_of(noted: Noted, rows: Int64Array, batch: AdmittedBatch, bins: Bins) -> Held:
    events = batch.events
    return Held(
        noted.margins[rows],
        noted.popularity[rows],
        noted.n_candidates[rows],
        events.event_time_ms[rows],
        session_keys(events.session_key[rows], events.user_key[rows])[:, 0],
        bins,
    )


def _pass(noted: Noted, bins: Bins, half: int, one_in: int) -> Pass:
    def run(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
        return _note_and_learn(state, limits, columns, noted, bins, half, one_in, start, stop)

    return run
