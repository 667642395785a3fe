"""Rank correlation, for comparing what was published with what is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's: 1 for the same order, 0 for none; equal values share the mean of their ranks."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def of_the_greatest(true: Mapping[str, float], found: Mapping[str, float], n: int) -> float:
    """Rank correlation over the n items whose true values are greatest; what was not found is 0."""
    items = sorted(true, key=lambda item: -true[item])[:n]
    return rank_correlation([true[item] for item in items], [found.get(item, 0.0) for item in items])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    _, which, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank: NDArray[np.float64] = (last - (counts - 1) / 2)[which]
    return mean_rank
