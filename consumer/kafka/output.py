"""The output topics, written in transactions: `consumer.ports.TransactionalOutput` on a librdkafka producer.

What the producer promises between `begin` and `commit` holds for a process that dies anywhere: the next one to open the
model's output aborts what was left open and fences whoever still believes it may write.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.clock import Clock, SystemClock
from consumer.errors import Fatal, Fenced, FreshrankError, Retryable
from consumer.kafka.client_config import new_producer, producer_properties, transactional_id
from consumer.kafka.client_errors import cause, is_refusal, translated
from consumer.kafka.complaints import client_log
from consumer.messages import OutputRecord, Positions
from consumer.settings import Settings

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S: Final = 30.0
ABORT_TIMEOUT_S: Final = 15.0
CALL_S: Final = 2.0
"""Longest single wait inside a deadline; refusals that only come as events are noticed between two."""
ANY_PARTITION: Final = -1
"""librdkafka's word for the one that follows from the key."""
SERVE_EVERY: Final = 2_000
"""Delivery reports are taken in after so many records, so that they don't pile up."""


class KafkaOutput:
    """Not thread-safe. Every wait ends: after `OPEN_TIMEOUT_S`, the transaction's own timeout or `ABORT_TIMEOUT_S`.

    `while_waiting` is called every few seconds meanwhile: whoever waits for a broker is alive.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        writes_as: str | None = None,
        while_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        """`writes_as`: the transactional id, by default the model's writer's."""
        self._settings = settings
        self._id = writes_as or transactional_id(settings)
        self._properties = {**producer_properties(settings), "transactional.id": self._id}
        self._clock = clock or SystemClock()
        self._while_waiting = while_waiting
        self._timeout_s = settings.kafka.transaction_timeout_s
        self._producer: Producer | None = None
        self._ends: dict[tuple[str, int], int] = {}
        self._failure: FreshrankError | None = None
        self._is_in_transaction = False

    def open(self) -> None:
        self.close()
        self._producer = new_producer(self._settings, self._properties, error_cb=self._client_failed)
        self._failure = None
        try:
            self._until_done(self._producer.init_transactions, OPEN_TIMEOUT_S, f"opening {self._name}")
        except FreshrankError:
            self._discard()
            raise

    def begin(self) -> None:
        producer = self._opened()
        self._ends = {}
        try:
            producer.begin_transaction()
        except KafkaException as error:
            raise self._failed(cause(error), "beginning a transaction") from error
        self._is_in_transaction = True

    def write(self, records: Iterable[OutputRecord]) -> None:
        producer = self._opened()
        deadline_s = self._clock.monotonic_s() + self._timeout_s
        for n, record in enumerate(records, start=1):
            self._produce(producer, record, deadline_s)
            if n % SERVE_EVERY == 0:
                self._served(producer.poll, 0)
        self._served(producer.poll, 0)
        self._raise_failure()

    def flush(self) -> Mapping[str, Positions]:
        producer = self._opened()
        left = 1
        deadline_s = self._clock.monotonic_s() + self._timeout_s
        while left:
            left = self._served(producer.flush, min(CALL_S, self._timeout_s))
            self._while_waiting()
            self._raise_failure()
            if left and self._clock.monotonic_s() >= deadline_s:
                raise Retryable(f"{left} records were not delivered within {self._timeout_s:g} s")
        ends: dict[str, dict[int, int]] = {}
        for (topic, partition), end in self._ends.items():
            ends.setdefault(topic, {})[partition] = end
        return ends

    def commit(self) -> None:
        """Raises Fenced where the outcome stays unknown: only the manifest, read back, tells it."""
        producer = self._opened()
        try:
            self._until_done(producer.commit_transaction, self._timeout_s, f"committing as {self._name}")
        except Retryable as error:
            if _may_be_committed(error):
                self._failure = Fenced(f"{error}; whether it was committed is unknown")
                raise self._failure from error
            raise
        self._is_in_transaction = False

    def abort(self) -> None:
        """Safe after any failure, and where no transaction is open; never raises, so that it hides no reason.

        Where it can't be done the next `begin` raises Fenced: opening anew aborts what is left.
        """
        producer = self._producer
        if producer is None or not self._is_in_transaction:
            return
        self._is_in_transaction = False
        if isinstance(self._failure, Fenced):
            return  # nothing is left to abort: the brokers did, or the next `open` does
        self._failure = None
        try:
            self._until_done(producer.abort_transaction, ABORT_TIMEOUT_S, f"aborting as {self._name}")
            self._failure = None  # purged records report their failure while the abort waits
        except FreshrankError as error:
            log.warning("the transaction could not be aborted", extra={"why": str(error)})
            self._failure = Fenced(str(error))

    def close(self) -> None:
        """An open transaction is aborted where that is quickly done, else by the brokers after its timeout."""
        if self._producer is None:
            return
        self.abort()
        self._discard()

    @property
    def _name(self) -> str:
        return f"transactional id {self._id}"

    def _opened(self) -> Producer:
        if self._producer is None:
            raise Fenced("the output is not open")
        if isinstance(self._failure, Fenced):
            raise self._failure
        return self._producer

    def _produce(self, producer: Producer, record: OutputRecord, deadline_s: float) -> None:
        headers: list[tuple[str, str | bytes | None]] | None = list(record.headers) or None
        partition = ANY_PARTITION if record.partition is None else record.partition
        while True:
            try:
                producer.produce(
                    record.topic, record.value, record.key, partition, headers=headers, on_delivery=self._delivered
                )
                return
            except BufferError as full:
                self._served(producer.poll, 0.05)
                self._while_waiting()
                if self._clock.monotonic_s() >= deadline_s:
                    raise Retryable(f"the producer's queue stayed full for {self._timeout_s:g} s") from full
            except KafkaException as error:
                size = len(record.key or b"") + len(record.value or b"")
                raise self._failed(cause(error), f"writing a record of {size} bytes to {record.topic}") from error

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        """Called for every record, so it does next to nothing."""
        if error is None:
            self._ends[message.topic(), message.partition()] = message.offset() + 1  # type: ignore[index, operator]
            # (a delivered record has all three)
        elif self._failure is None:
            # Not by its key: a dead letter's is a user.
            self._failure = translated(error, f"writing a record of {len(message)} bytes to {message.topic()}")

    def _served(self, call: Callable[[float], int], wait_s: float) -> int:
        """Take in delivery reports and events by `poll` or `flush`.

        At a fatal error of a transactional producer, which is fencing by any name, confluent-kafka leaves an exception
        set while it calls the delivery callback, and what comes out may be a SystemError.
        """
        try:
            return call(wait_s)
        except KafkaException as error:
            raise self._failed(cause(error), f"writing as {self._name}") from error
        except SystemError as error:
            inner = error.__cause__
            told = cause(inner).str() if isinstance(inner, KafkaException) else "the producer failed for good"
            self._failure = Fenced(f"writing as {self._name}: {told}")
            raise self._failure from error

    def _until_done(self, call: Callable[[float], None], timeout_s: float, doing: str) -> None:
        """Repeat a transactional call while it may still succeed. Raises what the loop has to know otherwise."""
        producer = self._opened()
        deadline_s = self._clock.monotonic_s() + timeout_s
        while True:
            left_s = deadline_s - self._clock.monotonic_s()
            self._while_waiting()
            try:
                call(max(0.1, min(CALL_S, left_s)))
                return
            except KafkaException as error:
                reason = cause(error)
                if not reason.retriable() or left_s <= 0:
                    raise self._failed(reason, doing) from error
                self._served(producer.poll, 0)  # a refused sign-in comes as an event only
                self._raise_refusal()

    def _failed(self, error: KafkaError, doing: str) -> FreshrankError:
        """The error to raise; a producer that was fenced stays so, and the first failure of a record explains best."""
        failure = translated(error, doing)
        if isinstance(failure, Retryable) and isinstance(self._failure, Fatal):
            return self._failure
        if isinstance(failure, Fenced):
            self._failure = failure
        return failure

    def _raise_failure(self) -> None:
        """The records of a transaction that failed as a whole are purged, which tells nothing: ask for its reason."""
        if isinstance(self._failure, Retryable):
            self._failure = self._reason_of_transaction() or self._failure
        if self._failure is not None:
            raise self._failure

    def _reason_of_transaction(self) -> FreshrankError | None:
        """librdkafka tells why a transaction must be aborted with any call that it refuses in it, such as `begin`."""
        try:
            self._opened().begin_transaction()
        except KafkaException as error:
            reason = cause(error)
            if reason.code() != KafkaError._STATE:
                return translated(reason, f"writing as {self._name}")
        return None

    def _raise_refusal(self) -> None:
        if isinstance(self._failure, Fatal):
            raise self._failure

    def _client_failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._failure = translated(error, "connecting to Kafka")
        elif not error.fatal():  # a fatal one is also raised by the next call
            client_log.warning("%s", error.str())

    def _discard(self) -> None:
        """Drop the producer without waiting for anything it still holds."""
        producer, self._producer = self._producer, None
        self._is_in_transaction = False
        if producer is not None:
            producer.purge()


def _may_be_committed(error: Retryable) -> bool:
    """A timed out commit may have reached the coordinator; one that asks for an abort has not been."""
    reason = error.__cause__
    return isinstance(reason, KafkaException) and not cause(reason).txn_requires_abort()
