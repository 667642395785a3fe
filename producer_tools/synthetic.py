"""The synthetic behaviour stream: shoppers, trends, planted faults, in blocks of columns or of records."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from producer_tools.assortment import Assortment
from producer_tools.catalogue import Catalogue
from producer_tools.event_columns import EventColumns, Fault, joined
from producer_tools.faults import FaultPlanter
from producer_tools.insertions import Actions, Insertions
from producer_tools.plan import SyntheticPlan
from producer_tools.records import RecordBlock
from producer_tools.shoppers import Shoppers
from producer_tools.synthetic_json import SyntheticJson
from producer_tools.trends import Trends

_CHUNK_EVENTS = 8_192  # events are drawn in chunks of at least so many, whatever blocks are asked for


class _Draws(IntEnum):
    """What has random numbers of its own, so that it leaves everything else as it is."""

    SHOPPERS = 0
    TRENDS = 1
    FAULTS = 2
    DRIFT = 3
    INSERTIONS = 4


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

    def assortment(self) -> Assortment:
        """Which item has which role, from the stream's beginning."""
        return Assortment(self.plan, self.catalogue, self._rng(_Draws.DRIFT))

    def block(self, events: EventColumns) -> RecordBlock:
        """The records of these events."""
        return self._json.block(events)

    def blocks(self, block_records: int = _CHUNK_EVENTS) -> Iterator[RecordBlock]:
        """The records, `block_records` at a time (the last block may be shorter)."""
        return (self.block(events) for events in self.events(block_records))

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
        plan, clock, trends = self.plan, self.plan.clock(), Trends(self.plan)
        planter = FaultPlanter(plan, self._rng(_Draws.FAULTS))
        n_made = 0
        for actions in self._actions():
            number = n_made + np.arange(len(actions), dtype=np.int64)
            time_ms = clock.ms_at(number)
            events = EventColumns(
                number=number,
                user=actions.user,
                item=trends.sway(actions.item, number, time_ms, actions.chance),
                event_type=actions.event_type,
                session=actions.session,
                event_time_ms=time_ms,
                true_time_ms=time_ms,
                fault=np.full(len(actions), Fault.NONE, dtype=np.uint8),
            )
            yield planter.plant(events).take(slice(0, plan.n_events - n_made))
            n_made += len(events)
            if n_made >= plan.n_events:
                return

    def _actions(self) -> Iterator[Actions]:
        """What people do, and what that brings along, without end."""
        plan, clock = self.plan, self.plan.clock()
        trend_rng = self._rng(_Draws.TRENDS)
        assortment = self.assortment()
        shoppers = Shoppers(plan, self.catalogue, assortment, self._rng(_Draws.SHOPPERS))
        insertions = Insertions(plan, assortment, self._rng(_Draws.INSERTIONS))
        n_rounds = -(-_CHUNK_EVENTS // plan.sessions_at_once)
        n_actions = 0
        while True:
            rounds, at_s = [], 0.0
            for k in range(n_rounds):
                place = np.array([(n_actions + k * plan.sessions_at_once) * plan.records_per_action])
                at_s = float(clock.ms_at(place)[0] - plan.start_ms) / 1_000
                rounds.append(shoppers.next_round(at_s))
            user, item, event_type, session = (np.concatenate(column) for column in zip(*rounds, strict=True))
            n = len(user)
            chance = trend_rng.random(n) if plan.has_trends else np.full(n, np.nan)
            place = (n_actions + np.arange(n)).astype(np.float64)
            n_actions += n
            done = insertions.insert(Actions(place, user, item, event_type, session, chance), at_s)
            if len(done):
                yield done

    def _rng(self, of: _Draws) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.plan.seed).spawn(len(_Draws))[of])
