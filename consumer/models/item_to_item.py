"""`item_to_item`: decayed co-occurrence within a session, scored in two hops; what `item-related` publishes.

Learning event x with forward decay g = e^((t − L)/τ): count[x] += g; for d = 1 … 10 and y the item d events back in the
session, y ≠ x: w[y→x] += g·e^(−(d−1)/2) and w[x→y] += 0.85·g·e^(−(d−1)/2). A row keeps its M largest entries by
space-saving (Metwally, Agrawal, El Abbadi 2005): the smallest one is replaced by (smallest + new).

Scoring a history, b events back at an item's last occurrence, c and w in units of one fresh event:

    a_i = e^(−b/2) · idf_i^0.5 / (c_i + 3)^0.75                 idf_i = ln((Σc + 1)/(c_i + 1))
    s1(j) = Σ a_i · w_ij
    s(j) = (s1(j) + 1.5 · Σ_k s1(k) · w_kj / (c_k + 3)) / (c_j + 3)^0.3      k: the 30 best of s1 outside the history
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumer.kernels import hot_kernel, prefetch
from consumer.messages import Float64Array, Int32Array, UInt8Array
from consumer.models.rows import Field, aligned, side_by_side

Float32Array = NDArray[np.float32]

WINDOW = 10  # events back that are linked
REVERSE = 0.85
STEP_DECAY = 0.5  # e^(−0.5·(d−1)) in learning, e^(−0.5·b) in scoring
BY_STEP = np.exp(-STEP_DECAY * np.arange(WINDOW))
MAX_HISTORY = 20
N_HOPS = 30
HOP_WEIGHT = 1.5
COUNT_PRIOR = 3.0
N_RANKED = 100  # length of the list that scoring gives
N_PARTS = 2
LATEST_PART = 0
SECOND_HOP_PART = 1
BLOCK = 8  # entries compared at a time
LINE = 16  # entries in a cache line
POPULARITY_POWER = 0.3
MAX_EXPONENT = 40.0  # e^40 ≈ 2e17: weights stay far below float32's end

# Entries of `totals`.
COUNT_TOTAL = 0
LANDMARK_MS = 1
TIME_CONSTANT_MS = 2


class ItemToItemArrays(NamedTuple):
    """M entries a row. Weights and counts are in units of one event at the landmark."""

    neighbour: Int32Array  # (capacity, M) item row
    weight: Float32Array  # (capacity, M) 0 behind `size`
    weight_bits: Int32Array  # (capacity, M) the same memory
    size: Int32Array  # (capacity,) entries in use
    counts: Float64Array  # (capacity,) decayed events of the item
    evidence: Float64Array  # (capacity,) all weight ever added to the row
    changed: Float64Array  # (capacity,) |change| of weights and count since the row was last published
    totals: Float64Array  # (3,) Σ count over live items, L, τ


class Scratch(NamedTuple):
    """Working memory of a scoring, reused; `first`, `latest`, `total` and `mark` are zero between calls."""

    first: Float64Array  # (capacity,) s1
    latest: Float64Array  # (capacity,) the part of s1 that comes from the history's latest known item
    total: Float64Array  # (capacity,) what the second hop adds
    mark: UInt8Array  # (capacity,) 1: touched, 2: in the history
    touched: Int32Array  # (capacity,) rows with a mark
    hops: Int32Array  # (N_HOPS,)
    hop_values: Float64Array  # (N_HOPS,)


def allocate(capacity: int, neighbours: int, time_constant_s: float) -> ItemToItemArrays:
    fields: tuple[Field, ...] = (
        ("counts", np.float64), ("evidence", np.float64), ("changed", np.float64), ("size", np.int32)
    )  # fmt: skip
    neighbour = aligned((capacity, neighbours), np.int32)
    neighbour[:] = -1
    weight = aligned((capacity, neighbours), np.float32)
    return ItemToItemArrays(
        neighbour=neighbour,
        weight=weight,
        weight_bits=weight.view(np.int32),
        **side_by_side(capacity, fields),
        totals=np.array([0.0, np.nan, time_constant_s * 1000.0]),
    )


def allocate_scratch(capacity: int) -> Scratch:
    return Scratch(
        **side_by_side(
            capacity, (("first", np.float64), ("latest", np.float64), ("total", np.float64), ("mark", np.uint8))
        ),
        touched=np.zeros(capacity, np.int32),
        hops=np.zeros(N_HOPS, np.int32),
        hop_values=np.zeros(N_HOPS),
    )


@hot_kernel
def _entry_of(neighbours: Int32Array, size: int, neighbour: int) -> int:
    """Where the neighbour stands in a row, or -1. Compares BLOCK entries at a time, which the compiler vectorises."""
    wanted = np.int32(neighbour)
    start = 0
    while start + BLOCK <= size:
        found = np.int32(0)
        for k in range(BLOCK):
            found += np.int32(k + 1) * np.int32(neighbours[start + k] == wanted)
        if found > 0:
            return int(start + found - 1)
        start += BLOCK
    for entry in range(start, size):
        if neighbours[entry] == wanted:
            return entry
    return -1


@hot_kernel
def _smallest(weight_bits: Int32Array) -> int:
    """Where a full row's smallest weight stands, the first of equals. Bits of positive floats order as they do."""
    least = weight_bits[0]
    for e in range(len(weight_bits)):
        least = min(least, weight_bits[e])
    for e in range(len(weight_bits)):
        if weight_bits[e] == least:
            return e
    return 0


@hot_kernel
def add_weight(i2i: ItemToItemArrays, dirty: UInt8Array, row: int, neighbour: int, amount: float) -> float:
    """Add to w[row→neighbour]; in a full row a new neighbour takes the place and the weight of the smallest one.

    Returns what it was before, negative where there was no entry.
    """
    size = i2i.size[row]
    i2i.evidence[row] += amount
    i2i.changed[row] += amount
    dirty[row] = 1
    entry = _entry_of(i2i.neighbour[row], size, neighbour)
    before = -1.0
    if entry >= 0:
        before = float(i2i.weight[row, entry])
    else:
        if size < i2i.neighbour.shape[1]:
            entry = size
            i2i.size[row] = size + 1
        else:
            entry = _smallest(i2i.weight_bits[row])
        i2i.neighbour[row, entry] = neighbour
    i2i.weight[row, entry] += np.float32(amount)
    return before


@hot_kernel
def move_landmark(i2i: ItemToItemArrays, n_used: int, to_ms: float) -> None:
    """Count in units of an event at `to_ms` from here on."""
    factor = np.exp((i2i.totals[LANDMARK_MS] - to_ms) / i2i.totals[TIME_CONSTANT_MS])
    i2i.totals[LANDMARK_MS] = to_ms
    i2i.totals[COUNT_TOTAL] *= factor
    for row in range(n_used):
        i2i.counts[row] *= factor
        i2i.evidence[row] *= factor
        i2i.changed[row] *= factor
        for e in range(i2i.size[row]):
            i2i.weight[row, e] *= np.float32(factor)


@hot_kernel
def gain(i2i: ItemToItemArrays, time_ms: float) -> float:
    """What one event at this time is worth, in units of an event at the landmark."""
    return float(np.exp((time_ms - i2i.totals[LANDMARK_MS]) / i2i.totals[TIME_CONSTANT_MS]))


@hot_kernel
def fresh_count(i2i: ItemToItemArrays, item: int, time_ms: float) -> float:
    """The item's decayed count, in units of one event at this time."""
    if np.isnan(i2i.totals[LANDMARK_MS]):
        return 0.0
    return float(i2i.counts[item] / gain(i2i, time_ms))


@hot_kernel
def prefetch_row(i2i: ItemToItemArrays, row: int) -> None:
    """Begin to bring near what says how long the row is."""
    prefetch(i2i.size, row, 0)


@hot_kernel
def prefetch_entries(i2i: ItemToItemArrays, row: int) -> None:
    """Begin to bring near the row's entries, and the place of the next one."""
    for e in range(0, min(i2i.size[row] + 1, i2i.neighbour.shape[1]), LINE):
        prefetch(i2i.neighbour, row, e)
        prefetch(i2i.weight, row, e)


@hot_kernel
def learn_event(
    i2i: ItemToItemArrays,
    n_used: int,
    is_live: UInt8Array,
    dirty: UInt8Array,
    item: int,
    predecessors: Int32Array,
    n_predecessors: int,
    time_ms: int,
) -> float:
    """Learn that `item` followed `predecessors` (of its session, latest first).

    Returns which part of all the evidence of the latest one has pointed to it before; negative: none.
    """
    if np.isnan(i2i.totals[LANDMARK_MS]):
        i2i.totals[LANDMARK_MS] = time_ms
    if (time_ms - i2i.totals[LANDMARK_MS]) / i2i.totals[TIME_CONSTANT_MS] > MAX_EXPONENT:
        move_landmark(i2i, n_used, np.float64(time_ms))
        dirty[:n_used] = 1
    g = gain(i2i, np.float64(time_ms))
    i2i.counts[item] += g
    i2i.totals[COUNT_TOTAL] += g
    i2i.changed[item] += g
    dirty[item] = 1
    closeness = -1.0
    for back in range(min(n_predecessors, WINDOW)):
        other = predecessors[back]
        if other >= 0 and other != item and is_live[other]:
            amount = g * BY_STEP[back]
            before = add_weight(i2i, dirty, other, item, amount)
            if back == 0 and before >= 0.0:
                closeness = before / (i2i.evidence[other] - amount)
            add_weight(i2i, dirty, item, other, REVERSE * amount)
    return closeness


@hot_kernel
def forget_item(i2i: ItemToItemArrays, item: int) -> None:
    """Clear an evicted item's own row; other rows drop it in `forget_items`."""
    i2i.totals[COUNT_TOTAL] = max(0.0, i2i.totals[COUNT_TOTAL] - i2i.counts[item])
    i2i.neighbour[item, :] = -1
    i2i.weight[item, :] = 0.0
    i2i.size[item] = 0
    i2i.counts[item] = 0.0
    i2i.evidence[item] = 0.0
    i2i.changed[item] = 0.0


@hot_kernel
def forget_items(i2i: ItemToItemArrays, n_used: int, is_live: UInt8Array, dirty: UInt8Array) -> None:
    """Drop entries that point to items no longer live, before their rows are reused."""
    for row in range(n_used):
        kept = 0
        size = i2i.size[row]
        for e in range(size):
            if is_live[i2i.neighbour[row, e]]:
                if kept != e:
                    i2i.neighbour[row, kept] = i2i.neighbour[row, e]
                    i2i.weight[row, kept] = i2i.weight[row, e]
                kept += 1
            else:
                i2i.changed[row] += i2i.weight[row, e]
        if kept != size:
            i2i.neighbour[row, kept:size] = -1
            i2i.weight[row, kept:size] = 0.0
            i2i.size[row] = kept
            dirty[row] = 1


@hot_kernel
def insert_ranked(ranked: Int32Array, values: Float64Array, n: int, item: int, value: float) -> int:
    """Keep the best len(ranked) by value, ties by smaller row number; returns the new length."""
    if n == len(ranked):
        last = n - 1
        if value < values[last] or (value == values[last] and item > ranked[last]):
            return n
        place = last
    else:
        place = n
        n += 1
    while place > 0 and (values[place - 1] < value or (values[place - 1] == value and ranked[place - 1] > item)):
        values[place] = values[place - 1]
        ranked[place] = ranked[place - 1]
        place -= 1
    values[place] = value
    ranked[place] = item
    return n


@hot_kernel
def _spread(
    i2i: ItemToItemArrays, scratch: Scratch, is_live: UInt8Array, target: Float64Array, row: int, factor: float, n: int
) -> int:
    """target[j] += factor · w_row,j over the row's live entries; returns the new number of touched rows."""
    for e in range(i2i.size[row]):
        j = i2i.neighbour[row, e]
        if scratch.mark[j] == 0:
            if not is_live[j]:
                continue
            scratch.mark[j] = 1
            scratch.touched[n] = j
            n += 1
        target[j] += factor * i2i.weight[row, e]
    return n


@hot_kernel
def rank(
    i2i: ItemToItemArrays,
    scratch: Scratch,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    now_ms: float,
    ranked: Int32Array,
    values: Float64Array,
    parts: Float64Array,
) -> int:
    """The best items outside the history.

    `history` holds item rows, latest first (negative: gone); `now_ms` is the event time at which counts are taken.
    Fills `ranked` and `values` (both at most N_RANKED) best first and returns how many; `parts` (the same, N_PARTS)
    says which share of an item's evidence came from the latest known item itself, and which by the second hop. Changes
    nothing but `scratch`, which it leaves clean.
    """
    if np.isnan(i2i.totals[LANDMARK_MS]):
        return 0
    fresh = 1.0 / gain(i2i, now_ms)  # turns landmark units into units of one fresh event
    count_total = i2i.totals[COUNT_TOTAL] * fresh
    n_touched = 0
    n_distinct = 0
    for b in range(min(n_history, MAX_HISTORY)):
        if history[b] >= 0:
            prefetch_entries(i2i, history[b])
    for b in range(n_history):
        i = history[b]
        if i < 0 or not is_live[i] or scratch.mark[i] == 2:
            continue
        if scratch.mark[i] == 0:
            scratch.touched[n_touched] = i
            n_touched += 1
        scratch.mark[i] = 2
        n_distinct += 1
        if n_distinct > MAX_HISTORY:
            continue  # too long ago to say anything, but not to be listed
        count = i2i.counts[i] * fresh
        idf = np.log((count_total + 1.0) / (count + 1.0))
        a = np.exp(-STEP_DECAY * b) * np.sqrt(max(idf, 0.0)) / (count + COUNT_PRIOR) ** 0.75
        n_touched = _spread(i2i, scratch, is_live, scratch.first, i, a * fresh, n_touched)
        if n_distinct == 1:
            for t in range(n_touched):
                scratch.latest[scratch.touched[t]] = scratch.first[scratch.touched[t]]
    hops = scratch.hops
    hop_values = scratch.hop_values
    n_hops = 0
    for t in range(n_touched):
        j = scratch.touched[t]
        if scratch.mark[j] == 1:
            n_hops = insert_ranked(hops, hop_values, n_hops, j, scratch.first[j])
    for k in range(n_hops):
        prefetch_entries(i2i, hops[k])
    for k in range(n_hops):
        count = i2i.counts[hops[k]] * fresh
        factor = HOP_WEIGHT * hop_values[k] / (count + COUNT_PRIOR)
        n_touched = _spread(i2i, scratch, is_live, scratch.total, hops[k], factor * fresh, n_touched)
    n_ranked = 0
    least_power = 0.999999 * COUNT_PRIOR**POPULARITY_POWER  # no item's power is smaller, rounding included
    for t in range(n_touched):
        j = scratch.touched[t]
        total = scratch.first[j] + scratch.total[j]
        may_rank = n_ranked < len(ranked) or total >= values[n_ranked - 1] * least_power
        if scratch.mark[j] == 1 and total > 0.0 and may_rank:  # most fail, and a power costs more than all the rest
            value = total / (i2i.counts[j] * fresh + COUNT_PRIOR) ** POPULARITY_POWER
            n_ranked = insert_ranked(ranked, values, n_ranked, j, value)
    for r in range(n_ranked):
        j = ranked[r]
        parts[r, LATEST_PART] = scratch.latest[j] / (scratch.first[j] + scratch.total[j])
        parts[r, SECOND_HOP_PART] = scratch.total[j] / (scratch.first[j] + scratch.total[j])
    for t in range(n_touched):
        j = scratch.touched[t]
        scratch.mark[j] = 0
        scratch.first[j] = 0.0
        scratch.latest[j] = 0.0
        scratch.total[j] = 0.0
    return n_ranked
