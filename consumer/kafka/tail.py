"""Follows the output topics of one model from their beginning, with a consumer that is in no group."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, Message, TopicPartition

from consumer.clock import Clock, SystemClock
from consumer.errors import FreshrankError
from consumer.kafka.client_config import new_consumer, reader_properties
from consumer.kafka.client_errors import is_refusal, translated
from consumer.kafka.log import KafkaLog
from consumer.kafka.metadata import bounds_of, partitions_of
from consumer.kafka.records import stored_record
from consumer.messages import Positions, StoredRecord
from consumer.settings import Settings
from consumer.snapshots.reader import BrokenSnapshot

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 10.0
PIECE: Final = 5_000
NEAR_END: Final = 1_000
"""Offsets before the end of the manifests among which the latest one is looked for first; compaction leaves hours of
them behind, of which only the latest counts."""
_PASSING: Final = frozenset({KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT})
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})

Partition = tuple[str, int]


class KafkaTail:
    """Committed records of scores, related rows and manifests, as they come.

    The manifests come first, up to where they end now (of each key the last one); rows follow from their beginning.
    Not thread-safe. Raises BadSettings where librdkafka refuses a property; each call may raise Retryable or Fatal.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self._model_key = settings.model.encode()
        publish = settings.publish
        self._manifests = publish.manifests_topic
        self._row_topics = publish.row_topics
        self._log = KafkaLog(settings, clock=clock or SystemClock())
        self._failure: FreshrankError | None = None
        properties = {**reader_properties(settings), "fetch.min.bytes": 1}  # a row shall not wait for others
        self._consumer: Consumer = new_consumer(settings, properties, error_cb=self._client_failed)
        self._positions: dict[Partition, int] = {}
        self._at_end: set[Partition] = set()

    def poll(self, timeout_s: float) -> list[StoredRecord]:
        """What has come, in the order of offsets within each partition; waits for the first record only, if at all.

        Raises BrokenSnapshot where a position lies outside the log: the topics were made anew, `restart`.
        """
        if not self._positions:
            return self._start()
        first = self._consumer.poll(timeout_s)
        messages = [] if first is None else [first, *self._consumer.consume(PIECE, 0)]
        records = [stored_record(message) for message in messages if self._is_record(message)]
        self._take_positions()
        if self._failure is not None:
            raise self._failure
        return records

    def positions(self) -> Mapping[str, Positions]:
        """Everything in front of these has been handed out by `poll`; they pass over transactions' markers."""
        by_topic: dict[str, dict[int, int]] = {}
        for (topic, partition), position in self._positions.items():
            by_topic.setdefault(topic, {})[partition] = position
        return by_topic

    def caught_up(self) -> bool:
        """Whether every partition was read to its end, as far as the brokers have told."""
        return bool(self._positions) and self._at_end.issuperset(self._positions)

    def restart(self) -> None:
        """The next poll begins at the beginning."""
        self._consumer.unassign()
        self._positions = {}
        self._at_end = set()

    def close(self) -> None:
        self._consumer.close()
        self._log.close()

    def _start(self) -> list[StoredRecord]:
        """Assign all partitions, the manifests behind those that are returned."""
        starts = {(self._manifests, p): end for p, (_, end) in self._bounds(self._manifests).items()}
        records = self._latest_manifests({p: end for (_, p), end in starts.items()})
        for topic in self._row_topics:
            starts.update({(topic, p): first for p, (first, _) in self._bounds(topic).items()})
        self._consumer.assign([TopicPartition(topic, p, offset) for (topic, p), offset in starts.items()])
        self._positions = starts
        return records

    def _latest_manifests(self, ends: Positions) -> list[StoredRecord]:
        """The last record of each key before the ends; of keys other than the model's, perhaps none."""
        n_back = NEAR_END
        while True:
            start = {p: max(0, end - n_back) for p, end in ends.items()}
            last = {
                record.key: record
                for record in self._log.read(self._manifests, start)
                if record.offset < ends[record.partition]
            }
            if self._model_key in last or not any(start.values()):
                return sorted(last.values(), key=lambda record: (record.partition, record.offset))
            n_back *= 16

    def _bounds(self, topic: str) -> Mapping[int, tuple[int, int]]:
        partitions: Sequence[int] = partitions_of(self._consumer, topic, ANSWER_TIMEOUT_S)
        return bounds_of(self._consumer, topic, partitions, ANSWER_TIMEOUT_S)

    def _take_positions(self) -> None:
        """What the client says of itself; asks nobody."""
        for at in self._consumer.position([TopicPartition(topic, p) for topic, p in self._positions]):
            if at.offset != OFFSET_INVALID:
                self._pass((at.topic, at.partition), at.offset)

    def _pass(self, partition: Partition, position: int) -> None:
        if position > self._positions.get(partition, position):
            self._positions[partition] = position

    def _is_record(self, message: Message) -> bool:
        topic, partition, offset, error = message.topic(), message.partition(), message.offset(), message.error()
        if topic is not None and partition is not None and offset is not None:
            if error is None:
                self._at_end.discard((topic, partition))
                return (topic, partition) in self._positions
            if error.code() == KafkaError._PARTITION_EOF:
                self._pass((topic, partition), offset)
                self._at_end.add((topic, partition))
                return False
        if error is not None:
            self._take_error(message, error)
        return False

    def _take_error(self, message: Message, error: KafkaError) -> None:
        where = f"{message.topic()} [{message.partition()}] at {message.offset()}"
        if error.code() in _PASSING:
            log.warning("reading %s: %s (goes on by itself)", where, error.str())
            return
        if error.code() in _OUT_OF_RANGE:
            raise BrokenSnapshot(f"{where} lies outside the log: the topic was made anew. Start again (restart)")
        raise translated(error, f"reading {where}")

    def _client_failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._failure = translated(error, "connecting to Kafka")
