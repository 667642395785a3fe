"""From decoded records to events to be learned and dead letters to be written, and where that leaves the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from consumer.errors import Fatal
from consumer.events.admission import Admission, AdmittedBatch
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.messages import (
    MAX_DEAD_LETTER,
    DeadLetter,
    Decoded,
    EventBatch,
    Outcome,
    OutputRecord,
    RecordBatch,
    UInt8Array,
    is_redriven,
)
from consumer.recovery import Recovered


@dataclass(frozen=True, slots=True)
class Taken:
    """What a batch came to. `refusal`, if any, is to be raised once all that was taken is safe."""

    admitted: AdmittedBatch
    dead_letters: Sequence[OutputRecord]
    refusal: Fatal | None

    def outcomes(self) -> Mapping[str, int]:
        """Records by outcome."""
        return self.admitted.counts()

    def dead_letter_counts(self) -> Mapping[str, int]:
        """Dead letters by reason."""
        return {name: n for name, n in self.outcomes().items() if Outcome[name.upper()].is_dead_letter}


class Intake:
    """Takes decoded batches in order.

    `explain` says why a record is a dead letter, `letter` makes the record for it.
    """

    def __init__(
        self,
        admission: Admission,
        budget: DeadLetterBudget,
        explain: Callable[[RecordBatch, int], str],
        letter: Callable[[DeadLetter], OutputRecord],
        start: Recovered,
    ) -> None:
        self._admission = admission
        self._budget = budget
        self._explain = explain
        self._letter = letter
        self.positions = dict(start.positions)
        """Next offset of each partition; everything before has been taken."""
        self.written = set(start.written_dead_letters)
        """Records whose dead letter an earlier run has already written; they are not written again."""

    def take(self, decoded: Decoded) -> Taken:
        """Admit what may be learned; stop in front of the first record beyond the dead letters' limit."""
        n = self._budget.take(decoded.events)
        events = decoded.events.head(n)
        admitted = self._admission.admit(events, self._redriven(decoded.records, events))
        letters = self._letters(decoded.records, events)
        self._advance(events)
        refusal = self._refusal(decoded, n) if n < len(decoded.events) else None
        return Taken(admitted, letters, refusal)

    def forget_passed(self) -> None:
        """Drop coordinates that lie behind the positions: they cannot come again."""
        self.written = {(p, offset) for p, offset in self.written if offset >= self.positions.get(p, 0)}

    def _redriven(self, records: RecordBatch, events: EventBatch) -> UInt8Array | None:
        candidates = self._admission.late_candidates(events)
        if len(candidates) == 0:
            return None
        exempt = np.zeros(len(events), np.uint8)
        for row in candidates.tolist():
            exempt[row] = is_redriven(records.originals[row].headers)
        return exempt

    def _letters(self, records: RecordBatch, events: EventBatch) -> list[OutputRecord]:
        rows = np.flatnonzero((events.outcome > 0) & (events.outcome <= MAX_DEAD_LETTER))
        letters = []
        for row in rows.tolist():
            coordinates = (int(events.partitions[row]), int(events.offsets[row]))
            if coordinates in self.written:
                continue
            reason = Outcome(int(events.outcome[row]))
            letters.append(self._letter(DeadLetter(records.originals[row], reason, self._explain(records, row))))
        return letters

    def _told(self, records: RecordBatch, row: int, reason: Outcome) -> str:
        """For logs, which must not have values of events: one may be a user's id. Dead letters have all of it."""
        why = self._explain(records, row)
        shown = why if reason in (Outcome.UNDECODABLE, Outcome.MISSING_FIELD) else why.partition(": ")[0]
        return f"{reason.name.lower()}: {shown}"

    def _advance(self, events: EventBatch) -> None:
        for partition in np.unique(events.partitions).tolist():
            offsets = events.offsets[events.partitions == partition]
            self.positions[partition] = int(offsets[-1]) + 1

    def _refusal(self, decoded: Decoded, row: int) -> Fatal:
        events = decoded.events
        return Fatal(
            f"too many dead letters: {self._budget.complaint()}; stopped in front of {decoded.records.topic} "
            f"partition {events.partitions[row]} offset {events.offsets[row]}, which is "
            f"{self._told(decoded.records, row, Outcome(int(events.outcome[row])))}. "
            "Compare the input with the settings (input.fields, input.time_format), or raise the limit"
        )
