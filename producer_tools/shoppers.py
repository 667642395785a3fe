"""Shoppers walking through the catalogue: who does what with which item, session by session.

Many sessions are under way at once. In each round every one of them does one thing, in an order drawn anew, so a
round is computed as arrays and successive events of one session are a round apart.
"""

from __future__ import annotations

import numpy as np

from producer_tools.catalogue import Catalogue
from producer_tools.event_columns import CART, PURCHASE, REMOVE_FROM_CART, VIEW
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Int8Array, Int64Array

_END_SHARE = 1 / 8  # of all events, the last of their session: eight events a session on average
_AFTER_CART_PURCHASE = 0.40  # of all events in the cart, the next is the purchase
_AFTER_CART_REMOVAL = 0.55  # … or, from 0.40 to here, the removal
_AFTER_VIEW_CART = 0.10
_AFTER_VIEW_SAME = 0.18  # from 0.10 to here: the same item is viewed again
_JUMP_SHARE = 0.15  # of the moves to another item: anywhere in the catalogue instead of to a neighbour

Round = tuple[Int64Array, Int64Array, Int8Array, Int64Array]


class Shoppers:
    """The sessions under way. A user has at most one at a time: slot s hosts the users s, s + n, s + 2n, …"""

    def __init__(self, plan: SyntheticPlan, catalogue: Catalogue, rng: np.random.Generator) -> None:
        self._n = plan.sessions_at_once
        self._n_users = plan.n_users
        self._catalogue = catalogue
        self._rng = rng
        self._user = np.zeros(self._n, dtype=np.int64)
        self._item = np.zeros(self._n, dtype=np.int64)
        self._type = np.zeros(self._n, dtype=np.int8)
        self._session = np.zeros(self._n, dtype=np.int64)
        self._n_sessions = 0
        self._is_over = np.ones(self._n, dtype=np.bool_)

    def next_round(self) -> Round:
        """One event of each session: user, item, event type, session; each (sessions_at_once,)."""
        self._go_on()
        self._open_sessions(np.flatnonzero(self._is_over))
        self._is_over = self._rng.random(self._n) < _END_SHARE
        order = self._rng.permutation(self._n)
        return self._user[order], self._item[order], self._type[order], self._session[order]

    def _go_on(self) -> None:
        """What every session does next, were it not over."""
        u = self._rng.random(self._n)
        is_after_cart = self._type == CART
        buys = is_after_cart & (u < _AFTER_CART_PURCHASE)
        removes = is_after_cart & ~buys & (u < _AFTER_CART_REMOVAL)
        is_after_view = self._type == VIEW
        adds = is_after_view & (u < _AFTER_VIEW_CART)
        stays = is_after_view & ~adds & (u < _AFTER_VIEW_SAME)
        self._type = np.select(
            [buys, removes, adds], [np.int8(PURCHASE), np.int8(REMOVE_FROM_CART), np.int8(CART)], np.int8(VIEW)
        )
        moves = np.flatnonzero(~(buys | removes | adds | stays))
        self._item[moves] = self._next_items(self._item[moves])

    def _next_items(self, items: Int64Array) -> Int64Array:
        near = self._catalogue.neighbours(self._rng, items)
        anywhere = self._catalogue.any_items(self._rng, len(items))
        return np.where(self._rng.random(len(items)) < _JUMP_SHARE, anywhere, near)

    def _open_sessions(self, slots: Int64Array) -> None:
        """New sessions of other users in these slots; the square makes some users far more active than others."""
        hosted = (self._n_users - slots + self._n - 1) // self._n
        self._user[slots] = slots + self._n * (hosted * self._rng.random(len(slots)) ** 2).astype(np.int64)
        self._item[slots] = self._catalogue.any_items(self._rng, len(slots))
        self._type[slots] = VIEW
        self._session[slots] = self._n_sessions + np.arange(len(slots))
        self._n_sessions += len(slots)
