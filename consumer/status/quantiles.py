"""Quantiles of a histogram, linear inside a bucket as PromQL's `histogram_quantile`."""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(cumulative: Sequence[tuple[float, float]], share: float) -> float | None:
    """`cumulative`: (upper bound, values up to it), ascending, the last bound infinite or not. None while it is empty;
    where the quantile lies beyond the last finite bound, that bound."""
    if not cumulative or cumulative[-1][1] == 0:
        return None
    wanted = share * cumulative[-1][1]
    lower, below = 0.0, 0.0
    for bound, n in cumulative:
        if n >= wanted and n > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (n - below)
        if not math.isinf(bound):
            lower = bound
        below = n
    return lower
