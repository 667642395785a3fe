"""How a stream is tested: event by event just before it is learned, or a period at a time by what was learned before.

Both learn every event as it comes, by the worker's own pass. The time of learning is that of a second state that learns
the same batches without questions, so it is the worker's, not that of a test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from consumer.clock import thread_cpu_s
from consumer.evaluation.answers import Answers, answers_of, joined
from consumer.evaluation.questions import Questions, cuts, periods
from consumer.events.admission import AdmittedBatch
from consumer.learning import trials
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import Columns, Limits, Pass, State
from consumer.learning.trainer import Trainer
from consumer.learning.trials import Trials
from consumer.messages import Int64Array, Outcome, UInt8Array
from consumer.models.state import ModelState
from consumer.settings import Settings

_ADMITTED = int(Outcome.ADMITTED)


class Protocol(StrEnum):
    PREQUENTIAL = "prequential"
    PERIODS = "periods"


@dataclass(slots=True)
class Spent:
    """Seconds, and what they were spent on."""

    learning_s: float = 0.0
    asking_s: float = 0.0
    n_learned: int = 0
    n_asked: int = 0


class Examination:
    """A model that is asked and learns. `take` batches in order, then read `answers` and `spent`."""

    def __init__(self, settings: Settings, protocol: Protocol, questions: Questions, period_ms: int):
        self._settings = settings
        self._protocol = protocol
        self._questions = questions
        self._period_ms = period_ms
        self._enters = np.array([kind.history for kind in settings.input.event_types.values()], bool)
        self.model = ModelState(settings)
        self._trainer = Trainer(settings, self.model)
        self._frozen = ModelState(settings)
        """PERIODS: what was learned before this period; PREQUENTIAL: learns without questions, to be timed."""
        self._beside = Trainer(settings, self._frozen)
        self._start_ms: int | None = None
        self._period = 0
        self._parts: list[Answers] = []
        self.spent = Spent()

    def take(self, batch: AdmittedBatch) -> None:
        """Ask about the batch and learn it."""
        if self._start_ms is None:
            admitted = np.flatnonzero(batch.outcome == _ADMITTED)
            if len(admitted) == 0:
                return
            self._start_ms = int(batch.watermark_ms[admitted[0]])
        period = periods(batch.watermark_ms, self._start_ms, self._period_ms)
        asked = self._questions.about(batch, period, self._enters_history(batch))
        asking = trials.allocate(*asked)
        ask = self._ask_periods if self._protocol is Protocol.PERIODS else self._ask_events
        ask(batch, asking, period)
        self._parts.append(answers_of(batch, asking, period))
        self.spent.n_asked += len(self._parts[-1])
        self.spent.n_learned += int((batch.outcome == _ADMITTED).sum())

    def answers(self) -> Answers:
        """All answers so far."""
        return joined(self._parts)

    def _ask_events(self, batch: AdmittedBatch, asking: Trials, _period: Int64Array) -> None:
        n = len(batch.outcome)
        learning_s = self._seconds(self._beside, learn_events, batch, 0, n)
        both_s = self._seconds(self._trainer, asking_pass(trials.test_then_learn, asking), batch, 0, n)
        self.spent.learning_s += learning_s
        self.spent.asking_s += max(0.0, both_s - learning_s)

    def _ask_periods(self, batch: AdmittedBatch, asking: Trials, period: Int64Array) -> None:
        for start, stop in cuts(period):
            if period[start] != self._period:
                self._period = int(period[start])
                self._freeze()
            self.spent.asking_s += self._seconds(self._beside, asking_pass(trials.ask_only, asking), batch, start, stop)
            self.spent.learning_s += self._seconds(self._trainer, learn_events, batch, start, stop)

    def _seconds(self, trainer: Trainer, events_pass: Pass, batch: AdmittedBatch, start: int, stop: int) -> float:
        start_s = thread_cpu_s()
        trainer.run(events_pass, batch, start, stop)
        return thread_cpu_s() - start_s

    def _freeze(self) -> None:
        """Let `_frozen` be what is learned now."""
        tables = {
            name: {column: array[: table.n_rows] for column, array in table.arrays.items()}
            for name, table in self.model.tables().items()
        }
        self._frozen.restore(tables, self.model.small())

    def _enters_history(self, batch: AdmittedBatch) -> UInt8Array:
        kinds = np.clip(batch.events.event_type, 0, len(self._enters) - 1)
        enters: UInt8Array = ((batch.outcome == _ADMITTED) & self._enters[kinds]).astype(np.uint8)
        return enters


Kernel = Callable[[State, State, Limits, Columns, Trials, int, int], tuple[int, int]]


def asking_pass(kernel: Kernel, asking: Trials) -> Pass:
    """The kernel as a pass of a `Trainer`."""

    def run(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
        return kernel(state, state._replace(quality=asking.scratch), limits, columns, asking, start, stop)

    return run
