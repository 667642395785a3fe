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
from consumer.learning.trainer import Trainer
from consumer.messages import Float64Array, Int64Array, UInt64Array
from consumer.models.linear_model import COUNT, N_CANDIDATES, N_ROWS
from consumer.models.state import ModelState
from consumer.settings import Settings

N_POPULARITY = COUNT + 1
"""The first features of a row: popularity at each half-life, and the item's count."""


class Noted(NamedTuple):
    """Entry i belongs to record i of a batch; n_rows is 0 where nothing was learned of it."""

    n_rows: Int64Array  # (n,)
    n_candidates: Int64Array  # (n,)
    margins: Float64Array  # (n, 1 + negatives) the first is that of the item that came
    popularity: Float64Array  # (n, 1 + negatives, N_POPULARITY) not standardised


@hot_kernel
def _note_and_learn(
    state: State, limits: Limits, columns: Columns, noted: Noted, start: int, stop: int
) -> tuple[int, int]:
    scratch = state.ensemble.linear_scratch
    for i in range(start, stop):
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

    def __len__(self) -> int:
        return len(self.margins)


def held(batches: Iterable[AdmittedBatch], settings: Settings) -> Held:
    """Of the whole stream; events for which not all negatives could be drawn are left out."""
    n_each = 1 + settings.models.linear.negatives
    trainer = Trainer(settings, ModelState(settings))
    parts: list[Held] = []
    for batch in batches:
        n = len(batch.outcome)
        noted = Noted(
            np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros((n, n_each)), np.zeros((n, n_each, N_POPULARITY))
        )
        trainer.run(_pass(noted), batch, 0, n)
        (rows,) = np.nonzero(noted.n_rows == n_each)
        events = batch.events
        parts.append(
            Held(
                noted.margins[rows],
                noted.popularity[rows],
                noted.n_candidates[rows],
                events.event_time_ms[rows],
                session_keys(events.session_key[rows], events.user_key[rows])[:, 0],
            )
        )
    columns = zip(*((p.margins, p.popularity, p.n_candidates, p.time_ms, p.session) for p in parts), strict=True)
    return Held(*(np.concatenate(column) for column in columns))


def _pass(noted: Noted) -> Pass:
    def run(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
        return _note_and_learn(state, limits, columns, noted, start, stop)

    return run
