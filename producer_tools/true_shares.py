"""What share of all interactions each item truly has at a moment: not counted, but computed from the plan.

Sessions are short against all that changes, so at any moment they are as if things had always been so. Events of one
type are a constant part of the views of the same item (whoever views may put into the cart, and so on), so every type,
and every sum weighted by type, has the shares of the views v. With d the chances of an item met by demand, N the move
to a neighbour and q = 1 - 1/8 the chance that a session goes on,

    v = d / 8 + q · (stays · v + M(moves · v)),   M(y) = jumps · Σy · d + (1 - jumps) · N(y)

which is solved by repeating it. Impressions, bots, faults and returns are no interactions and don't count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from producer_tools.assortment import NEW_SHARE, Assortment
from producer_tools.catalogue import BEST_SELLER_SHARE, STEP_CHANCES, Catalogue
from producer_tools.event_columns import TREND_ITEM
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Float64Array, Int64Array
from producer_tools.shoppers import ADDS, BUYS, END_SHARE, JUMPS, REMOVES, STAYS
from producer_tools.synthetic import SyntheticStream
from producer_tools.trends import sudden_trends

_GOES_ON = 1 - END_SHARE
_CARTS = _GOES_ON * ADDS  # carts, purchases and removals for each view
_PURCHASES, _REMOVALS = _GOES_ON * _CARTS * BUYS, _GOES_ON * _CARTS * REMOVES
_MOVES = (1 - ADDS - STAYS) + _CARTS * (1 - BUYS - REMOVES) + _PURCHASES + _REMOVALS
_N_STEPS = 150  # what is left to move shrinks by 7/8 or more each


@dataclass(frozen=True, slots=True)
class TrueShares:
    """At one moment; the shares of all items sum to 1."""

    at_ms: int
    item: Int64Array  # (n,) as in `EventColumns.item`, ascending
    share: Float64Array  # (n,)


class TrueShare:
    """Of one stream. Ask for moments in ascending order."""

    def __init__(self, stream: SyntheticStream) -> None:
        self._plan = stream.plan
        self._catalogue = stream.catalogue
        self._assortment = stream.assortment()
        self._neighbours = _Neighbours(stream.catalogue)

    def at(self, at_ms: int) -> TrueShares:
        """Raises ValueError for a moment before the start."""
        if at_ms < self._plan.start_ms:
            raise ValueError(f"the stream begins at {self._plan.start_ms}, after {at_ms}")
        at_s = (at_ms - self._plan.start_ms) / 1_000
        by_role, of_new = self._views(at_s)
        n_items = self._plan.n_items
        n_arrived, n_new = self._assortment.arrivals(at_s)
        new = n_items + n_arrived - 1 - np.arange(n_new)
        item = np.concatenate([[TREND_ITEM], np.arange(n_items), new[::-1]])
        share = np.concatenate([[0.0], self._assortment.by_item(by_role, at_s), of_new[::-1]])
        self._add_trends(share, at_ms)
        there = share > 0
        return TrueShares(at_ms, item[there], share[there])

    def _views(self, at_s: float) -> tuple[Float64Array, Float64Array]:
        """(n_items,) shares by role, (n_new,) those of the new items, the latest first."""
        demand, roles, of_new = self._demand(at_s)
        views, new_views = demand, of_new
        for _ in range(_N_STEPS):
            moving = views.copy()
            np.add.at(moving, roles, new_views)
            moving *= _GOES_ON * _MOVES
            anew = END_SHARE * self._views_a_round + JUMPS * moving.sum()
            stay = _GOES_ON * STAYS
            views = anew * demand + stay * views + (1 - JUMPS) * self._neighbours.moved(moving)
            new_views = anew * of_new + stay * new_views
        total = views.sum() + new_views.sum()
        return views / total, new_views / total

    @property
    def _views_a_round(self) -> float:
        """Actions for each view: a session may end after any of them."""
        return 1 + _CARTS + _PURCHASES + _REMOVALS

    def _demand(self, at_s: float) -> tuple[Float64Array, Int64Array, Float64Array]:
        """(n_items,) chances of the roles, (n_new,) roles and chances of the new items, the latest first."""
        n_arrived, n_new = self._assortment.arrivals(at_s)
        if n_new == 0:
            return self._catalogue.demand, np.zeros(0, np.int64), np.zeros(0)
        new = self._plan.n_items + n_arrived - 1 - np.arange(n_new)
        chances = NEW_SHARE * Assortment.new_item_chances(n_new)
        return (1 - NEW_SHARE) * self._catalogue.demand, self._assortment.role_of_new(new), chances

    def _add_trends(self, share: Float64Array, at_ms: int) -> None:
        """`share`: of the trend asked for, then of the catalogue's items, then of new ones."""
        planted = self._plan.trend
        is_on = planted is not None and at_ms >= trend_begins_ms(self._plan)
        taken = planted.share if planted is not None and is_on else 0.0
        sudden = [t for t in sudden_trends(self._plan, at_ms, at_ms) if t.begins_ms <= at_ms < t.ends_ms]
        shares = [min(trend.share, 1 - taken) for trend in sudden]
        share *= 1 - taken - sum(shares)
        share[0] += taken
        for trend, its_share in zip(sudden, shares, strict=True):
            share[1 + trend.item] += its_share


def trend_begins_ms(plan: SyntheticPlan) -> int:
    """Event time of the first event that may be about the trend asked for."""
    at_event = plan.trend.at_event if plan.trend is not None else 0
    return int(plan.clock().ms_at(np.array([at_event]))[0])


class _Neighbours:
    """N(y): where those who leave their roles for a neighbour come to."""

    def __init__(self, catalogue: Catalogue) -> None:
        roles = np.arange(catalogue.n_items)
        place, size = catalogue.place_and_size(roles)
        self._cluster = catalogue.cluster(roles)
        self._next = [catalogue.at(self._cluster, (place + k) % size) for k in range(1, len(STEP_CHANCES) + 1)]
        self._best = catalogue.best_seller_chance(place, size)

    def moved(self, leaving: Float64Array) -> Float64Array:
        """(n_items,) by role → (n_items,) by role; the sum stays."""
        in_cluster = np.bincount(self._cluster, leaving)
        arriving = BEST_SELLER_SHARE * self._best * in_cluster[self._cluster]
        for chance, there in zip(STEP_CHANCES, self._next, strict=True):
            arriving[there] += (1 - BEST_SELLER_SHARE) * chance * leaving  # `there` is a permutation
        return arriving
