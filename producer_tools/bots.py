"""Bots: a few users who look at one unpopular item each, as fast as their share of the stream allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from producer_tools.event_columns import VIEW, EventColumns, Fault
from producer_tools.plan import MAX_EVENTS, SyntheticPlan
from producer_tools.records import Int64Array

N_BOTS = 3
_LAST_SESSION = MAX_EVENTS - 1  # sessions of people are counted from 0 and never come so far


class Bots:
    """Those of one plan: users n_users … n_users + N_BOTS - 1."""

    def __init__(self, plan: SyntheticPlan) -> None:
        self.users: Int64Array = plan.n_users + np.arange(N_BOTS)
        self.items: Int64Array = plan.n_items - 1 - np.arange(N_BOTS) % plan.n_items
        """(N_BOTS,) what each of them looks at."""

    def visit(self, events: EventColumns, rng: np.random.Generator) -> EventColumns:
        """The same events, with those of fault BOT made by bots."""
        places = np.flatnonzero(events.fault == Fault.BOT)
        if not len(places):
            return events
        which = rng.integers(N_BOTS, size=len(places))
        user, item, session = (column.copy() for column in (events.user, events.item, events.session))
        event_type = events.event_type.copy()
        user[places], item[places] = self.users[which], self.items[which]
        event_type[places], session[places] = VIEW, _LAST_SESSION - which
        return replace(events, user=user, item=item, event_type=event_type, session=session)
