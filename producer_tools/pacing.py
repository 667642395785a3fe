"""When each record is due, whatever became of the one before: open-loop schedules, and how late the sender was."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from producer_tools.records import Float64Array, Int64Array

_BUCKETS_PER_OCTAVE = 4
_LEAST_S = 1e-4
_N_BUCKETS = 100  # up to 0.1 ms · 2^25, about an hour


class Schedule(Protocol):
    """Turns records into due times. Called once for each block, in order."""

    def due_s(self, first: int, times_ms: Int64Array) -> Float64Array:
        """(n,) seconds after the start at which records first, first + 1, … (at these event times) are due."""
        ...


class AsFastAsPossible:
    """Everything is due at once."""

    def due_s(self, first: int, times_ms: Int64Array) -> Float64Array:
        return np.zeros(len(times_ms))


class FixedRate:
    """So many records a second, evenly spread."""

    def __init__(self, records_per_s: float) -> None:
        self._records_per_s = records_per_s

    def due_s(self, first: int, times_ms: Int64Array) -> Float64Array:
        return (first + np.arange(len(times_ms), dtype=np.float64)) / self._records_per_s


class OriginalPace:
    """The pace of the events' own times, `speed` times as fast. A time that goes back is due at once."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._first_ms: int | None = None

    def due_s(self, first: int, times_ms: Int64Array) -> Float64Array:
        if self._first_ms is None and len(times_ms):
            self._first_ms = int(times_ms[0])
        since_first_ms = times_ms - (self._first_ms or 0)
        return np.maximum(since_first_ms, 0) / (1_000.0 * self._speed)


class Lateness:
    """How far behind their due times records were handed over; a histogram, so memory stays bounded.

    Quantiles are upper bounds, at most 19 % too high; anything up to 0.1 ms counts as 0.1 ms.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(_N_BUCKETS, dtype=np.int64)
        self.max_s = 0.0

    def add(self, late_s: Float64Array) -> None:
        if not len(late_s):
            return
        octaves = np.log2(np.maximum(late_s, _LEAST_S) / _LEAST_S)
        buckets = np.minimum(np.ceil(octaves * _BUCKETS_PER_OCTAVE), _N_BUCKETS - 1).astype(np.int64)
        self._counts += np.bincount(buckets, minlength=_N_BUCKETS)
        self.max_s = max(self.max_s, float(late_s.max()))

    def quantile_s(self, share: float) -> float:
        """At least this share of the records was no later; 0 before any record."""
        n = int(self._counts.sum())
        if n == 0:
            return 0.0
        bucket = int(np.searchsorted(np.cumsum(self._counts), share * n))
        return min(float(_LEAST_S * 2.0 ** (bucket / _BUCKETS_PER_OCTAVE)), max(self.max_s, _LEAST_S))
