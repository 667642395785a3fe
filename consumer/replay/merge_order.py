"""In which order the records of several partitions are learned: that of their event times.

Of the records at the heads of the partitions the one with the least event time comes first, at equal times that of the
lower place. The order of a partition is kept, so an event that comes late within its partition is learned where it lies
there. Which record comes next depends on the heads alone: reading can end after any record and go on from the positions
reached, and nothing depends on when what was fetched.
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import kernel
from consumer.messages import Int64Array, UInt8Array


@kernel
def merged_order(
    times_ms: Int64Array, bounds: Int64Array, is_whole: UInt8Array, most: int
) -> tuple[Int64Array, Int64Array]:
    """Order of the records that may come out now, at most so many.

    `times_ms` (n,): of the waiting records, one place after the other, place k's at bounds[k] … bounds[k + 1] - 1;
    `is_whole[k]` 1: nothing comes behind these. It ends where a place has nothing waiting but isn't whole.

    Gives for each record that comes out its number among those that do, counted place by place (m,), and how many of
    each place do.
    """
    n_places = len(is_whole)
    heads = bounds[:n_places].copy()
    order = np.empty(most, np.int64)
    place_of = np.empty(most, np.int32)
    n = 0
    while n < most:
        first, second = -1, -1
        is_waiting = False
        for k in range(n_places):
            if heads[k] == bounds[k + 1]:
                is_waiting = is_waiting or is_whole[k] == 0
            elif first < 0 or times_ms[heads[k]] < times_ms[heads[first]]:
                first, second = k, first
            elif second < 0 or times_ms[heads[k]] < times_ms[heads[second]]:
                second = k
        if is_waiting or first < 0:
            break
        while n < most and heads[first] < bounds[first + 1]:
            if second >= 0:
                time_ms, next_ms = times_ms[heads[first]], times_ms[heads[second]]
                if time_ms > next_ms or (time_ms == next_ms and second < first):
                    break
            order[n] = heads[first]
            place_of[n] = first
            heads[first] += 1
            n += 1
    n_each = heads - bounds[:n_places]
    shift = np.zeros(n_places, np.int64)
    before = 0
    for k in range(n_places):
        shift[k] = bounds[k] - before
        before += n_each[k]
    for i in range(n):
        order[i] -= shift[place_of[i]]
    return order[:n], n_each
