"""Whether every number that a version would say is finite. Asked before anything is written: text of what is not a
number cannot be made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.messages import Float64Array, Int64Array
from consumer.models.item_to_item import COUNT_TOTAL
from consumer.models.state import ModelState
from consumer.tables import Array


def first_not_finite(model: ModelState, scores: Float64Array, related_rows: Int64Array) -> str:
    """Name of the first that isn't; empty: all are. `scores` (n_item_rows,) has NaN for rows without a live item."""
    n = model.n_item_rows
    if np.count_nonzero(~np.isnan(scores)) != model.n_items or not np.isfinite(np.nansum(scores)):
        return "popularity"
    i2i = model.item_to_item
    # A sum is finite only if all its terms are: one pass over each, which the processor makes many numbers at a time.
    columns: Mapping[str, Array] = {
        "item_to_item.counts": i2i.counts[:n],
        "item_to_item.evidence": i2i.evidence[:n],
        "item_to_item.changed": i2i.changed[:n],
        "item_to_item.weight": i2i.weight[related_rows],
        "item_to_item.totals": i2i.totals[[COUNT_TOTAL]],
        "popularity.positive": model.popularity.positive[:n],  # the greater of 0 and what is no number is 0: no score
        "popularity.negative": model.popularity.negative[:n],  # would tell
        "popularity.mixture": model.popularity.mixture,
        "repeat": model.repeat.chance,
        "fusion": model.fusion.chance,
    }
    return next((name for name, column in columns.items() if not np.isfinite(column.sum(dtype=np.float64))), "")
