"""Quality over the last hour, by minutes: the samples that the learning pass keeps say nothing of when they were."""

from __future__ import annotations

from typing import Final

import numpy as np

from consumer.learning.quality import CUTOFF, MEMBERS, OFF, WINDOW, QualityArrays
from consumer.messages import Float64Array
from consumer.snapshots.formats import timestamp
from consumer.status.document import MemberQuality, Quality, Series

MINUTES: Final = 60
ASKED, HITS, RANKS = range(3)
COMPARED: Final = ("ensemble", "popularity")


class QualityHour:
    """Reads what is new in a quality window, and counts it to the minute; of more than WINDOW new samples the last
    WINDOW. Samples from before it was made are not its own."""

    def __init__(self, quality: QualityArrays, now_s: float) -> None:
        self._quality = quality
        self._n_seen = int(quality.n_samples[0])
        self._began_s = now_s
        self._minute = 0
        self._tallies: Float64Array = np.zeros((MINUTES, len(MEMBERS), 3))  # of the minute m at m mod MINUTES

    def note(self, now_s: float) -> None:
        """`now_s`: monotonic."""
        self._begin_minutes(now_s)
        n_samples = int(self._quality.n_samples[0])
        numbers = np.arange(max(self._n_seen, n_samples - WINDOW), n_samples)
        self._n_seen = n_samples
        if len(numbers):
            self._tallies[self._minute % MINUTES] += _tally(self._quality, numbers % WINDOW)

    def quality(self, now_s: float) -> Quality:
        totals = self._tallies.sum(axis=0)
        members = {
            name: MemberQuality(int(asked), hits / asked, ranks / asked)
            for name, (asked, hits, ranks) in zip(MEMBERS, totals.tolist(), strict=True)
            if asked
        }
        return Quality(min(now_s - self._began_s, 60.0 * MINUTES), CUTOFF, members)

    def series(self, wall_s: float) -> Series:
        """Hit ratio of each minute so far, the last one under way."""
        first = max(0, self._minute - MINUTES + 1)
        minutes = np.arange(first, self._minute + 1) % MINUTES
        return Series(60.0, timestamp(wall_s), {name: self._hit_ratios(name, minutes) for name in COMPARED})

    def _hit_ratios(self, member: str, minutes: np.typing.NDArray[np.int64]) -> list[float | None]:
        of_member = self._tallies[minutes, MEMBERS.index(member)].tolist()
        return [hits / asked if asked else None for asked, hits, _ in of_member]

    def _begin_minutes(self, now_s: float) -> None:
        minute = int((now_s - self._began_s) // 60)
        for begun in range(max(self._minute + 1, minute - MINUTES + 1), minute + 1):
            self._tallies[begun % MINUTES] = 0.0
        self._minute = minute


def _tally(quality: QualityArrays, places: np.typing.NDArray[np.int64]) -> Float64Array:
    """(members, 3): samples for which it was asked, hits, Σ reciprocal rank."""
    ranks = quality.ranks[places].astype(np.float64)
    is_hit = (ranks > 0) & (ranks != OFF)
    reciprocal = np.divide(1.0, ranks, out=np.zeros_like(ranks), where=is_hit)
    tallied: Float64Array = np.stack(((ranks != OFF).sum(axis=0), is_hit.sum(axis=0), reciprocal.sum(axis=0)), axis=1)
    return tallied
