"""Merges what `repeat` proposes (items of the history) with the list of items outside it, by rank probability.

For each history length and rank bucket: how often the next item, where it was not one of the history, stood at such a
rank of the list; learned on sampled events as a running mean a rank, prior 0.1/(r + 3). The means are made
non-increasing by their running minimum, multiplied by what `repeat` leaves for items outside the history, 1 − Σ of its
chances, and held against these; the larger goes first, the list's item where they are equal. So how often people return
is learned from every event, and only the list's own quality from the sampled ones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array
from consumer.models import repeat as repeat_kernels
from consumer.models.item_to_item import N_RANKED
from consumer.models.repeat import N_LENGTHS


def _bucket_ends() -> list[int]:
    """Last rank of each bucket: 1, 2, 3, 4, then a third wider each time, up to the list's length."""
    ends = [1, 2, 3, 4]
    while ends[-1] < N_RANKED:
        ends.append(min(N_RANKED, -(-ends[-1] * 4 // 3)))
    return ends


BUCKET_ENDS = np.array(_bucket_ends())
N_BUCKETS = len(BUCKET_ENDS)
BUCKET_WIDTHS = np.diff(BUCKET_ENDS, prepend=0).astype(np.float64)
BUCKET_OF_RANK = np.searchsorted(BUCKET_ENDS, np.arange(N_RANKED + 1))  # entry 0 is never used


LEAST_OUTSIDE = 0.02
"""Chance that is always left for items outside the history."""


class FusionArrays(NamedTuple):
    chance: Float64Array  # (N_LENGTHS, N_BUCKETS) of one rank within the bucket, where the next item is a new one
    n_samples: Int64Array  # (N_LENGTHS,)


def allocate() -> FusionArrays:
    by_rank = 0.1 / (np.arange(1, N_RANKED + 1) + 3.0)
    starts = np.concatenate(([0], BUCKET_ENDS[:-1]))
    prior = np.array([by_rank[a:b].mean() for a, b in zip(starts, BUCKET_ENDS, strict=True)])
    return FusionArrays(np.tile(prior, (N_LENGTHS, 1)), np.zeros(N_LENGTHS, np.int64))


@hot_kernel
def learn_sample(fusion: FusionArrays, n_history: int, rank: int, factor: float) -> None:
    """The next item, none of the history, stood at this rank of the list (1 = first, 0 = it wasn't there); the step is
    so many times longer than usual."""
    length = repeat_kernels.length_of(n_history)
    step = repeat_kernels.step_after(fusion.n_samples[length], factor)
    fusion.n_samples[length] += 1
    hit = BUCKET_OF_RANK[rank] if rank > 0 else -1
    for bucket in range(N_BUCKETS):
        came_true = 1.0 / BUCKET_WIDTHS[bucket] if bucket == hit else 0.0
        fusion.chance[length, bucket] += step * (came_true - fusion.chance[length, bucket])


@hot_kernel
def merge(
    fusion: FusionArrays,
    n_history: int,
    repeated: Int32Array,
    repeated_chance: Float64Array,
    n_repeated: int,
    listed: Int32Array,
    n_listed: int,
    merged: Int32Array,
) -> int:
    """Fill `merged` with both lists' items, best first; returns how many. n_history ≥ 1."""
    length = repeat_kernels.length_of(n_history)
    outside = 1.0
    for r in range(n_repeated):
        outside -= repeated_chance[r]
    outside = max(outside, LEAST_OUTSIDE)
    n = 0
    r = 0
    lowest = np.inf
    for place in range(n_listed):
        lowest = min(lowest, outside * fusion.chance[length, BUCKET_OF_RANK[place + 1]])
        while r < n_repeated and repeated_chance[r] > lowest and n < len(merged):
            merged[n] = repeated[r]
            n += 1
            r += 1
        if n == len(merged):
            return n
        merged[n] = listed[place]
        n += 1
    while r < n_repeated and n < len(merged):
        merged[n] = repeated[r]
        n += 1
        r += 1
    return n
