"""Which item has which role at a moment: for good, or drifting; and new items that arrive all the time.

With a drift, items swap roles: from one epoch (of `plan.drift_s`) to the next half of the roles go to other items. In
between, a draw takes the next epoch's holder with a chance that rises from 0 to 1, so demand moves evenly.
"""

from __future__ import annotations

import numpy as np

from producer_tools.catalogue import Catalogue
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Float64Array, Int64Array

NEW_SHARE = 0.1
"""Of the sessions' first items, and of their jumps: one of the new items, once there are any."""
NEW_FOR_S = 86_400.0
_SWAPPED_SHARE = 0.5
_ROLE_STRIDE = 7_919  # a prime, so that new items spread over the clusters


class Assortment:
    """Goes through one stream from its beginning; moments (s since the start) ascend."""

    def __init__(self, plan: SyntheticPlan, catalogue: Catalogue, rng: np.random.Generator) -> None:
        self._catalogue = catalogue
        self._drift_s = plan.drift_s
        self._per_s = plan.new_items_per_hour / 3_600.0
        self._rng = rng  # of the swaps
        self._epoch = 0
        self._now = np.arange(plan.n_items)
        self._next = self._swapped(self._now)

    def by_demand(self, rng: np.random.Generator, n: int, at_s: float) -> tuple[Int64Array, Int64Array]:
        """(n,) roles and (n,) the items met there."""
        roles = self._catalogue.by_demand(rng, n)
        items = self.holders(rng, roles, at_s)
        if self._per_s == 0:
            return roles, items
        is_new, back = rng.random(n) < NEW_SHARE, rng.random(n)
        n_arrived, n_new = self.arrivals(at_s)
        if n_new == 0:
            return roles, items
        new = self._catalogue.n_items + n_arrived - 1 - (n_new * back**2).astype(np.int64)
        return np.where(is_new, self.role_of_new(new), roles), np.where(is_new, new, items)

    def holders(self, rng: np.random.Generator, roles: Int64Array, at_s: float) -> Int64Array:
        """(n,) items that have these roles."""
        if self._drift_s == 0:
            return roles
        share = self._turn_to(at_s)
        return np.where(rng.random(len(roles)) < share, self._next[roles], self._now[roles])

    def by_item(self, by_role: Float64Array, at_s: float) -> Float64Array:
        """(n_items,) what belongs to the roles → (n_items,) what of it belongs to each item."""
        if self._drift_s == 0:
            return by_role
        share = self._turn_to(at_s)
        found = np.zeros_like(by_role)
        found[self._now] += (1 - share) * by_role
        found[self._next] += share * by_role
        return found

    def arrivals(self, at_s: float) -> tuple[int, int]:
        """How many new items have arrived by then, and how many of them (the last ones) still count as new."""
        n_arrived = int(at_s * self._per_s)
        return n_arrived, min(n_arrived, max(1, round(NEW_FOR_S * self._per_s)))

    def role_of_new(self, items: Int64Array) -> Int64Array:
        """(n,) items from n_items on → (n,) the roles beside which they stand."""
        return items * _ROLE_STRIDE % self._catalogue.n_items

    @staticmethod
    def new_item_chances(n_new: int) -> Float64Array:
        """(n_new,) chances of the new items, the latest first, where one of them is met."""
        edges = np.sqrt(np.arange(n_new + 1) / n_new)
        chances: Float64Array = np.diff(edges)
        return chances

    def _turn_to(self, at_s: float) -> float:
        """The chance of the next epoch's holder at this moment."""
        epoch, share = divmod(at_s / self._drift_s, 1.0)
        while self._epoch < epoch:
            self._epoch += 1
            self._now, self._next = self._next, self._swapped(self._next)
        return share

    def _swapped(self, holders: Int64Array) -> Int64Array:
        chosen = np.flatnonzero(self._rng.random(len(holders)) < _SWAPPED_SHARE)
        swapped = holders.copy()
        swapped[chosen] = holders[self._rng.permutation(chosen)]
        return swapped
