"""ADWIN: has the mean of a series of numbers changed, and which way?

Bifet and Gavaldà 2007, "Learning from time-changing data with adaptive windowing" (ADWIN2). All numbers since the
last change lie in a window, summed up in an exponential histogram: row r holds up to MAX_BUCKETS buckets of 2^r numbers
each; where there are more, the two oldest become one of the next row. The window is cut wherever its older and its
newer part, of n0 and n1 numbers, have means that differ by more than

    ε = √(2·m·σ²·d) + 2/3·m·d        m = 1/(n0 − 4) + 1/(n1 − 4)        d = ln(2·ln(n0 + n1)/δ)

As with River's `drift.ADWIN`, whose verdicts these are to the number (a test holds both against each other), a detector
that has found a change begins anew; what of the window ADWIN would keep is of no use then. Why not River itself: a
verdict is wanted inside the learning pass, at the very event; and what the detector knows belongs into the checkpoint,
while River's has no way to give it out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int64Array

MAX_BUCKETS = 5  # a row
MIN_PART = 5  # numbers in either part of a cut
GRACE = 10  # numbers before the first test
N_ROWS = 32  # 5 · 2^32 numbers: beyond any stream

# Entries of `window`.
TOTAL = 0
DEVIATION = 1

# Entries of `around`.
OLDER = 0
NEWER = 1

SAME = 0
RISEN = 1
FALLEN = -1


class AdwinArrays(NamedTuple):
    """D detectors side by side."""

    totals: Float64Array  # (D, N_ROWS, MAX_BUCKETS + 1) Σ of each bucket, the oldest first
    n_buckets: Int64Array  # (D, N_ROWS)
    width: Int64Array  # (D,) numbers in the window
    window: Float64Array  # (D, 2) Σ and Σ (x − mean)² of the window
    around: Float64Array  # (D, 2) mean of the older and the newer part, at the last change


def allocate(n_detectors: int) -> AdwinArrays:
    return AdwinArrays(
        totals=np.zeros((n_detectors, N_ROWS, MAX_BUCKETS + 1)),
        n_buckets=np.zeros((n_detectors, N_ROWS), np.int64),
        width=np.zeros(n_detectors, np.int64),
        window=np.zeros((n_detectors, 2)),
        around=np.zeros((n_detectors, 2)),
    )


@hot_kernel
def clear(adwin: AdwinArrays, d: int) -> None:
    """Forget all numbers."""
    adwin.n_buckets[d, :] = 0
    adwin.width[d] = 0
    adwin.window[d, :] = 0.0


@hot_kernel
def update(adwin: AdwinArrays, d: int, number: float, delta: float, clock: int) -> int:
    """Take in the next number; returns RISEN or FALLEN where the mean has changed (and begins anew), else SAME.

    Tests at every so many numbers (`clock`).
    """
    _insert(adwin, d, number)
    if adwin.width[d] <= GRACE or adwin.width[d] % clock != 0 or not _has_changed(adwin, d, delta):
        return SAME
    _note_around(adwin, d)
    clear(adwin, d)
    return RISEN if adwin.around[d, NEWER] > adwin.around[d, OLDER] else FALLEN


@hot_kernel
def _insert(adwin: AdwinArrays, d: int, number: float) -> None:
    width = adwin.width[d]
    if width > 0:
        from_mean = number - adwin.window[d, TOTAL] / width
        adwin.window[d, DEVIATION] += width * from_mean * from_mean / (width + 1)
    adwin.window[d, TOTAL] += number
    adwin.width[d] = width + 1
    _append(adwin, d, 0, number)
    row = 0
    while adwin.n_buckets[d, row] > MAX_BUCKETS and row + 1 < N_ROWS:
        _join_oldest(adwin, d, row)
        row += 1


@hot_kernel
def _append(adwin: AdwinArrays, d: int, row: int, total: float) -> None:
    n = adwin.n_buckets[d, row]
    adwin.totals[d, row, n] = total
    adwin.n_buckets[d, row] = n + 1


@hot_kernel
def _join_oldest(adwin: AdwinArrays, d: int, row: int) -> None:
    """The two oldest buckets of a row become one of the next."""
    joined = adwin.totals[d, row, 0] + adwin.totals[d, row, 1]
    n = adwin.n_buckets[d, row] - 2
    for k in range(n):
        adwin.totals[d, row, k] = adwin.totals[d, row, k + 2]
    adwin.n_buckets[d, row] = n
    _append(adwin, d, row + 1, joined)


@hot_kernel
def _has_changed(adwin: AdwinArrays, d: int, delta: float) -> bool:
    """Whether a cut between two buckets parts two means that differ too much."""
    width, total = adwin.width[d], adwin.window[d, TOTAL]
    by_chance = np.log(2.0 * np.log(width) / delta)
    spread = 2.0 * adwin.window[d, DEVIATION] / width * by_chance
    has_changed = False
    n0, total0 = 0, 0.0
    for back in range(N_ROWS):
        row = N_ROWS - 1 - back
        for k in range(adwin.n_buckets[d, row]):
            n0 += 1 << row
            total0 += adwin.totals[d, row, k]
            n1 = width - n0
            if n1 < MIN_PART or n0 < MIN_PART:
                continue
            m = (width - 2.0 * (MIN_PART - 1)) / ((n0 - MIN_PART + 1.0) * (n1 - MIN_PART + 1.0))
            difference = (total0 * width - total * n0) / (np.float64(n0) * n1)
            has_changed |= abs(difference) > np.sqrt(m * spread) + 2.0 / 3.0 * by_chance * m
    return has_changed


@hot_kernel
def _note_around(adwin: AdwinArrays, d: int) -> None:
    """The means of the two parts at the likeliest place of the change: where n0·n1·(difference)² is greatest."""
    width, total, greatest = adwin.width[d], adwin.window[d, TOTAL], -1.0
    n0, total0 = 0, 0.0
    for back in range(N_ROWS):
        row = N_ROWS - 1 - back
        for k in range(adwin.n_buckets[d, row]):
            n0 += 1 << row
            total0 += adwin.totals[d, row, k]
            n1 = width - n0
            if n1 < MIN_PART or n0 < MIN_PART:
                continue
            older, newer = total0 / n0, (total - total0) / n1
            likely = np.float64(n0) * n1 * (older - newer) ** 2
            if likely > greatest:
                greatest = likely
                adwin.around[d, OLDER] = older
                adwin.around[d, NEWER] = newer
