"""Whether every number that a version would say is finite. Asked before anything is written: text of what is not a
number cannot be made."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.messages import Float64Array, Int64Array
from consumer.models.item_to_item import COUNT_TOTAL
from consumer.models.state import ModelState
from consumer.tables import Array


def first_not_finite(model: ModelState, scores: Float64Array, score_rows: Int64Array, related_rows: Int64Array) -> str:
    """Name of the first that isn't; empty: all are. `scores` (n_item_rows,) has NaN for rows without a live item.

    Of what items have, the rows that are to be published are looked at: damage elsewhere either makes its row one of
    them (a score that moves, a change that is no number) or reaches nobody.
    """
    if np.count_nonzero(~np.isnan(scores)) != model.n_items or not np.isfinite(np.nansum(scores)):
        return "popularity"
    i2i, popularity = model.item_to_item, model.popularity
    columns: Mapping[str, Array] = {
        "item_to_item.counts": i2i.counts[related_rows],
        "item_to_item.evidence": i2i.evidence[related_rows],
        "item_to_item.changed": i2i.changed[related_rows],
        "item_to_item.weight": i2i.weight[related_rows],
        "item_to_item.totals": i2i.totals[[COUNT_TOTAL]],
        "popularity.positive": popularity.positive[score_rows],  # the greater of 0 and what is no number is 0: no score
        "popularity.negative": popularity.negative[score_rows],  # would tell
        "popularity.mixture": popularity.mixture,
        "repeat": model.repeat.chance,
        "fusion": model.fusion.chance,
    }
    # A sum is finite only if all its terms are.
    return next((name for name, column in columns.items() if not np.isfinite(column.sum(dtype=np.float64))), "")
