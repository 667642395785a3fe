"""Holds a replay to a rate, counted from its start: a pause is made up for no faster than the batches allow."""

from __future__ import annotations

from typing import Final

SMOOTH_S: Final = 0.2
"""A batch is no longer than what comes in this time."""


class Pace:
    """`records_per_s` None: as fast as it goes."""

    def __init__(self, records_per_s: float | None, now_s: float) -> None:
        self._records_per_s = records_per_s
        self._due_s = now_s

    def batch_of(self, most: int) -> int:
        """How many records a batch may have."""
        return most if self._records_per_s is None else max(1, min(most, int(self._records_per_s * SMOOTH_S)))

    def took(self, n_records: int, now_s: float) -> None:
        """So many more were taken; monotonic time."""
        if self._records_per_s is not None:
            self._due_s = max(self._due_s, now_s - SMOOTH_S) + n_records / self._records_per_s

    def wait_s(self, now_s: float) -> float:
        """Until the next batch may be taken."""
        return 0.0 if self._records_per_s is None else max(0.0, self._due_s - now_s)
