"""The input topic behind the lease of one model: `consumer.ports.EventInput` on a librdkafka consumer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.clock import Clock, SystemClock
from consumer.errors import Fatal, FreshrankError, Retryable
from consumer.kafka.client_config import DEFAULT_MAX_POLL_INTERVAL_MS, input_properties, instance_id, new_consumer
from consumer.kafka.client_errors import is_refusal, translated
from consumer.kafka.complaints import client_log
from consumer.kafka.lease import Lease
from consumer.kafka.metadata import bounds_of, partitions_of
from consumer.kafka.positions import HandedOut
from consumer.kafka.records import record_batch
from consumer.kafka.turns import Turns
from consumer.messages import Positions, RecordBatch
from consumer.settings import Settings

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 10.0
LEAVE_TIMEOUT_S: Final = 3.0
SLICE_S: Final = 0.1
"""A poll gives way to other calls at least this often."""
ENDS_EVERY_S: Final = 0.25
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_DAMAGED: Final = frozenset({KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.INVALID_MSG})


def _nobody_cares() -> None:
    return None


AT_ONCE: Final = 1_000
"""Records asked for in one call, which holds the interpreter's lock while it makes their messages: a microsecond each,
during which the learning loop cannot go from one kernel to the next."""


class KafkaInput:
    """A member of the model's group from the moment it is made; reads once it has the lease and is told where.

    One thread may poll while another makes the other calls; of those only `has_lease`, `lag` and `commit` never wait
    for the poll (they don't touch the client), the rest wait at most `SLICE_S` and the broker's answer. After the lease
    was lost, batches handed out before are void: whoever queued them must drop them before `start_reading`.

    Raises BadSettings where librdkafka refuses a property.
    """

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, on_rebalance: Callable[[], None] = _nobody_cares
    ) -> None:
        properties = input_properties(settings)
        self._topic = settings.input.topic
        self._batch = settings.batch
        self._group = f"group {settings.group_id}"
        self._instance_id = instance_id(settings)
        self._clock = clock or SystemClock()
        self._on_rebalance = on_rebalance
        self._poll_interval_s = float(properties.get("max.poll.interval.ms", DEFAULT_MAX_POLL_INTERVAL_MS)) / 1000
        self._turns = Turns()
        self._handed_out = HandedOut(self._topic)
        self._gathered: list[Message] = []
        self._to_commit: dict[int, int] = {}
        self._failure: FreshrankError | None = None
        self._is_paused = self._is_closed = False
        self._was_lost = False  # and nobody has been told yet
        self._polled_at_s = self._heard_at_s = self._clock.monotonic_s()
        self._consumer: Consumer = new_consumer(
            settings, properties, error_cb=self._client_failed, on_commit=self._committed
        )
        self._lease = Lease(self._consumer, settings.publish.manifests_topic, self._topic, self._rebalanced)
        self._lease.ask()

    def has_lease(self) -> bool:
        if self._was_lost:
            self._was_lost = False
            return False
        return self._lease.is_held

    def partitions(self) -> Sequence[int]:
        with self._turns.turn():
            return partitions_of(self._consumer, self._topic, ANSWER_TIMEOUT_S)

    def bounds(self) -> Mapping[int, tuple[int, int]]:
        with self._turns.turn():
            return self._bounds()

    def start_reading(self, positions: Positions) -> None:
        """Raises Fatal where a position lies outside the log, Retryable where the lease was lost meanwhile."""
        with self._turns.turn():
            if not self._lease.is_held:
                raise Retryable("cannot start reading: the lease was lost")
            bounds = self._bounds()
            for partition, position in positions.items():
                first, end = bounds.get(partition, (0, 0))
                if not first <= position <= end:
                    raise self._outside(partition, position, first, end)
            self._gathered = [m for m in self._gathered if m.partition() not in positions]
            self._lease.read(positions)
            self._handed_out.start(positions, {p: bounds[p][1] for p in positions})

    def poll(self, timeout_s: float) -> RecordBatch | None:
        """A batch as soon as it has `batch.max_events` records or its first one has waited `batch.max_wait_s`.

        While the brokers are away it returns None: librdkafka reconnects by itself.
        """
        give_up_s = self._clock.monotonic_s() + timeout_s
        opened_at_s: float | None = None
        while True:
            with self._turns.turn():
                started_s = self._clock.monotonic_s()
                self._gather(max(0.0, min(SLICE_S, self._batch.max_wait_s, give_up_s - started_s)))
                now_s = self._clock.monotonic_s()
                if not self._gathered:
                    opened_at_s = None
                elif opened_at_s is None:
                    opened_at_s = started_s
                is_due = opened_at_s is not None and (
                    len(self._gathered) >= self._batch.max_events or now_s - opened_at_s >= self._batch.max_wait_s
                )
                if is_due or now_s >= give_up_s:
                    return self._hand_out()

    def keep_alive(self) -> None:
        """For a caller that has no room for records: stay in the group without handing out or losing any.

        Does nothing until a third of `max.poll.interval.ms` has passed since the last poll; then pauses the input
        (which throws prefetched records away; they are fetched again) and serves the group. The next poll resumes.
        """
        if self._clock.monotonic_s() - self._polled_at_s < self._poll_interval_s / 3:
            return
        with self._turns.turn():
            self._consumer.pause(self._lease.input_partitions())
            self._is_paused = True
            self._consume(1, 0.0)

    def lag(self) -> Mapping[int, tuple[int, int]]:
        return self._handed_out.lag()

    def commit(self, positions: Positions) -> None:
        """Takes effect with the next poll."""
        self._to_commit = dict(positions)

    def close(self) -> None:
        """Leaves the group, so that a standby takes over at once; then the consumer is of no more use."""
        with self._turns.turn():
            if self._is_closed:
                return
            self._is_closed = True
            self._commit_pending()
            try:
                self._leave()
            except KafkaException as error:  # one that failed for good has left already
                log.info("leaving the group: %s", error)
            self._consumer.close()

    def _leave(self) -> None:
        self._lease.give_up()
        give_up_s = self._clock.monotonic_s() + LEAVE_TIMEOUT_S
        while self._lease.is_held and self._clock.monotonic_s() < give_up_s:
            self._consume(1, SLICE_S)

    def _bounds(self) -> Mapping[int, tuple[int, int]]:
        partitions = partitions_of(self._consumer, self._topic, ANSWER_TIMEOUT_S)
        return bounds_of(self._consumer, self._topic, partitions, ANSWER_TIMEOUT_S)

    def _gather(self, wait_s: float) -> None:
        if self._is_paused:
            self._consumer.resume(self._lease.input_partitions())
            self._is_paused = False
        self._commit_pending()
        self._consume(min(AT_ONCE, self._batch.max_events - len(self._gathered)), wait_s)
        if self._failure is not None:
            raise self._failure

    def _consume(self, n: int, wait_s: float) -> None:
        """Adds records to those gathered; a rebalance inside may also clear them."""
        messages = self._consumer.consume(n, wait_s)
        self._polled_at_s = self._clock.monotonic_s()
        if any(map(Message.error, messages)):
            messages = self._without_errors(messages)
        if messages and set(map(Message.topic, messages)) != {self._topic}:
            messages = [m for m in messages if m.topic() == self._topic]
        if self._lease.reading:  # otherwise the lease went during this call, and these records with it
            self._gathered += messages
        if self._polled_at_s - self._heard_at_s >= ENDS_EVERY_S:
            self._handed_out.hear_ends(self._consumer)
            self._heard_at_s = self._polled_at_s

    def _hand_out(self) -> RecordBatch | None:
        if not self._gathered:
            return None
        batch = record_batch(self._topic, self._gathered)
        self._gathered = []
        self._handed_out.advance(batch)
        return batch

    def _commit_pending(self) -> None:
        pending, self._to_commit = self._to_commit, {}
        if not pending or not self._lease.is_held:
            return
        try:
            self._consumer.commit(
                offsets=[TopicPartition(self._topic, p, position) for p, position in pending.items()], asynchronous=True
            )
        except KafkaException as error:
            log.warning("could not commit the group's offsets: %s", error)

    def _without_errors(self, messages: Sequence[Message]) -> list[Message]:
        for message in messages:
            error = message.error()
            if error is not None:
                self._take_error(message, error)
        return [m for m in messages if m.error() is None]

    def _take_error(self, message: Message, error: KafkaError) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            if topic == self._topic and partition is not None and offset is not None:
                self._handed_out.reach_end(partition, offset)
        elif code in _OUT_OF_RANGE and topic == self._topic and partition is not None:
            self._failure = self._fell_behind(partition, -1 if offset is None else offset)
        elif error.fatal() or code == KafkaError._FATAL:
            self._failure = Fatal(
                f"left the group for good: {error.str()}. Another process uses the member id "
                f"{self._instance_id!r}; give each deployment slot its own kafka.instance_id."
            )
        elif is_refusal(error) or code in _DAMAGED:
            where = f"reading {topic} [{partition}] at {offset}" if topic else f"as a member of {self._group}"
            self._failure = translated(error, where)
        elif code == KafkaError.UNKNOWN_TOPIC_OR_PART and topic == self._topic:
            self._failure = translated(error, f"reading {topic} [{partition}]")
        else:
            log.warning("reading %s [%s]: %s (goes on by itself)", topic, partition, error.str())

    def _fell_behind(self, partition: int, position: int) -> Fatal:
        try:
            first, end = self._bounds().get(partition, (0, 0))
        except FreshrankError as error:
            return Fatal(f"{self._topic} [{partition}]: position {position} lies outside the log; {error}")
        return self._outside(partition, position, first, end)

    def _outside(self, partition: int, position: int, first: int, end: int) -> Fatal:
        return Fatal(
            f"{self._topic} [{partition}]: position {position} lies outside the log, which holds {first} to {end}. "
            "Either retention deleted records that were not read yet, or the topic was made anew. "
            "Learn again from what is left with `freshrank run --rebuild`."
        )

    def _rebalanced(self) -> None:
        if not self._lease.is_held:
            self._gathered = []
            self._was_lost = True
        self._handed_out.keep_only(self._lease.reading)
        self._on_rebalance()

    def _client_failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._failure = translated(error, "connecting to Kafka")
        elif not error.fatal():  # a fatal one also arrives among the messages
            client_log.warning("%s", error.str())

    def _committed(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None:
            log.warning("could not commit the group's offsets: %s", error.str())
