"""How many dead letters are too many: so many in a row, or too large a share of a window of records.

The counts belong to the checkpoint: a worker that restarts in front of a run of bad records stops again at once,
instead of letting a few more through at each start.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.kernels import kernel
from consumer.messages import MAX_DEAD_LETTER, EventBatch, Int64Array, Outcome, UInt8Array
from consumer.settings import DeadLetterLimit
from consumer.tables import Array

# Entries of `counts`.
IN_A_ROW = 0
WINDOW_RECORDS = 1
WINDOW_LETTERS = 2

_TOMBSTONE = int(Outcome.TOMBSTONE)


@kernel
def _spend(outcome: UInt8Array, counts: Int64Array, max_in_a_row: int, window: int, max_in_window: float) -> int:
    """Number of records that may be taken; the count of the first one beyond the limit is not entered."""
    for i in range(len(outcome)):
        if outcome[i] == _TOMBSTONE:
            continue
        if counts[WINDOW_RECORDS] == window:
            counts[WINDOW_RECORDS] = 0
            counts[WINDOW_LETTERS] = 0
        if 0 < outcome[i] <= MAX_DEAD_LETTER:
            if counts[IN_A_ROW] + 1 > max_in_a_row or counts[WINDOW_LETTERS] + 1 > max_in_window:
                return i
            counts[IN_A_ROW] += 1
            counts[WINDOW_LETTERS] += 1
        else:
            counts[IN_A_ROW] = 0
        counts[WINDOW_RECORDS] += 1
    return len(outcome)


class DeadLetterBudget:
    """Judges decoded batches in order."""

    def __init__(self, limit: DeadLetterLimit) -> None:
        self._limit = limit
        self.counts = np.zeros(3, np.int64)

    def take(self, events: EventBatch) -> int:
        """How many records of the batch, from its start, may be taken before the limit is passed."""
        limit = self._limit
        max_in_window = limit.max_ratio * limit.ratio_window
        return int(_spend(events.outcome, self.counts, limit.max_in_a_row, limit.ratio_window, max_in_window))

    def complaint(self) -> str:
        """Why `take` stopped short."""
        limit = self._limit
        if self.counts[IN_A_ROW] >= limit.max_in_a_row:
            return f"more than {limit.max_in_a_row} in a row (input.dead_letters.max_in_a_row)"
        return (
            f"more than {limit.max_ratio:.0%} of a window of {limit.ratio_window} records "
            "(input.dead_letters.max_ratio, ratio_window)"
        )

    def small(self) -> Mapping[str, Array]:
        """For checkpoints."""
        return {"dead_letter_budget.counts": self.counts}

    def restore(self, small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint."""
        self.counts[:] = small["dead_letter_budget.counts"]
