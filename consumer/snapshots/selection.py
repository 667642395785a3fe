"""Which rows a version publishes: those that have moved by more than the tolerance, the most urgent first.

Urgency is the size of the move, in tolerances, times the number of versions waited. So nothing waits for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, kernel
from consumer.messages import Float64Array, Int64Array, UInt8Array, UInt64Array


class Selection(NamedTuple):
    """`rows` (int64, ascending) go out; `n_waiting` more would have to."""

    rows: Int64Array
    n_waiting: int


@hot_kernel
def _urgency(size: float, waits_since: Int64Array, dirty: UInt8Array, row: int, version: int) -> float:
    """Of a move of so many tolerances; keeps `waits_since`, the version in which the row became due (0: it isn't)."""
    if size > 1.0:
        if waits_since[row] == 0:
            waits_since[row] = version
            dirty[row] = 1
        urgency: float = size * (version - waits_since[row] + 1)
        return urgency
    if waits_since[row] != 0:
        waits_since[row] = 0
        dirty[row] = 1
    return 0.0


@kernel
def score_urgency(
    scores: Float64Array,
    published: Float64Array,
    waits_since: Int64Array,
    dirty: UInt8Array,
    version: int,
    tolerance: float,
    n_live: int,
) -> Float64Array:
    """(n_rows,) urgency of publishing each score, 0 where it need not be; NaN scores are no live items.

    A row is due when |score − published| > max(tolerance·score, 0.01/n_live), or when it was never published.
    """
    urgency = np.zeros(len(scores))
    least = 0.01 / max(n_live, 1)
    for row in range(len(scores)):
        if np.isnan(scores[row]):
            continue
        size = 1.0 / tolerance
        if not np.isnan(published[row]):
            size = abs(scores[row] - published[row]) / max(tolerance * scores[row], least)
        urgency[row] = _urgency(size, waits_since, dirty, row, version)
    return urgency


@kernel
def related_urgency(
    changed: Float64Array,
    evidence: Float64Array,
    count: Float64Array,
    is_live: UInt8Array,
    hashes: UInt64Array,
    waits_since: Int64Array,
    dirty: UInt8Array,
    version: int,
    tolerance: float,
) -> Float64Array:
    """(len(changed),) urgency of publishing each related row, 0 where it need not be.

    A row is due when its weights and its mass have changed by more than the tolerance times their sum, or when it was
    never published (`hashes` 0).
    """
    urgency = np.zeros(len(changed))
    for row in range(len(changed)):
        if not is_live[row]:
            continue
        size = 1.0 / tolerance
        if hashes[row] != 0:
            size *= changed[row] / (evidence[row] + count[row] + 1e-300)
        urgency[row] = _urgency(size, waits_since, dirty, row, version)
    return urgency


def most_urgent(urgency: Float64Array, limit: int) -> Selection:
    """At most `limit` rows with the greatest urgency above 0."""
    due = np.flatnonzero(urgency)
    if len(due) <= limit:
        return Selection(due, 0)
    order = np.argpartition(-urgency[due], limit)[:limit]
    return Selection(np.sort(due[order]), len(due) - limit)
