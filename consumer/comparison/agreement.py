"""How far two models' scores agree: the best items of each, and the order of all that both know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consumer.messages import Float64Array
from consumer.models.state import ModelState


@dataclass(frozen=True, slots=True)
class Agreement:
    n_top: int
    top_overlap: float
    """Share of the first model's best that are among the second's best, of as many."""
    rank_correlation: float | None
    """Spearman's, over the items that both have; None of fewer than two."""
    n_common: int
    n_items: tuple[int, int]


def agreement_of(first: ModelState, second: ModelState, n_top: int) -> Agreement:
    """As they are now."""
    scores = [_by_id(model) for model in (first, second)]
    tops = [set(sorted(of, key=lambda item: (-of[item], item))[:n_top]) for of in scores]
    n = min(n_top, *(len(of) for of in scores))
    common = sorted(scores[0].keys() & scores[1].keys())
    values = [np.array([of[item] for item in common]) for of in scores]
    return Agreement(
        n_top=n_top,
        top_overlap=len(tops[0] & tops[1]) / n if n else 0.0,
        rank_correlation=_correlation(_ranks(values[0]), _ranks(values[1])) if len(common) > 1 else None,
        n_common=len(common),
        n_items=(len(scores[0]), len(scores[1])),
    )


def _by_id(model: ModelState) -> dict[bytes, float]:
    rows = np.flatnonzero(model.items.is_live[: model.n_item_rows])
    return dict(zip(model.item_ids(rows), model.scores()[rows].tolist(), strict=True))


def _ranks(values: Float64Array) -> Float64Array:
    """Places from the least on; ties share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Float64Array = (ends - (counts - 1) / 2.0)[group]
    return ranks


def _correlation(one: Float64Array, other: Float64Array) -> float | None:
    if np.ptp(one) == 0.0 or np.ptp(other) == 0.0:
        return None
    return float(np.corrcoef(one, other)[0, 1])
