"""Where the items that followed stood in each member's list: one row a question, about 30 bytes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from consumer.evaluation.questions import session_keys
from consumer.events.admission import AdmittedBatch
from consumer.learning import quality
from consumer.learning.trials import Trials
from consumer.messages import Int16Array, Int64Array, UInt8Array, UInt64Array

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """Columns; entry i of each belongs to the same question."""

    ranks: UInt8Array  # (n, quality.MEMBERS) place in each list, 1 … quality.CUTOFF; 0: not there
    is_repeat: UInt8Array  # (n,) 1: the item just before it again
    event_type: Int16Array  # (n,) index into the settings' event types
    session: UInt64Array  # (n,) equal where the session is
    period: Int64Array  # (n,)

    def __len__(self) -> int:
        return len(self.period)

    def where(self, chosen: BoolArray) -> Answers:
        """The questions for which it is true."""
        return Answers(*(getattr(self, f.name)[chosen] for f in fields(self)))


def answers_of(batch: AdmittedBatch, trials: Trials, period: Int64Array) -> Answers:
    """Those to the questions about a batch."""
    events = batch.events
    (rows,) = np.nonzero(trials.was_asked)
    return Answers(
        ranks=trials.ranks[rows],
        is_repeat=trials.is_repeat[rows],
        event_type=events.event_type[rows],
        session=session_keys(events.session_key[rows], events.user_key[rows])[:, 0],
        period=period[rows],
    )


def joined(parts: list[Answers]) -> Answers:
    """One after the other."""
    if not parts:
        nothing: Any = np.zeros(0, np.uint8)
        return Answers(
            np.zeros((0, len(quality.MEMBERS)), np.uint8), nothing, nothing.astype(np.int16),
            nothing.astype(np.uint64), nothing.astype(np.int64),
        )  # fmt: skip
    return Answers(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Answers)))
