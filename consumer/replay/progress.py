"""How far a replay has come, how fast it is, and how long it will take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

RATE_OVER_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    n_records: int
    """Taken since this process began."""
    share: float
    """Of the range, in offsets: 0 … 1."""
    event_time_ms: int | None
    """The greatest event time so far."""
    records_per_s: float
    """Over the last RATE_OVER_S."""
    left_s: float | None
    """None as long as there is no rate."""


class ProgressMeter:
    """`n_offsets`: of the range; `n_left`: still to be read when this process began."""

    def __init__(self, n_offsets: int, n_left: int, now_s: float) -> None:
        self._n_offsets = n_offsets
        self._first_left = n_left
        self._n_records = 0
        self._seen = deque([(now_s, 0, n_left)])

    def read(self, n_records: int, n_left: int, event_time_ms: int | None, now_s: float) -> ReplayProgress:
        """Take note of this moment: so many records in all, so many offsets left."""
        self._seen.append((now_s, n_records, n_left))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - RATE_OVER_S:
            self._seen.popleft()
        then_s, n_then, left_then = self._seen[0]
        seconds = max(now_s - then_s, 1e-9)
        passed = left_then - n_left
        return ReplayProgress(
            n_records=n_records,
            share=1.0 - n_left / self._n_offsets if self._n_offsets else 1.0,
            event_time_ms=event_time_ms,
            records_per_s=(n_records - n_then) / seconds,
            left_s=n_left * seconds / passed if passed else None,
        )
