"""The synthetic behaviour stream: shoppers, a planted trend, planted faults, in blocks of columns or of records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from producer_tools.catalogue import Catalogue
from producer_tools.event_columns import TREND_ITEM, EventColumns, Fault, joined
from producer_tools.faults import FaultPlanter
from producer_tools.plan import SyntheticPlan, Trend
from producer_tools.records import RecordBlock
from producer_tools.shoppers import Shoppers
from producer_tools.synthetic_json import SyntheticJson

_CHUNK_EVENTS = 8_192  # events are drawn in chunks of at least so many, whatever blocks are asked for


class SyntheticStream:
    """A behaviour stream that follows from its plan alone: every iteration gives the same records again.

    The size of the blocks changes nothing, a longer stream begins with the shorter one, and a trend or faults leave
    every record that they don't replace as it is. Memory doesn't grow with the number of events.

    >>> stream = SyntheticStream(SyntheticPlan(n_events=3, n_users=10, n_items=10))
    >>> [len(block) for block in stream.blocks(block_records=2)]
    [2, 1]
    """

    def __init__(self, plan: SyntheticPlan) -> None:
        self.plan = plan
        self.catalogue = Catalogue(plan.n_items)
        self._json = SyntheticJson(plan)

    def item_id(self, item: int) -> str:
        """The id that an entry of `EventColumns.item` has in the records."""
        return self._json.item_id(item)

    def user_id(self, user: int) -> str:
        """The id that an entry of `EventColumns.user` has in the records."""
        return self._json.user_id(user)

    def blocks(self, block_records: int = _CHUNK_EVENTS) -> Iterator[RecordBlock]:
        """The records, `block_records` at a time (the last block may be shorter)."""
        return (self._json.block(events) for events in self.events(block_records))

    def events(self, block_records: int = _CHUNK_EVENTS) -> Iterator[EventColumns]:
        """The same events as numbers, cut in the same way; for recounting what a consumer should have learned."""
        if block_records < 1:
            raise ValueError(f"a block needs at least one record, got {block_records}")
        waiting: list[EventColumns] = []
        n_waiting = 0
        for chunk in self._chunks():
            waiting.append(chunk)
            n_waiting += len(chunk)
            if n_waiting < block_records:
                continue
            whole = joined(waiting)
            n_out = n_waiting - n_waiting % block_records
            for start in range(0, n_out, block_records):
                yield whole.take(slice(start, start + block_records))
            waiting = [whole.take(slice(n_out, None))]
            n_waiting -= n_out
        if n_waiting:
            yield joined(waiting)

    def _chunks(self) -> Iterator[EventColumns]:
        """The events in chunks whose size depends on the plan only."""
        plan = self.plan
        for_shoppers, for_trend, for_faults = np.random.SeedSequence(plan.seed).spawn(3)
        shoppers = Shoppers(plan, self.catalogue, np.random.default_rng(for_shoppers))
        trend_rng = np.random.default_rng(for_trend)
        planter = FaultPlanter(plan.faults, plan.events_per_s, np.random.default_rng(for_faults))
        n_made = 0
        while n_made < plan.n_events:
            events = self._good_events(shoppers, n_made)
            if plan.trend is not None:
                events = _with_trend(events, plan.trend, trend_rng)
            events = planter.plant(events)
            yield events.take(slice(0, plan.n_events - n_made))
            n_made += len(events)

    def _good_events(self, shoppers: Shoppers, first: int) -> EventColumns:
        n_rounds = -(-_CHUNK_EVENTS // self.plan.sessions_at_once)
        rounds = [shoppers.next_round() for _ in range(n_rounds)]
        user, item, event_type, session = (np.concatenate(column) for column in zip(*rounds, strict=True))
        number = first + np.arange(len(user), dtype=np.int64)
        time_ms = self.plan.start_ms + (number * (1_000.0 / self.plan.events_per_s)).astype(np.int64)
        fault = np.full(len(user), Fault.NONE, dtype=np.uint8)
        return EventColumns(number, user, item, event_type, session, time_ms, time_ms, fault)


def _with_trend(events: EventColumns, trend: Trend, rng: np.random.Generator) -> EventColumns:
    is_about_it = (rng.random(len(events)) < trend.share) & (events.number >= trend.at_event)
    return replace(events, item=np.where(is_about_it, TREND_ITEM, events.item))
