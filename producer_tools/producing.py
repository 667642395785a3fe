"""Sends blocks of records and knows afterwards what became of each: the one place where the tools produce.

Records are handed over in order, at their due times or as fast as the broker takes them. A full queue holds the sender
up and loses nothing. The first failed delivery stops the sending: to go on would leave a hole behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from confluent_kafka import KafkaException

from producer_tools.connection import Connection, Properties, failure_text
from producer_tools.errors import ToolError, UsageError
from producer_tools.pacing import AsFastAsPossible, Lateness, Schedule
from producer_tools.record_client import NOW_MS, QUEUE_FULL, RecordClient
from producer_tools.records import Float64Array, Int64Array, RecordBlock


class Timestamps(StrEnum):
    """What the records are stamped with."""

    NOW = "now"  # the moment of sending
    EVENT = "event"  # when the event happened: a topic with time retention deletes such history, see topic_check


Progress = Callable[[int], None]
"""Called now and then with the number of records handed over so far."""

_DEFAULTS: Properties = {
    "linger.ms": 5,
    "batch.num.messages": 10_000,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 200_000,
    "queue.buffering.max.kbytes": 131_072,
    "message.timeout.ms": 30_000,
}
_OWN: Properties = {
    "acks": "all",
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    # failures only: no Python call for each delivered record
    "delivery.report.only.error": True,
}
_SLICE = 1_000  # records between two looks at the clock and at the delivery reports
_FLUSH_S = 1.0
_QUEUE_WAIT_S = 0.005
_LONGEST_WAIT_S = 0.1
_SHORTEST_WAIT_S = 0.001


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the records. All is well if `is_complete`."""

    n_sent: int  # handed over to the client
    n_delivered: int  # confirmed by the broker
    first_failure: str  # what ended the sending early; empty: nothing did
    was_interrupted: bool
    seconds: float
    sending_s: float  # until the last one was handed over
    late_p50_s: float
    late_p99_s: float  # the sender behind its own schedule; 0 where everything was due at once
    late_max_s: float

    @property
    def is_complete(self) -> bool:
        return self.n_delivered == self.n_sent and not self.first_failure and not self.was_interrupted


class Ledger(Protocol):
    """Keeps in Kafka itself how far the sending has come. Every call may raise ToolError."""

    @property
    def n_settled(self) -> int:
        """Records of this sending that count, whatever happens from now on."""
        ...

    def open(self, n_sent: int) -> None:
        """Before records are handed over."""
        ...

    def settle(self, n_sent: int) -> None:
        """Now and then: so many have been handed over."""
        ...

    def finish(self, n_sent: int, *, is_whole: bool) -> None:
        """These were the last ones; of all records, if the sending is whole."""
        ...

    def abandon(self) -> None:
        """What has not been settled does not count."""
        ...


class RecordProducer:
    """One producer for one topic; `send` may be called again. Raises UsageError if the client refuses a property."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        timestamps: Timestamps = Timestamps.NOW,
        transactional: Properties | None = None,
    ) -> None:
        self._timestamps = timestamps
        self._n_sent = 0
        self._failure = ""
        self._ledger: Ledger | None = None
        own = {**_OWN, **(transactional or {})}
        try:
            self.client = RecordClient({**_DEFAULTS, **connection.properties(), **own}, topic)
        except KafkaException as error:
            raise UsageError(f"the Kafka client refuses its properties: {failure_text(error)}") from error

    def send(
        self,
        blocks: Iterable[RecordBlock],
        schedule: Schedule | None = None,
        on_progress: Progress | None = None,
        ledger: Ledger | None = None,
    ) -> Delivery:
        """Send all blocks and wait until each record is delivered or has failed. With a ledger, delivered are those
        that it has settled, and the rest does not count.

        An interrupt (Ctrl-C) ends the sending, not the waiting. What goes wrong is in the answer, a ToolError that
        `blocks` raises included: the records before it are delivered all the same.
        """
        n_failed_before = self.client.n_failed
        self._n_sent, self._failure, self._ledger = 0, "", ledger
        lateness = Lateness()
        start_s = time.monotonic()
        was_interrupted = is_whole = False
        try:
            for late_s in self._sending(blocks, schedule or AsFastAsPossible(), start_s):
                if schedule is not None:
                    lateness.add(late_s)
                if on_progress is not None:
                    on_progress(self._n_sent)
            is_whole = not self._first_failure
        except KeyboardInterrupt:
            was_interrupted = True
        except ToolError as error:
            self._failure = self._failure or str(error)
        sending_s = time.monotonic() - start_s
        if ledger is None:
            n_delivered = self._n_sent - self._wait_for_deliveries() - (self.client.n_failed - n_failed_before)
            failure = self._first_failure
        else:
            failure = self._close(ledger, is_whole=is_whole, was_interrupted=was_interrupted)
            n_delivered = ledger.n_settled
        return Delivery(
            n_sent=self._n_sent,
            n_delivered=n_delivered,
            first_failure=failure,
            was_interrupted=was_interrupted,
            seconds=time.monotonic() - start_s,
            sending_s=sending_s,
            late_p50_s=lateness.quantile_s(0.5),
            late_p99_s=lateness.quantile_s(0.99),
            late_max_s=lateness.max_s,
        )

    @property
    def _first_failure(self) -> str:
        return self._failure or self.client.first_failure

    def _sending(self, blocks: Iterable[RecordBlock], schedule: Schedule, start_s: float) -> Iterator[Float64Array]:
        """Yields, after each slice, how late its records were handed over (s)."""
        n_before = 0
        for block in blocks:
            due_s = schedule.due_s(n_before, block.times_ms)
            n_before += len(block)
            columns, stamps_ms = block.in_columns(), self._stamps_ms(block)
            start = 0
            while start < len(block):
                now_s = self._wait_until(start_s + due_s[start]) - start_s
                end = _end_of_due(due_s, start, now_s)
                if self._ledger is not None:
                    self._ledger.open(self._n_sent)
                self._hand_over(columns, stamps_ms, start, end)
                if self._first_failure:
                    return
                yield now_s - due_s[start:end]
                start = end

    def _stamps_ms(self, block: RecordBlock) -> Int64Array:
        if self._timestamps is Timestamps.EVENT:
            return np.ascontiguousarray(block.times_ms, dtype=np.int64)
        return np.full(len(block), NOW_MS, np.int64)

    def _wait_until(self, at_s: float) -> float:
        """Hear of failures, at least once, until the time has come; returns the time."""
        self._look_after()
        while (left_s := at_s - time.monotonic()) > 0 and not self._first_failure:
            # a wait this short isn't worth waking up for every record; the ones behind it are due by then too
            self._look_after(min(max(left_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))
        return time.monotonic()

    def _look_after(self, wait_s: float = 0.0) -> None:
        self.client.poll(wait_s)
        if self._ledger is not None and not self._first_failure:
            self._ledger.settle(self._n_sent)

    def _hand_over(self, block: RecordBlock, stamps_ms: Int64Array, start: int, end: int) -> None:
        while start < end and not self._first_failure:
            done, code = self.client.hand_over(block, stamps_ms, start, end)
            self._n_sent += done - start
            start = done
            if code == QUEUE_FULL:
                self.client.poll(_QUEUE_WAIT_S)
            elif code:
                self._failure = self.client.said(code)

    def _close(self, ledger: Ledger, *, is_whole: bool, was_interrupted: bool) -> str:
        """The first failure, if any. An interrupt may come between handing over and counting, so what it leaves
        unsettled does not count."""
        failure = self._first_failure  # before an abort fails all that is still under way
        try:
            if was_interrupted or self.client.first_failure:
                ledger.abandon()
            else:
                ledger.finish(self._n_sent, is_whole=is_whole)
        except ToolError as error:
            return failure or str(error)
        return failure

    def _wait_for_deliveries(self) -> int:
        """Returns when nothing is under way any more: `message.timeout.ms` bounds that. A second interrupt gives up.

        Returns the number of records given up.
        """
        try:
            while self.client.flush(_FLUSH_S):
                pass
        except KeyboardInterrupt:
            return self.client.n_under_way
        return 0


def _end_of_due(due_s: Float64Array, start: int, now_s: float) -> int:
    """The end of the slice that starts at `start` and is due by now; it has at least one record."""
    window = due_s[start : start + _SLICE]
    later = np.flatnonzero(window > now_s)
    return start + max(1, int(later[0]) if len(later) else len(window))
