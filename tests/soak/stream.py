"""Events of shoppers and items that are ever new, and at the end those of the few that are left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from producer_tools.event_columns import CART, VIEW, EventColumns, Fault
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Int64Array, RecordBlock
from producer_tools.synthetic_json import SyntheticJson

BLOCK = 20_000
SHOPPERS = 500
"""At a time; when they leave, as many others come, and nobody comes back."""
VISITS = 4
"""Events of one shopper."""
EVENTS_PER_ITEM = 50
CARTS = 10  # one event in so many


@dataclass(frozen=True, slots=True)
class Flood:
    n_events: int
    events_per_s: int  # of event time
    n_wanted: int
    """Items that shoppers turn to at a time: the newest ones."""
    start_ms: int
    pause_s: float
    """Of event time, between the last event and those of the few that are left."""
    n_left: int = 50

    @property
    def n_users(self) -> int:
        return self.n_events // VISITS

    @property
    def n_items(self) -> int:
        return self.n_events // EVENTS_PER_ITEM

    @property
    def n_last_events(self) -> int:
        return 40 * self.n_left

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.n_events * 1000 // self.events_per_s

    def blocks(self) -> Iterator[RecordBlock]:
        json = self._json()
        for first in range(0, self.n_events, BLOCK):
            number = np.arange(first, min(first + BLOCK, self.n_events))
            user = number // (SHOPPERS * VISITS) * SHOPPERS + number % SHOPPERS
            draw = np.random.default_rng(first).random(len(number))
            item = np.maximum(0, number // EVENTS_PER_ITEM - (self.n_wanted * draw**3).astype(np.int64))
            yield json.block(_events(number, user, item, self.start_ms + number * 1000 // self.events_per_s))

    def last_blocks(self) -> Iterator[RecordBlock]:
        """After the pause a few shoppers turn to a few items, and to no other any more."""
        number = self.n_events + np.arange(self.n_last_events)
        item = self.n_items - 1 - number % self.n_left
        time_ms = self.end_ms + int(self.pause_s * 1000) + np.arange(len(number))
        yield self._json().block(_events(number, self.n_users - 1 - number % SHOPPERS, item, time_ms))

    def _json(self) -> SyntheticJson:
        return SyntheticJson(SyntheticPlan(self.n_events, self.n_users, self.n_items, seed=0, start_ms=self.start_ms))


def _events(number: Int64Array, user: Int64Array, item: Int64Array, time_ms: Int64Array) -> EventColumns:
    return EventColumns(
        number=number,
        user=user,
        item=item,
        event_type=np.where(number % CARTS == 0, CART, VIEW).astype(np.int8),
        session=user,
        event_time_ms=time_ms,
        true_time_ms=time_ms,
        fault=np.full(len(number), Fault.NONE, np.uint8),
    )
