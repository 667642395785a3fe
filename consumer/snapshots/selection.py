"""Which rows a version publishes: those that have moved by more than the tolerance, the most urgent first.

Urgency is the size of the move, in tolerances, times the number of versions waited. So nothing waits for ever.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, kernel
from consumer.messages import Float64Array, Int64Array, UInt8Array, UInt64Array


class Due(NamedTuple):
    """Rows that would have to go out (ascending), and how urgently (above 0)."""

    rows: Int64Array  # (n,)
    urgency: Float64Array  # (n,)


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
def due_scores(
    scores: Float64Array,
    published: Float64Array,
    waits_since: Int64Array,
    dirty: UInt8Array,
    version: int,
    tolerance: float,
    n_live: int,
) -> Due:
    """Rows whose score has to be published; NaN scores are no live items.

    A row is due when |score − published| > max(tolerance·score, 0.01/n_live), or when it was never published.
    """
    due = Due(np.empty(len(scores), np.int64), np.empty(len(scores)))
    n_due = 0
    least = 0.01 / max(n_live, 1)
    for row in range(len(scores)):
        if np.isnan(scores[row]):
            continue
        move = abs(scores[row] - published[row])
        allowed = max(tolerance * scores[row], least)
        if move <= allowed and waits_since[row] == 0:
            continue  # most rows; a division for each would take most of the time
        size = 1.0 / tolerance if np.isnan(move) else move / allowed
        urgency = _urgency(size, waits_since, dirty, row, version)
        if urgency > 0.0:
            due.rows[n_due] = row
            due.urgency[n_due] = urgency
            n_due += 1
    return Due(due.rows[:n_due], due.urgency[:n_due])


@kernel
def due_related(
    changed: Float64Array,
    evidence: Float64Array,
    count: Float64Array,
    is_live: UInt8Array,
    hashes: UInt64Array,
    waits_since: Int64Array,
    dirty: UInt8Array,
    version: int,
    tolerance: float,
) -> Due:
    """Related rows (of the first len(changed)) that have to be published.

    A row is due when its weights and its mass have changed by more than the tolerance times their sum, or when it was
    never published (`hashes` 0).
    """
    due = Due(np.empty(len(changed), np.int64), np.empty(len(changed)))
    n_due = 0
    for row in range(len(changed)):
        if not is_live[row] or (changed[row] == 0.0 and waits_since[row] == 0 and hashes[row] != 0):
            continue
        size = 1.0 / tolerance
        if hashes[row] != 0:
            size *= changed[row] / (evidence[row] + count[row] + 1e-300)
        urgency = _urgency(size, waits_since, dirty, row, version)
        if urgency > 0.0:
            due.rows[n_due] = row
            due.urgency[n_due] = urgency
            n_due += 1
    return Due(due.rows[:n_due], due.urgency[:n_due])


def most_urgent(due: Due, limit: int) -> Selection:
    """At most `limit` of the rows, those with the greatest urgency."""
    n_due = len(due.rows)
    if n_due <= limit:
        return Selection(due.rows, 0)
    if limit == 0:
        return Selection(due.rows[:0], n_due)
    order = np.argpartition(due.urgency, -limit)[-limit:]
    return Selection(np.sort(due.rows[order]), n_due - limit)
