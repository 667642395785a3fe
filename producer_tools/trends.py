"""Trends: an item that a share of the shoppers turns to all at once.

One may be asked for by name, from a record on and for good. Besides, sudden ones may come and go by themselves: number
k (from 1) begins k · `plan.trend_every_s` after the start and lasts half as long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from producer_tools.event_columns import TREND_ITEM
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Float64Array, Int64Array

_SUDDEN_SHARES = (0.03, 0.10)
_LASTS = 0.5  # of the time from one to the next
_KEY = 0x7472656E6473  # keeps these random numbers apart from all others of the seed


@dataclass(frozen=True, slots=True)
class SuddenTrend:
    item: int
    begins_ms: int
    ends_ms: int
    share: float


def sudden_trend(plan: SyntheticPlan, number: int) -> SuddenTrend:
    """Of an item of the less popular half. `number` counts from 1."""
    rng = np.random.default_rng([plan.seed, _KEY, number])
    begins_ms = plan.start_ms + round(number * plan.trend_every_s * 1_000)
    return SuddenTrend(
        item=int(rng.integers(plan.n_items // 2, plan.n_items)),
        begins_ms=begins_ms,
        ends_ms=begins_ms + round(_LASTS * plan.trend_every_s * 1_000),
        share=float(rng.uniform(*_SUDDEN_SHARES)),
    )


def sudden_trends(plan: SyntheticPlan, from_ms: int, to_ms: int) -> list[SuddenTrend]:
    """Those under way at any moment of this time, the end included."""
    if plan.trend_every_s == 0:
        return []
    every_ms = plan.trend_every_s * 1_000
    first, last = (int(max(0, at_ms - plan.start_ms) // every_ms) for at_ms in (from_ms, to_ms))
    found = [sudden_trend(plan, number) for number in range(max(1, first), last + 1)]
    return [trend for trend in found if trend.ends_ms > from_ms and trend.begins_ms <= to_ms]


class Trends:
    """Those of one plan."""

    def __init__(self, plan: SyntheticPlan) -> None:
        self._plan = plan

    def sway(self, item: Int64Array, number: Int64Array, time_ms: Int64Array, chance: Float64Array) -> Int64Array:
        """(n,) the items of consecutive events that take place anyway → (n,) with trends among them. `chance` is drawn
        evenly from [0, 1) for each event; NaN keeps it out. A sudden trend takes the greatest ones, the one asked for
        the least, so that each gets its share of all."""
        swayed = item
        for trend in self._sudden(time_ms):
            is_on = (time_ms >= trend.begins_ms) & (time_ms < trend.ends_ms)
            swayed = np.where(is_on & (chance >= 1 - trend.share), trend.item, swayed)
        planted = self._plan.trend
        if planted is not None:
            swayed = np.where((chance < planted.share) & (number >= planted.at_event), TREND_ITEM, swayed)
        return swayed

    def _sudden(self, time_ms: Int64Array) -> list[SuddenTrend]:
        return sudden_trends(self._plan, int(time_ms[0]), int(time_ms[-1])) if len(time_ms) else []
