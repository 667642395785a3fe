"""Reads back what was committed to the output topics: `consumer.ports.OutputLog` on librdkafka consumers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.clock import Clock, SystemClock
from consumer.errors import FreshrankError, Retryable
from consumer.kafka.client_config import new_consumer, reader_properties
from consumer.kafka.client_errors import is_refusal, translated
from consumer.kafka.metadata import bounds_of, partitions_of
from consumer.kafka.records import stored_record
from consumer.messages import Positions, StoredRecord
from consumer.settings import Settings

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 10.0
NO_PROGRESS_S: Final = 30.0
WAIT_S: Final = 0.1
PIECE: Final = 1_000
_PASSING: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT})


class KafkaLog:
    """Consumers assigned by hand, in no group. Several reads may be under way at once, each on a consumer of its own.

    Not thread-safe. Raises BadSettings where librdkafka refuses a property. `while_waiting` is called with each piece
    that is read, and while none comes.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        # A finite read waits for its end, not for a full fetch.
        self._properties = {**reader_properties(settings), "fetch.min.bytes": 1, "fetch.wait.max.ms": 20}
        self._clock = clock or SystemClock()
        self._while_waiting = while_waiting
        self._idle: list[Consumer] = []
        self._refusal: FreshrankError | None = None

    def partitions(self, topic: str) -> Sequence[int]:
        with self._borrowed() as consumer:
            return self._partitions(consumer, topic)

    def ends(self, topic: str) -> Positions:
        with self._borrowed() as consumer:
            bounds = bounds_of(consumer, topic, self._partitions(consumer, topic), ANSWER_TIMEOUT_S)
        return {partition: end for partition, (_, end) in bounds.items()}

    def read(self, topic: str, start: Positions) -> Iterator[StoredRecord]:
        """As the port says. The end is the last stable offset, so records of a transaction still open aren't waited
        for. A start beyond the log's end belongs to another log: the topic was made anew and is read from its first
        offset. Raises Retryable when nothing came for `NO_PROGRESS_S`.
        """
        with self._borrowed() as consumer:
            partitions = self._partitions(consumer, topic)
            bounds = bounds_of(consumer, topic, partitions, ANSWER_TIMEOUT_S)
        ranges = {}
        for partition, (first, end) in bounds.items():
            begin = max(first, start.get(partition, first))
            if begin > end and begin > self._high_watermark(topic, partition):
                log.warning(
                    "%s [%d]: nothing at %d, the log ends at %d; reading all of it", topic, partition, begin, end
                )
                begin = first
            if begin < end:
                ranges[partition] = (begin, end)
        return self._records(topic, ranges)

    def reconnect(self) -> None:
        self.close()

    def await_settled(self, topic: str) -> None:
        """Wait until no transaction that is open now hides what lies behind its records: a read that begins afterwards
        sees all that was committed before the call. Raises Retryable where one stays open for `NO_PROGRESS_S`.
        """
        with self._borrowed() as consumer:
            partitions = self._partitions(consumer, topic)
            ends = {partition: self._high_watermark(topic, partition) for partition in partitions}
            give_up_s = self._clock.monotonic_s() + NO_PROGRESS_S
            while hidden := [p for p, (_, end) in self._stable(consumer, topic, partitions).items() if end < ends[p]]:
                if self._clock.monotonic_s() >= give_up_s:
                    raise Retryable(f"{topic} {hidden}: a transaction has been open for {NO_PROGRESS_S:g} s")
                consumer.poll(WAIT_S)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _stable(self, consumer: Consumer, topic: str, partitions: Sequence[int]) -> Mapping[int, tuple[int, int]]:
        return bounds_of(consumer, topic, partitions, ANSWER_TIMEOUT_S)

    def _partitions(self, consumer: Consumer, topic: str) -> Sequence[int]:
        try:
            return partitions_of(consumer, topic, ANSWER_TIMEOUT_S)
        except Retryable as error:
            consumer.poll(0)  # a refused sign-in comes as an event only
            raise self._refusal or error from error

    def _records(self, topic: str, ranges: Mapping[int, tuple[int, int]]) -> Iterator[StoredRecord]:
        if not ranges:
            return
        with self._borrowed() as consumer:
            consumer.assign([TopicPartition(topic, p, begin) for p, (begin, _) in ranges.items()])
            ends = {p: end for p, (_, end) in ranges.items()}
            moved_at_s = self._clock.monotonic_s()
            while ends:
                messages = consumer.consume(PIECE, WAIT_S)
                self._while_waiting()
                if messages:
                    moved_at_s = self._clock.monotonic_s()
                for message in messages:
                    if self._is_record(message, ends):
                        yield stored_record(message)
                if not messages:
                    _drop_passed(consumer, topic, ends)
                    self._raise_if_stuck(topic, ends, moved_at_s)

    def _is_record(self, message: Message, ends: dict[int, int]) -> bool:
        """Whether to hand it out. Takes partitions that reached their end out of `ends`."""
        partition, offset, error = message.partition(), message.offset(), message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._take_error(message, error)
            return False
        if partition is None or offset is None or partition not in ends:
            return False
        end = ends[partition]
        if offset + (error is None) >= end:
            del ends[partition]
        return error is None and offset < end

    def _take_error(self, message: Message, error: KafkaError) -> None:
        if error.code() in _PASSING:
            log.warning("reading %s: %s (goes on by itself)", message.topic(), error.str())
            return
        raise translated(error, f"reading {message.topic()} [{message.partition()}] at {message.offset()}")

    def _raise_if_stuck(self, topic: str, ends: Positions, moved_at_s: float) -> None:
        if self._refusal is not None:
            raise self._refusal
        if self._clock.monotonic_s() - moved_at_s >= NO_PROGRESS_S:
            self.reconnect()
            raise Retryable(f"reading {topic}: nothing came for {NO_PROGRESS_S:g} s, still to reach: {dict(ends)}")

    def _high_watermark(self, topic: str, partition: int) -> int:
        """The end with the records of open transactions."""
        consumer = new_consumer(self._settings, {**self._properties, "isolation.level": "read_uncommitted"})
        try:
            return bounds_of(consumer, topic, [partition], ANSWER_TIMEOUT_S)[partition][1]
        finally:
            consumer.close()

    @contextmanager
    def _borrowed(self) -> Iterator[Consumer]:
        consumer = self._idle.pop() if self._idle else self._connected()
        try:
            yield consumer
        except BaseException:
            consumer.close()  # what it knows of the topics may be why
            raise
        consumer.unassign()
        self._idle.append(consumer)

    def _connected(self) -> Consumer:
        return new_consumer(self._settings, self._properties, error_cb=self._client_failed)

    def _client_failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._refusal = translated(error, "connecting to Kafka")


def _drop_passed(consumer: Consumer, topic: str, ends: dict[int, int]) -> None:
    """Forget partitions whose position has passed their end by skipping markers or aborted records."""
    for at in consumer.position([TopicPartition(topic, p) for p in ends]):
        if at.offset >= ends[at.partition]:
            del ends[at.partition]
