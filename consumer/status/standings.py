"""The items that lead, and those that are rising."""

from __future__ import annotations

from typing import Final

import numpy as np

from consumer.messages import Float64Array, Int64Array
from consumer.models.state import ModelState
from consumer.status.document import RisingItem, Standings, TopItem

N_SHOWN: Final = 10
LEAST_EVIDENCE: Final = 5.0
"""Weight, in units of one fresh event, that an item must have by the shortest half-life: one or two say nothing."""
LEAST_FACTOR: Final = 1.5
"""By which its share must have grown."""


def standings(model: ModelState, version: int, scores: Float64Array, as_of_ms: int | None) -> Standings:
    """`scores` (n_item_rows,) NaN where there is no live item; `as_of_ms`: the watermark. Changes nothing."""
    half_lives_s = model.popularity.time_constant_ms * np.log(2.0) / 1000.0
    now, usual = int(half_lives_s.argmin()), int(half_lives_s.argmax())
    return Standings(
        version=version,
        items=model.n_items,
        top=_top(model, scores),
        rising=_rising(model, now, usual, as_of_ms),
        now_half_life_s=float(half_lives_s[now]),
        usual_half_life_s=float(half_lives_s[usual]),
    )


def _top(model: ModelState, scores: Float64Array) -> list[TopItem]:
    rows = _greatest(scores)
    shown = scores[rows].tolist()
    return [TopItem(item, score) for item, score in zip(_ids(model, rows), shown, strict=True) if score > 0.0]


def _rising(model: ModelState, now: int, usual: int, as_of_ms: int | None) -> list[RisingItem]:
    """Those whose share has grown most, from what is usual to what is now."""
    counts = model.popularity
    if now == usual or as_of_ms is None or not (counts.n_positive[now] and counts.n_positive[usual]):
        return []
    per_fresh_event = np.exp((as_of_ms - counts.landmark_ms[now]) / counts.time_constant_ms[now])
    rows = np.flatnonzero(_net(model, now) >= LEAST_EVIDENCE * per_fresh_event)  # few, of however many items
    share_now = _net(model, now, rows) / counts.total[now]
    share_usual = _net(model, usual, rows) / counts.total[usual]
    has_risen = share_now >= LEAST_FACTOR * share_usual
    best = _greatest(np.where(has_risen, share_now - share_usual, np.nan))
    shown = zip(_ids(model, rows[best]), share_now[best].tolist(), share_usual[best].tolist(), strict=True)
    return [RisingItem(*one) for one in shown]


def _net(model: ModelState, half_life: int, rows: Int64Array | None = None) -> Float64Array:
    """Of these item rows, or of all; those that aren't live are zero."""
    counts, chosen = model.popularity, slice(model.n_item_rows) if rows is None else rows
    net: Float64Array = np.maximum(counts.positive[chosen, half_life] - counts.negative[chosen, half_life], 0.0)
    return net


def _greatest(values: Float64Array) -> Int64Array:
    """Rows of the N_SHOWN greatest, falling; none that is NaN."""
    if len(values) == 0:
        return np.zeros(0, np.int64)
    n_shown = min(N_SHOWN, len(values))
    rows = np.sort(np.argpartition(-values, n_shown - 1)[:n_shown])  # NaN comes last
    rows = rows[np.argsort(-values[rows], kind="stable")]
    greatest: Int64Array = rows[~np.isnan(values[rows])]
    return greatest


def _ids(model: ModelState, rows: Int64Array) -> list[str]:
    return [key.decode(errors="replace") for key in model.item_ids(rows)]
