"""Records that other ones bring along: what was shown before a view, and purchases that come back.

A view is the delayed click on one of the `plan.impressions` items shown together some seconds before it; a return
follows about an hour after its purchase. Both are put in by their places in the stream of actions, so everything stays
in one order, whatever the speed of event time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from producer_tools.assortment import Assortment
from producer_tools.event_columns import IMPRESSION, PURCHASE, RETURN, VIEW
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Float64Array, Int8Array, Int64Array

_CLICK_AFTER = 0.25  # mean delay of a click, in gaps between the actions of a session (about 20 s)
_CLICK_LATEST = 3.0
_RETURN_AFTER_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Actions:
    """What people do, and what follows from it, before it has its final number and time."""

    place: Float64Array  # (n,) among the actions; ascending but for `joined` ones
    user: Int64Array
    item: Int64Array
    event_type: Int8Array
    session: Int64Array
    chance: Float64Array  # (n,) of going with a trend, see `Trends.sway`; the same for a click and its impression

    def __len__(self) -> int:
        return len(self.place)

    def take(self, index: Int64Array | slice) -> Actions:
        return Actions(*(getattr(self, f.name)[index] for f in fields(self)))


def joined(parts: list[Actions]) -> Actions:
    return Actions(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Actions)))


class Insertions:
    """Goes through one stream from its beginning; remembers what is still to come."""

    def __init__(self, plan: SyntheticPlan, assortment: Assortment, rng: np.random.Generator) -> None:
        self._plan = plan
        self._assortment = assortment
        self._rng = rng
        self._gap = float(plan.sessions_at_once)
        self._return_after = _RETURN_AFTER_S * plan.events_per_s / plan.records_per_action
        self._waiting: list[Actions] = []

    def insert(self, actions: Actions, at_s: float) -> Actions:
        """These actions, or those before them, with what they bring along. All that is given out is in order."""
        if self._plan.impressions == 0 and self._plan.returns == 0:
            return actions
        whole = joined([*self._waiting, actions, *self._impressions(actions, at_s), *self._returns(actions)])
        whole = whole.take(np.argsort(whole.place, kind="stable"))
        latest_place = actions.place[-1] - (_CLICK_LATEST * self._gap if self._plan.impressions else 0.0)
        n_done = int(np.searchsorted(whole.place, latest_place, side="right"))
        self._waiting = [whole.take(slice(n_done, None))]
        return whole.take(slice(0, n_done))

    def _impressions(self, actions: Actions, at_s: float) -> list[Actions]:
        """One list of items for each view: the viewed one somewhere among others by demand."""
        n_shown = self._plan.impressions
        if n_shown == 0:
            return []
        views = actions.take(np.flatnonzero(actions.event_type == VIEW))
        n = len(views)
        delay = np.minimum(self._rng.exponential(_CLICK_AFTER, n), _CLICK_LATEST) * self._gap
        clicked = self._rng.integers(n_shown, size=n)
        shown = []
        for k in range(n_shown):
            _, other = self._assortment.by_demand(self._rng, n, at_s)
            is_clicked = clicked == k
            shown.append(
                Actions(
                    place=views.place - delay,
                    user=views.user,
                    item=np.where(is_clicked, views.item, other),
                    event_type=np.full(n, IMPRESSION, np.int8),
                    session=views.session,
                    chance=np.where(is_clicked, views.chance, np.nan),
                )
            )
        return shown

    def _returns(self, actions: Actions) -> list[Actions]:
        if self._plan.returns == 0:
            return []
        purchases = np.flatnonzero(actions.event_type == PURCHASE)
        come_back = purchases[self._rng.random(len(purchases)) < self._plan.returns]
        found = actions.take(come_back)
        n = len(found)
        return [
            Actions(
                place=found.place + self._return_after * (0.5 + self._rng.random(n)),
                user=found.user,
                item=found.item,
                event_type=np.full(n, RETURN, np.int8),
                session=found.session,
                chance=found.chance,
            )
        ]
