"""Which rows a version publishes: those that have moved by more than the tolerance, the most urgent first.

Urgency is the size of the move, in tolerances, times the number of versions waited. So nothing waits for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import kernel
from consumer.messages import Float64Array, Int64Array, UInt8Array


class Selection(NamedTuple):
    """`rows` (int64, ascending) go out; `n_waiting` more would have to."""

    rows: Int64Array
    n_waiting: int


@kernel
def score_urgency(
    scores: Float64Array, published: Float64Array, waits_since: Int64Array, version: int, tolerance: float, n_live: int
) -> Float64Array:
    """(n_rows,) urgency of publishing each score, 0 where it need not be.

    A row is due when |score − published| > max(tolerance·score, 0.01/n_live), or when it was never published.
    Sets `waits_since` of the rows that become due.
    """
    urgency = np.zeros(len(scores))
    least = 0.01 / max(n_live, 1)
    for row in range(len(scores)):
        if np.isnan(scores[row]):
            continue
        if np.isnan(published[row]):
            size = 1.0 / tolerance
        else:
            size = abs(scores[row] - published[row]) / max(tolerance * scores[row], least)
        if size > 1.0:
            if waits_since[row] == 0:
                waits_since[row] = version
            urgency[row] = size * (version - waits_since[row] + 1)
        else:
            waits_since[row] = 0
    return urgency


@kernel
def related_urgency(
    changed: Float64Array,
    evidence: Float64Array,
    count: Float64Array,
    is_live: UInt8Array,
    is_published: UInt8Array,
    waits_since: Int64Array,
    version: int,
    tolerance: float,
) -> Float64Array:
    """(n_rows,) urgency of publishing each related row, 0 where it need not be: the accumulated change of its weights
    and its mass against their sum. Sets `waits_since` of the rows that become due."""
    urgency = np.zeros(len(changed))
    for row in range(len(changed)):
        if not is_live[row]:
            continue
        size = 1.0 / tolerance
        if is_published[row]:
            size *= changed[row] / (evidence[row] + count[row] + 1e-300)
        if size > 1.0:
            if waits_since[row] == 0:
                waits_since[row] = version
            urgency[row] = size * (version - waits_since[row] + 1)
    return urgency


def most_urgent(urgency: Float64Array, limit: int) -> Selection:
    """At most `limit` rows with the greatest urgency above 0."""
    due = np.flatnonzero(urgency)
    if len(due) <= limit:
        return Selection(due, 0)
    order = np.argpartition(-urgency[due], limit)[:limit]
    return Selection(np.sort(due[order]), len(due) - limit)
