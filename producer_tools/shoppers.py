"""Shoppers walking through the catalogue: who does what with which item, session by session.

Many sessions are under way at once. In each round every one of them does one thing, in an order drawn anew, so a
round is computed as arrays and successive events of one session are a round apart.
"""

from __future__ import annotations

import numpy as np

from producer_tools.assortment import Assortment
from producer_tools.catalogue import Catalogue
from producer_tools.event_columns import CART, PURCHASE, REMOVE_FROM_CART, VIEW
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Int8Array, Int64Array

END_SHARE = 1 / 8  # of all events, the last of their session: eight events a session on average
BUYS = 0.40  # of all events in the cart, the next is the purchase
REMOVES = 0.15  # … or the removal
ADDS = 0.10  # of all views, the next is the same item's way into the cart
STAYS = 0.08  # … or the same item is viewed again
JUMPS = 0.15  # of the moves to another item: anywhere in the catalogue instead of to a neighbour

Round = tuple[Int64Array, Int64Array, Int8Array, Int64Array]


class Shoppers:
    """The sessions under way. A user has at most one at a time: slot s hosts the users s, s + n, s + 2n, …"""

    def __init__(
        self, plan: SyntheticPlan, catalogue: Catalogue, assortment: Assortment, rng: np.random.Generator
    ) -> None:
        self._n = plan.sessions_at_once
        self._n_users = plan.n_users
        self._catalogue = catalogue
        self._assortment = assortment
        self._rng = rng
        self._user = np.zeros(self._n, dtype=np.int64)
        self._role = np.zeros(self._n, dtype=np.int64)
        self._item = np.zeros(self._n, dtype=np.int64)
        self._type = np.zeros(self._n, dtype=np.int8)
        self._session = np.zeros(self._n, dtype=np.int64)
        self._n_sessions = 0
        self._is_over = np.ones(self._n, dtype=np.bool_)

    def next_round(self, at_s: float) -> Round:
        """One event of each session, this long after the start: user, item, event type, session; each
        (sessions_at_once,)."""
        self._go_on(at_s)
        self._open_sessions(np.flatnonzero(self._is_over), at_s)
        self._is_over = self._rng.random(self._n) < END_SHARE
        order = self._rng.permutation(self._n)
        return self._user[order], self._item[order], self._type[order], self._session[order]

    def _go_on(self, at_s: float) -> None:
        """What every session does next, were it not over."""
        u = self._rng.random(self._n)
        is_after_cart = self._type == CART
        buys = is_after_cart & (u < BUYS)
        removes = is_after_cart & ~buys & (u < BUYS + REMOVES)
        is_after_view = self._type == VIEW
        adds = is_after_view & (u < ADDS)
        stays = is_after_view & ~adds & (u < ADDS + STAYS)
        self._type = np.select(
            [buys, removes, adds], [np.int8(PURCHASE), np.int8(REMOVE_FROM_CART), np.int8(CART)], np.int8(VIEW)
        )
        moves = np.flatnonzero(~(buys | removes | adds | stays))
        self._role[moves], self._item[moves] = self._next_items(self._role[moves], at_s)

    def _next_items(self, roles: Int64Array, at_s: float) -> tuple[Int64Array, Int64Array]:
        near = self._catalogue.neighbours(self._rng, roles)
        near_item = self._assortment.holders(self._rng, near, at_s)
        far, far_item = self._assortment.by_demand(self._rng, len(roles), at_s)
        jumps = self._rng.random(len(roles)) < JUMPS
        return np.where(jumps, far, near), np.where(jumps, far_item, near_item)

    def _open_sessions(self, slots: Int64Array, at_s: float) -> None:
        """New sessions of other users in these slots; the square makes some users far more active than others."""
        hosted = (self._n_users - slots + self._n - 1) // self._n
        self._user[slots] = slots + self._n * (hosted * self._rng.random(len(slots)) ** 2).astype(np.int64)
        self._role[slots], self._item[slots] = self._assortment.by_demand(self._rng, len(slots), at_s)
        self._type[slots] = VIEW
        self._session[slots] = self._n_sessions + np.arange(len(slots))
        self._n_sessions += len(slots)
