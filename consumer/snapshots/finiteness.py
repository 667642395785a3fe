"""Whether every number that a version would say is finite. Asked before anything is written: text of what is not a
number cannot be made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.kernels import kernel
from consumer.messages import Float64Array, Int64Array, UInt8Array
from consumer.models.item_to_item import COUNT_TOTAL, ItemToItemArrays
from consumer.models.state import ModelState


@kernel
def _sum_of_items(is_live: UInt8Array, i2i: ItemToItemArrays) -> float:
    total = 0.0
    for row in range(len(is_live)):
        if is_live[row]:
            total += i2i.counts[row] + i2i.evidence[row] + i2i.changed[row]
    return total


def first_not_finite(model: ModelState, scores: Float64Array, related_rows: Int64Array, vector_rows: Int64Array) -> str:
    """Name of the first that isn't; empty: all are.

    `scores` (n_item_rows,) has NaN for rows without a live item, and only there unless a count or total is none;
    `related_rows` and `vector_rows` are to be published.
    """
    if np.count_nonzero(~np.isnan(scores)) != model.n_items or not np.isfinite(np.nansum(scores)):
        return "popularity"
    i2i = model.item_to_item
    # A sum is finite only if all its terms are.
    sums: Mapping[str, float] = {
        "item_to_item": _sum_of_items(model.items.is_live[: model.n_item_rows], i2i) + i2i.totals[COUNT_TOTAL],
        "item_to_item.weight": i2i.weight[related_rows].sum(dtype=np.float64),
        "popularity.mixture": model.popularity.mixture.sum(),
        "repeat": model.repeat.chance.sum(),
        "logit": model.logit.weights.sum(),
        "fusion": model.fusion.chance.sum(),
        "neural.vector": _sum_of_vectors(model, vector_rows),
        "neural": sum(float(array.sum(dtype=np.float64)) for array in model.neural.encoder),
    }
    return next((name for name, total in sums.items() if not np.isfinite(total)), "")


def _sum_of_vectors(model: ModelState, rows: Int64Array) -> float:
    items = model.neural.items
    return float((items.vector[rows] * items.scale[rows, None]).sum(dtype=np.float64))
