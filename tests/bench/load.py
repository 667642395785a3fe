"""What the worker is given to read: synthetic streams, and a first event for every item."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from producer_tools.connection import Connection
from producer_tools.event_columns import VIEW, EventColumns, Fault
from producer_tools.pacing import FixedRate
from producer_tools.plan import SyntheticPlan
from producer_tools.producing import Delivery, RecordProducer
from producer_tools.records import RecordBlock
from producer_tools.synthetic import SyntheticStream
from producer_tools.synthetic_json import SyntheticJson
from tests.bench.figures import BenchFailed

BLOCK = 20_000
STRIDE = 7_919
"""A prime, so that `n_items` steps meet each item; neighbours in time are no neighbours in the catalogue."""


def past_stream(n_events: int, n_users: int, n_items: int, *, seed: int, events_per_s: float) -> SyntheticStream:
    """A stream whose last event happens now."""
    start_ms = int(time.time() * 1000 - n_events * 1000 / events_per_s)
    return SyntheticStream(SyntheticPlan(n_events, n_users, n_items, seed, start_ms, events_per_s))


def introduction(n_events: int, n_users: int, n_items: int, start_ms: int, span_ms: int) -> Iterator[RecordBlock]:
    """Views that go round all items and all users, so that each occurs; ids are those of the synthetic streams.

    `n_events` over `span_ms` of event time. Each user's events are of one session each.
    """
    plan = SyntheticPlan(n_events, n_users, n_items, seed=0, start_ms=start_ms)
    json = SyntheticJson(plan)
    for first in range(0, n_events, BLOCK):
        number = np.arange(first, min(first + BLOCK, n_events))
        time_ms = start_ms + number * span_ms // n_events
        item = number * STRIDE % n_items
        yield json.block(
            EventColumns(
                number=number,
                user=number % n_users,
                item=item,
                event_type=np.full(len(number), VIEW, np.int8),
                session=number % n_users,
                event_time_ms=time_ms,
                true_time_ms=time_ms,
                fault=np.full(len(number), Fault.NONE, np.uint8),
            )
        )


def produce(
    bootstrap_servers: str, topic: str, blocks: Iterable[RecordBlock], records_per_s: float | None = None
) -> Delivery:
    """Everything as fast as it goes, or open loop at a rate. Raises BenchFailed unless all of it is delivered."""
    schedule = None if records_per_s is None else FixedRate(records_per_s)
    delivery = RecordProducer(Connection(bootstrap_servers), topic).send(blocks, schedule)
    if not delivery.is_complete:
        raise BenchFailed(f"{delivery.n_delivered} of {delivery.n_sent} records delivered: {delivery.first_failure}")
    return delivery
