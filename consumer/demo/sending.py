"""Sends the stream on a thread of its own, at its fixed rate, and knows when the trend began."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from consumer.errors import Fatal
from producer_tools.connection import Connection
from producer_tools.event_columns import TREND_ITEM
from producer_tools.pacing import FixedRate
from producer_tools.plan import SyntheticPlan
from producer_tools.producing import Delivery, RecordProducer
from producer_tools.records import RecordBlock
from producer_tools.synthetic import SyntheticStream

BLOCKS_PER_S = 10


class Sending:
    """Under way from construction on, until the stream ends or `stop`. Times are of `time.monotonic`."""

    def __init__(self, bootstrap_servers: str, topic: str, plan: SyntheticPlan) -> None:
        self._plan = plan
        self._stream = SyntheticStream(plan)
        self._first_of_trend = _first_of_trend(self._stream)
        self._producer = RecordProducer(Connection(bootstrap_servers), topic)
        self._stopping = threading.Event()
        self._delivery: Delivery | None = None
        self.n_sent = 0
        self.trend_began_s: float | None = None
        """Just before the first event about the trending item was handed to the client."""
        self.started_s = self._told_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="demo-sending", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def n_delivered(self) -> int:
        """Of the whole stream, once it is over. Raises Fatal where a record could not be delivered."""
        self._thread.join()
        delivery = self._delivery
        if delivery is None or not delivery.is_complete:
            raise Fatal(f"the stream could not be sent: {delivery.first_failure if delivery else 'see above'}")
        return delivery.n_delivered

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        self._delivery = self._producer.send(self._blocks(), FixedRate(self._plan.events_per_s), self._note)

    def _blocks(self) -> Iterator[RecordBlock]:
        for block in self._stream.blocks(max(1, int(self._plan.events_per_s / BLOCKS_PER_S))):
            if self._stopping.is_set():
                return
            yield block

    def _note(self, n_sent: int) -> None:
        if self.trend_began_s is None and n_sent > self._first_of_trend:
            self.trend_began_s = self._told_s
        self.n_sent, self._told_s = n_sent, time.monotonic()


def _first_of_trend(stream: SyntheticStream) -> int:
    """Number of the first event about the trending item; beyond the stream if there is none."""
    n_before = 0
    for events in stream.events():
        about_it = (events.item == TREND_ITEM).nonzero()[0]
        if len(about_it):
            return n_before + int(about_it[0])
        n_before += len(events)
    return n_before
