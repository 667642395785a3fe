"""`linear` learns from the item that followed against some that didn't, and judges what others propose.

An item j outside the history is the next one with log-odds m(j) − ln n: m the margin of its row, n the items outside
the history that are not the one that came. So the model starts as a uniform draw, and an intercept means the same while
the catalogue grows. Of the n, a few are drawn uniformly; what is added to the margin while learning, −ln(rate) − ln n
(`negative_sampling`), makes the odds in the sample those of the true chances, exactly.

What is not learned from: an item nobody has seen before (nothing is known about it), and one of the history (those are
for `repeat`).
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import called_kernel, hot_kernel
from consumer.messages import Float64Array, Int32Array, UInt8Array
from consumer.models import linear_kernels, linear_rows, standardise
from consumer.models.item_to_item import ItemToItemArrays
from consumer.models.linear_kernels import LEARNED, LinearArrays
from consumer.models.linear_model import (
    N_CANDIDATES,
    N_DISTINCT,
    N_ROWS,
    LinearModel,
    LinearPlan,
    LinearScratch,
    begin_anew,
)
from consumer.models.linear_rows import IN_HISTORY
from consumer.models.negative_sampling import drawn, rate_of_uniform, sampling_offset
from consumer.models.popularity import PopularityArrays

TRIES = 16
"""Draws for each negative wanted: rows that hold no live item are passed over."""


YOUNG_ROWS = 10_000
"""Learned rows before which no step is made longer."""


@hot_kernel
def raise_steps(learned: LinearArrays, factor: float) -> None:
    """Steps up to `factor` times as long from here on, but no longer than they were after YOUNG_ROWS: a young model's
    are long as they are, and longer ones cost more than they bring (three points of recall on a made-up shop)."""
    learned.rate_factor[0] = min(factor, max(1.0, np.sqrt(learned.n_steps[0] / YOUNG_ROWS)))


@hot_kernel
def is_chosen(plan: LinearPlan, key: np.uint64) -> bool:
    """Whether the event with this hash of its coordinates is learned from."""
    return bool((key >> np.uint64(32)) % np.uint64(plan.learn_one_in) == np.uint64(0))


@hot_kernel
def _draw(plan: LinearPlan, scratch: LinearScratch, is_live: UInt8Array, n_used: int, item: int, key: np.uint64) -> int:
    """Fill `items` with the one that came and those drawn; returns how many rows there are."""
    scratch.items[0] = item
    n_rows = 1
    wanted = min(plan.n_negatives, scratch.counts[N_CANDIDATES])
    for counter in range(TRIES * wanted):
        if n_rows == 1 + wanted:
            break
        other = drawn(key, counter, n_used)
        if other != item and is_live[other] and scratch.mark[other] != IN_HISTORY:
            scratch.items[n_rows] = other
            n_rows += 1
    return n_rows


@hot_kernel
def _margin(model: LinearModel, plan: LinearPlan, scratch: LinearScratch, r: int) -> float:
    n = scratch.length[r]
    return linear_kernels.margin(model.learned, plan.recipe, scratch.indices[r, :n], scratch.values[r, :n])


@hot_kernel
def _learn_rows(model: LinearModel, plan: LinearPlan, scratch: LinearScratch, time_ms: float) -> None:
    n_rows, n_candidates = scratch.counts[N_ROWS], scratch.counts[N_CANDIDATES]
    offset = sampling_offset(rate_of_uniform(n_rows - 1, n_candidates)) - np.log(n_candidates)
    is_sound = True
    for r in range(n_rows):
        n = scratch.length[r]
        outcome = linear_kernels.learn_row(
            model.learned, plan.recipe, scratch.indices[r, :n], scratch.values[r, :n],
            1.0 if r == 0 else 0.0, 1.0, offset,
        )  # fmt: skip
        is_sound &= outcome == LEARNED
    if not is_sound:
        begin_anew(model)
    for r in range(n_rows):
        standardise.observe(model.numbers, scratch.raw[r], time_ms)


@called_kernel
def learn_event(
    model: LinearModel,
    plan: LinearPlan,
    scratch: LinearScratch,
    shares: PopularityArrays,
    i2i: ItemToItemArrays,
    is_live: UInt8Array,
    n_live: int,
    n_used: int,
    history: Int32Array,
    n_history: int,
    item: int,
    last_kind: int,
    time_ms: float,
    key: np.uint64,
) -> None:
    """The item, seen before, followed this history; nobody else has learned the event yet. `key`: hash of its
    coordinates. What it was held to be is in `scratch` afterwards."""
    scratch.counts[N_ROWS] = 0
    moment = linear_rows.begin(scratch, i2i, is_live, history, n_history, time_ms, last_kind)
    scratch.counts[N_CANDIDATES] = n_live - scratch.counts[N_DISTINCT] - 1
    if scratch.mark[item] != IN_HISTORY and scratch.counts[N_CANDIDATES] > 0:
        n_rows = _draw(plan, scratch, is_live, n_used, item, key)
        for r in range(n_rows):
            linear_rows.write(model, scratch, shares, i2i, moment, scratch.items[r], r)
            linear_rows.add_up_repeated(scratch, r)
            scratch.margins[r] = _margin(model, plan, scratch, r)
        if n_rows > 1:
            scratch.counts[N_ROWS] = n_rows
            _learn_rows(model, plan, scratch, time_ms)
    linear_rows.end(scratch)


@called_kernel
def judge(
    model: LinearModel,
    plan: LinearPlan,
    scratch: LinearScratch,
    shares: PopularityArrays,
    i2i: ItemToItemArrays,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    last_kind: int,
    now_ms: float,
    items: Int32Array,
    n_items: int,
    margins: Float64Array,
) -> None:
    """margins[c] = margin of items[c] as the next one. Changes nothing but working memory."""
    moment = linear_rows.begin(scratch, i2i, is_live, history, n_history, now_ms, last_kind)
    for c in range(n_items):
        linear_rows.write(model, scratch, shares, i2i, moment, items[c], 0)
        margins[c] = _margin(model, plan, scratch, 0)
    linear_rows.end(scratch)
