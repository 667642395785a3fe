"""The input topic behind the lease of one model: `consumer.ports.EventInput` on two clients of librdkafka.

One is a member of the model's group and holds the lease; the other reads the input, assigned by hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer import record_columns
from consumer.clock import Clock, SystemClock
from consumer.errors import Fatal, FreshrankError, Retryable
from consumer.kafka.client_config import (
    DEFAULT_MAX_POLL_INTERVAL_MS,
    instance_id,
    member_properties,
    new_consumer,
    new_record_reader,
)
from consumer.kafka.client_errors import is_refusal, translated
from consumer.kafka.complaints import client_log
from consumer.kafka.lease import Lease
from consumer.kafka.metadata import bounds_of, partitions_of
from consumer.kafka.positions import HandedOut
from consumer.kafka.record_reader import Fault
from consumer.kafka.turns import Turns
from consumer.lost_records import tell_lost
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


def _nobody_counts(_partition: int, _n_records: int) -> None:
    return None


class KafkaInput:
    """A member of the model's group from the moment it is made; reads once it has the lease and is told where.

    One thread may poll while another makes the other calls; of those only `has_lease`, `lag` and `commit` never wait
    for the poll (they don't touch the client), the rest wait at most `SLICE_S` and the broker's answer. After the lease
    was lost, batches handed out before are void: whoever queued them must drop them before `start_reading`.

    Raises BadSettings where librdkafka refuses a property.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        on_rebalance: Callable[[], None] = _nobody_cares,
        on_lost: Callable[[int, int], None] = _nobody_counts,
    ) -> None:
        properties = member_properties(settings)
        self._topic = settings.input.topic
        self._batch = settings.batch
        self._group = f"group {settings.group_id}"
        self._instance_id = instance_id(settings)
        self._clock = clock or SystemClock()
        self._on_rebalance = on_rebalance
        self._skips_lost = settings.input.on_lost_records == "skip"
        self._on_lost = on_lost
        self._poll_interval_s = float(properties.get("max.poll.interval.ms", DEFAULT_MAX_POLL_INTERVAL_MS)) / 1000
        self._turns = Turns()
        self._handed_out = HandedOut()
        self._gathered: list[RecordBatch] = []
        self._reading: set[int] = set()
        self._to_commit: dict[int, int] = {}
        self._failure: FreshrankError | None = None
        self._is_closed = False
        self._was_lost = False  # and nobody has been told yet
        self._served_at_s = self._heard_at_s = self._clock.monotonic_s()
        self._member: Consumer = new_consumer(
            settings, properties, error_cb=self._client_failed, on_commit=self._committed
        )
        self._records = new_record_reader(settings, self._client_failed)
        self._lease = Lease(self._member, settings.publish.manifests_topic, self._rebalanced)
        self._lease.ask()

    def has_lease(self) -> bool:
        if self._was_lost:
            self._was_lost = False
            return False
        return self._lease.is_held

    def partitions(self) -> Sequence[int]:
        with self._turns.turn():
            return partitions_of(self._member, self._topic, ANSWER_TIMEOUT_S)

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
                held = bounds.get(partition)
                if held is None or not held[0] <= position <= held[1]:
                    raise self._outside(partition, position, held)
            self._drop(self._reading & set(positions))
            self._records.assign(positions)
            self._reading |= set(positions)
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
                n_gathered = sum(map(len, self._gathered))
                if n_gathered == 0:
                    opened_at_s = None
                elif opened_at_s is None:
                    opened_at_s = started_s
                is_due = opened_at_s is not None and (
                    n_gathered >= self._batch.max_events or now_s - opened_at_s >= self._batch.max_wait_s
                )
                if is_due or now_s >= give_up_s:
                    return self._hand_out()

    def keep_alive(self) -> None:
        """For a caller that has no room for records: stay in the group without handing out any.

        Does nothing until a third of `max.poll.interval.ms` has passed since the group was last served.
        """
        if self._clock.monotonic_s() - self._served_at_s < self._poll_interval_s / 3:
            return
        with self._turns.turn():
            self._serve_group(0.0)

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
            self._member.close()
            self._records.close()

    def _leave(self) -> None:
        self._lease.give_up()
        give_up_s = self._clock.monotonic_s() + LEAVE_TIMEOUT_S
        while self._lease.is_held and self._clock.monotonic_s() < give_up_s:
            self._serve_group(SLICE_S)

    def _bounds(self) -> Mapping[int, tuple[int, int]]:
        partitions = partitions_of(self._member, self._topic, ANSWER_TIMEOUT_S)
        return bounds_of(self._member, self._topic, partitions, ANSWER_TIMEOUT_S)

    def _gather(self, wait_s: float) -> None:
        """Serves the group, then adds records to those gathered; a rebalance before may also clear them."""
        self._commit_pending()
        self._serve_group(0.0 if self._reading else wait_s)
        if self._failure is None:
            # A standby too, for what its client has to say: it would pile up, many lines a second of an outage.
            n_wanted = self._batch.max_events - sum(map(len, self._gathered))
            portion = self._records.read(n_wanted, wait_s if self._reading else 0.0)
            if portion.records is not None:
                self._gathered.append(portion.records)
            for fault in portion.faults:
                self._take_fault(fault)
            self._hear_ends()
        if self._failure is not None:
            raise self._failure

    def _serve_group(self, wait_s: float) -> None:
        """Rebalances, commits and errors; the lease's partitions are paused, so no record ever comes."""
        message = self._member.poll(wait_s)
        self._served_at_s = self._clock.monotonic_s()
        error = None if message is None else message.error()
        if error is not None:
            self._take_error(error)

    def _hear_ends(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._heard_at_s >= ENDS_EVERY_S:
            self._heard_at_s = now_s
            self._handed_out.hear_ends(self._records.known_end)

    def _hand_out(self) -> RecordBatch | None:
        if not self._gathered:
            return None
        batch = record_columns.joined(self._gathered)
        self._gathered = []
        self._handed_out.advance(batch)
        return batch

    def _drop(self, partitions: set[int]) -> None:
        """Stop reading these, and drop what was gathered of them."""
        if not partitions:
            return
        self._records.unassign(partitions)
        self._reading -= partitions
        kept = [record_columns.without(batch, partitions) for batch in self._gathered]
        self._gathered = [batch for batch in kept if len(batch)]

    def _commit_pending(self) -> None:
        pending, self._to_commit = self._to_commit, {}
        if not pending or not self._lease.is_held:
            return
        try:
            self._member.commit(
                offsets=[TopicPartition(self._topic, p, position) for p, position in pending.items()], asynchronous=True
            )
        except KafkaException as error:
            log.warning("could not commit the group's offsets: %s", error)

    def _take_fault(self, fault: Fault) -> None:
        """Of the input: an end of partition, or why it cannot be read on."""
        code = fault.error.code()
        where = f"reading {self._topic} [{fault.partition}]"
        if code == KafkaError._PARTITION_EOF:
            self._handed_out.reach_end(fault.partition, fault.offset)
        elif code in _OUT_OF_RANGE:
            self._fell_behind(fault.partition, fault.offset)
        elif is_refusal(fault.error) or code in _DAMAGED or code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._failure = translated(fault.error, f"{where} at {fault.offset}")
        else:
            log.warning("%s: %s (goes on by itself)", where, fault.error.str())

    def _take_error(self, error: KafkaError) -> None:
        """Of the group."""
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._failure = Fatal(
                f"left the group for good: {error.str()}. Another process uses the member id "
                f"{self._instance_id!r}; give each deployment slot its own kafka.instance_id. If none does, an answer "
                "of the brokers was lost while this one joined: start it again."
            )
        elif is_refusal(error):
            self._failure = translated(error, f"as a member of {self._group}")
        elif error.code() != KafkaError._PARTITION_EOF:
            log.warning("as a member of %s: %s (goes on by itself)", self._group, error.str())

    def _fell_behind(self, partition: int, position: int) -> None:
        try:
            held = self._bounds().get(partition)
        except FreshrankError as error:
            self._failure = Fatal(f"{self._topic} [{partition}]: position {position} lies outside the log; {error}")
            return
        if self._skips_lost and held is not None and position < held[0]:
            self._go_on_behind(partition, position, held[0])
        else:
            self._failure = self._outside(partition, position, held)

    def _go_on_behind(self, partition: int, position: int, first: int) -> None:
        """What was gathered of the partition lies before the gap, and stays."""
        self._records.unassign([partition])
        self._records.assign({partition: first})
        tell_lost(self._topic, partition, position, first)
        self._on_lost(partition, first - position)

    def _outside(self, partition: int, position: int, held: tuple[int, int] | None) -> Fatal:
        """`held`: first offset and end of the partition; None: there is no such partition."""
        what = "nothing, not even the partition" if held is None else f"{held[0]} to {held[1]}"
        return Fatal(
            f"{self._topic} [{partition}]: position {position} lies outside the log, which holds {what}. "
            "Either retention deleted records that were not read yet, or the topic was made anew. "
            "Learn again from what is left with `freshrank run --rebuild`; where records were deleted, "
            "`input.on_lost_records: skip` goes on without them."
        )

    def _rebalanced(self) -> None:
        if not self._lease.is_held:
            self._drop(set(self._reading))
            self._was_lost = True
        self._handed_out.keep_only(self._reading)
        self._on_rebalance()

    def _client_failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._failure = translated(error, "connecting to Kafka")
        elif not error.fatal():  # a fatal one also arrives among the messages
            client_log.warning("%s", error.str())

    def _committed(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None:
            log.warning("could not commit the group's offsets: %s", error.str())
