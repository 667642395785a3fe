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
    net_now = _net(model, now)
    share_now, share_usual = net_now / counts.total[now], _net(model, usual) / counts.total[usual]
    per_fresh_event = np.exp((as_of_ms - counts.landmark_ms[now]) / counts.time_constant_ms[now])
    has_risen = (net_now >= LEAST_EVIDENCE * per_fresh_event) & (share_now >= LEAST_FACTOR * share_usual)
    rows = _greatest(np.where(has_risen, share_now - share_usual, np.nan))
    rows = rows[has_risen[rows]]
    shown = zip(_ids(model, rows), share_now[rows].tolist(), share_usual[rows].tolist(), strict=True)
    return [RisingItem(*one) for one in shown]


def _net(model: ModelState, half_life: int) -> Float64Array:
    """Rows that aren't live are zero."""
    n, counts = model.n_item_rows, model.popularity
    net: Float64Array = np.maximum(counts.positive[:n, half_life] - counts.negative[:n, half_life], 0.0)
    return net


def _greatest(values: Float64Array) -> Int64Array:
    """Rows of the N_SHOWN greatest, falling; NaN is less than any. Ties by row."""
    finite = np.where(np.isnan(values), -np.inf, values)
    n_shown = min(N_SHOWN, len(finite))
    if n_shown == 0:
        return np.zeros(0, np.int64)
    rows = np.sort(np.argpartition(-finite, n_shown - 1)[:n_shown])
    rows = rows[np.argsort(-finite[rows], kind="stable")]
    greatest: Int64Array = rows[np.isfinite(finite[rows])]
    return greatest


def _ids(model: ModelState, rows: Int64Array) -> list[str]:
    return [key.decode(errors="replace") for key in model.item_ids(rows)]
