"""Caps what one user may weigh on one item in a day, so that a few users cannot flood a score, while a real trend, of
many users, passes.

What each pair of user and item has spent of its day lies in a table of fixed size: 64-bit entries, eight to a bucket,
a bucket to a cache line, so an event costs one line of memory, whose place is known long before from the ids alone. A
full bucket gives up a pair of an earlier day, else the one that has spent least: who floods has spent most and stays.
A pair given up begins anew, so the cap is sometimes looser than it says, never tighter (but for two pairs of the same
bucket whose 32-bit tags are equal, one in 5 · 10^8). Days are those of event time, UTC; an event of a day before counts
for the day its pair has reached.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, prefetch
from consumer.messages import Int64Array, UInt64Array

ENTRIES = 8  # a bucket
DAY_MS = 86_400_000
MASK = 0xFFFF
FULL = 60_000
"""What a pair may spend in a day, in the units of an entry; a number with many divisors, so that usual weights fit."""

# An entry: tag in bits 32 … 63, day (modulo 65,536) in 16 … 31, spent in 0 … 15. Nothing spent: the entry is free.


class CapArrays(NamedTuple):
    entries: UInt64Array  # (power of two, ENTRIES)
    n_capped: Int64Array  # (1,) events that were counted in part or not at all


def allocate(n_pairs: int) -> CapArrays:
    """Room for so many pairs at least."""
    n_buckets = 1
    while n_buckets * ENTRIES < n_pairs:
        n_buckets *= 2
    return CapArrays(np.zeros((n_buckets, ENTRIES), np.uint64), np.zeros(1, np.int64))


@hot_kernel
def _mixed(user_key: np.uint64, item_key: np.uint64) -> np.uint64:
    """A hash of the pair; both keys are hashes already."""
    x = user_key ^ (item_key * np.uint64(0x9E3779B97F4A7C15))
    x = (x ^ (x >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.uint64(x ^ (x >> np.uint64(32)))


@hot_kernel
def _bucket_of(cap: CapArrays, mixed: np.uint64) -> int:
    return int(mixed & np.uint64(len(cap.entries) - 1))


@hot_kernel
def prefetch_pair(cap: CapArrays, user_key: np.uint64, item_key: np.uint64) -> None:
    """Begin to bring near what `allowed` will need."""
    prefetch(cap.entries, _bucket_of(cap, _mixed(user_key, item_key)), 0)


@hot_kernel
def _place_of(bucket: UInt64Array, tag: np.uint64, day: np.uint64) -> int:
    """Where the pair stands, else where it may: a free entry, one of an earlier day, the one that has spent least."""
    best = 0
    least = np.uint64(0xFFFFFFFFFFFFFFFF)
    for e in range(ENTRIES):
        entry = bucket[e]
        spent = entry & np.uint64(MASK)
        if spent != np.uint64(0) and entry >> np.uint64(32) == tag:
            return e
        if (entry >> np.uint64(16)) & np.uint64(MASK) != day:
            spent = np.uint64(0)
        if spent < least:
            least = spent
            best = e
    return best


@hot_kernel
def allowed(
    cap: CapArrays, user_key: np.uint64, item_key: np.uint64, weight: float, most_a_day: float, time_ms: int
) -> float:
    """How much of an event's weight may count, of its sign; what may is spent."""
    if weight == 0.0:
        return weight
    mixed = _mixed(user_key, item_key)
    bucket = cap.entries[_bucket_of(cap, mixed)]
    tag = mixed >> np.uint64(32)
    day = np.uint64((time_ms // DAY_MS) & MASK)
    place = _place_of(bucket, tag, day)
    entry = bucket[place]
    spent = 0
    if entry & np.uint64(MASK) != np.uint64(0) and entry >> np.uint64(32) == tag:
        entry_day = (entry >> np.uint64(16)) & np.uint64(MASK)
        is_later = np.uint64(0) < ((day - entry_day) & np.uint64(MASK)) < np.uint64(0x8000)
        if not is_later:
            day = entry_day
            spent = int(entry & np.uint64(MASK))
    # Rounded up: however small, what counts is spent. A millionth of a unit is no more than the division's rounding.
    wanted = min(max(int(np.ceil(abs(weight) / most_a_day * FULL - 1e-6)), 1), FULL)
    granted = min(wanted, FULL - spent)
    bucket[place] = (tag << np.uint64(32)) | (day << np.uint64(16)) | np.uint64(spent + granted)
    if granted == wanted and abs(weight) <= most_a_day:
        return weight
    cap.n_capped[0] += 1
    return float(np.copysign(min(abs(weight), most_a_day * granted / FULL), weight))
