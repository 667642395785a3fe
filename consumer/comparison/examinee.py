"""One model of a comparison: learns on from where it stands, and is asked about the events of the common stretch just
before it learns each."""

from __future__ import annotations

import numpy as np

from consumer.comparison.compared import Compared
from consumer.evaluation import answers
from consumer.evaluation.answers import Answers
from consumer.evaluation.protocols import asking_pass
from consumer.events.admission import AdmittedBatch
from consumer.learning import trials
from consumer.learning.trials import NOTHING, WITH_HISTORY
from consumer.messages import Decoded, Int64Array, Outcome, Positions, UInt8Array

_ADMITTED = int(Outcome.ADMITTED)


class Examinee:
    """`take` batches in order; `begins` says where the common stretch begins in each partition."""

    def __init__(self, compared: Compared, begins: Positions) -> None:
        self.state = compared.state
        self._enters = np.array([kind.history for kind in compared.settings.input.event_types.values()], bool)
        n_partitions = 1 + max(begins, default=0)
        self._begins = np.array([begins.get(p, 0) for p in range(n_partitions)], np.int64)
        self._answers: list[Answers] = []
        self._coordinates: list[Int64Array] = []

    def take(self, decoded: Decoded) -> AdmittedBatch:
        """Ask about what is of the stretch, and learn all of it."""
        events = decoded.events
        self.state.budget.take(events)
        batch = self.state.admission.admit(events)
        asked = np.where(self._is_asked(batch), WITH_HISTORY, NOTHING).astype(np.uint8)
        asking = trials.allocate(asked, self._enters_history(batch))
        self.state.trainer.run(asking_pass(trials.test_then_learn, asking), batch, 0, len(batch.outcome))
        period = np.zeros(len(events), np.int64)
        self._answers.append(answers.answers_of(batch, asking, period))
        rows = np.flatnonzero(asking.was_asked)
        self._coordinates.append(np.column_stack((events.partitions[rows], events.offsets[rows])).astype(np.int64))
        return batch

    def answers(self) -> tuple[Answers, Int64Array]:
        """All so far, and (n, 2) the partition and offset that each question was about."""
        return answers.joined(self._answers), np.concatenate([np.zeros((0, 2), np.int64), *self._coordinates])

    def is_of_stretch(self, batch: AdmittedBatch) -> UInt8Array:
        """(n,) 1: lies in the common stretch."""
        events = batch.events
        inside: UInt8Array = (events.offsets >= self._begins[events.partitions]).astype(np.uint8)
        return inside

    def _is_asked(self, batch: AdmittedBatch) -> UInt8Array:
        return self._enters_history(batch) & self.is_of_stretch(batch)

    def _enters_history(self, batch: AdmittedBatch) -> UInt8Array:
        kinds = np.clip(batch.events.event_type, 0, len(self._enters) - 1)
        enters: UInt8Array = ((batch.outcome == _ADMITTED) & self._enters[kinds]).astype(np.uint8)
        return enters
