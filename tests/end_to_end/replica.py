"""A reader of the output topics that is not ours: the contract's reader's rule on a bare confluent-kafka consumer.

Nothing of the worker's code is used, so that what is compared with it stands on its own feet.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

Manifest = Mapping[str, Any]
Partition = tuple[str, int]
ANSWER_TIMEOUT_S = 30.0
WAIT_S = 0.1
"""`consume` waits for so long to fill a batch."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where a model publishes to."""

    bootstrap_servers: str
    model: str
    scores: str
    related: str
    manifests: str


class Row(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes | None


class Rows:
    """The last value of each key, and the checksum over them."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, bytes], bytes] = {}
        self._checksum = 0

    @property
    def checksum(self) -> str:
        return f"{self._checksum % (1 << 64):016x}"

    def put(self, row: Row) -> None:
        before = self._values.pop((row.topic, row.key), None)
        if before is not None:
            self._checksum -= row_hash(row.topic, row.key, before)
        if row.value is not None:
            self._checksum += row_hash(row.topic, row.key, row.value)
            self._values[row.topic, row.key] = row.value

    def of(self, topic: str) -> dict[str, dict[str, Any]]:
        """Decoded values by item."""
        return {key.decode(): json.loads(value) for (name, key), value in self._values.items() if name == topic}


def row_hash(topic: str, key: bytes, value: bytes) -> int:
    """First eight bytes, big-endian, of SHA-256 over topic, 0, key, 0, value."""
    return int.from_bytes(hashlib.sha256(topic.encode() + b"\0" + key + b"\0" + value).digest()[:8], "big")


class Replica:
    """The newest whole version of a model. Rows at or beyond the manifest's positions wait for a later one."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._waiting: dict[Partition, list[Row]] = defaultdict(list)
        self._reached: dict[Partition, int] = defaultdict(int)
        self._latest: Manifest | None = None
        self.manifest: Manifest | None = None
        self.rows = Rows()

    def add(self, row: Row) -> None:
        partition = (row.topic, row.partition)
        self.reach(partition, row.offset + 1)
        if row.topic != self._published.manifests:
            self._waiting[partition].append(row)
        elif row.key == self._published.model.encode() and row.value is not None:
            self._latest = json.loads(row.value)

    def reach(self, partition: Partition, position: int) -> None:
        self._reached[partition] = max(self._reached[partition], position)

    def turn(self) -> bool:
        """Turn to the latest version if all of it is here. Returns whether it did."""
        if self._latest is None or self._latest is self.manifest:
            return False
        ends = ends_of(self._latest)
        if any(self._reached[partition] < end for partition, end in ends.items()):
            return False
        for partition, end in ends.items():
            waiting = self._waiting[partition]
            n_due = sum(row.offset < end for row in waiting)
            for row in waiting[:n_due]:
                self.rows.put(row)
            del waiting[:n_due]
        self.manifest = self._latest
        return True

    def scores(self) -> dict[str, float]:
        return {item: float(row["score"]) for item, row in self.rows.of(self._published.scores).items()}

    def related(self) -> dict[str, dict[str, Any]]:
        return self.rows.of(self._published.related)


def ends_of(manifest: Manifest) -> dict[Partition, int]:
    """A manifest's output positions."""
    return {(t, int(p)): end for t, by in manifest["output_positions"].items() for p, end in by.items()}


def rebuilt(published: Published) -> Replica:
    """The version of the manifest that stands at the end now, from the beginning of the topics."""
    replica = Replica(published)
    for topic in (published.manifests, published.scores, published.related):
        ends: dict[int, int] = {}
        for row in committed(published.bootstrap_servers, topic, ends):
            replica.add(row)
        for partition, end in ends.items():
            replica.reach((topic, partition), end)
    assert replica.turn(), "the latest version is not whole at the end of its topics"
    return replica


def manifests(published: Published) -> list[Manifest]:
    """Every manifest that compaction has left, oldest first."""
    key = published.model.encode()
    rows = committed(published.bootstrap_servers, published.manifests)
    return [json.loads(row.value) for row in rows if row.key == key and row.value is not None]


def broken_versions(published: Published, after: int = 0) -> list[int]:
    """Versions whose rows, as they lie in the log below the manifest's positions, don't give its checksum; those up to
    `after` are of row topics that are gone."""
    log: dict[Partition, list[Row]] = defaultdict(list)
    for topic in (published.scores, published.related):
        for row in committed(published.bootstrap_servers, topic):
            log[topic, row.partition].append(row)
    rows, taken, broken = Rows(), dict.fromkeys(log, 0), []
    for manifest in (manifest for manifest in manifests(published) if manifest["version"] > after):
        for partition, end in ends_of(manifest).items():
            while taken.get(partition, 0) < len(log[partition]) and log[partition][taken[partition]].offset < end:
                rows.put(log[partition][taken[partition]])
                taken[partition] += 1
        if rows.checksum != manifest["checksum"]:
            broken.append(int(manifest["version"]))
    return broken


def committed(bootstrap_servers: str, topic: str, ends: dict[int, int] | None = None) -> Iterator[Row]:
    """Committed records of a topic from its beginning to its end; `ends` is told where each partition ended."""
    for message in messages(bootstrap_servers, topic, ends):
        yield row_of(message)


def messages(bootstrap_servers: str, topic: str, ends: dict[int, int] | None = None) -> Iterator[Message]:
    """The same as the client's own messages."""
    ends = {} if ends is None else ends
    consumer = new_consumer(bootstrap_servers)
    try:
        partitions = all_partitions(consumer, topic)
        consumer.assign(partitions)
        heard_at_s = time.monotonic()
        while len(ends) < len(partitions):
            received = consumer.consume(5_000, WAIT_S)
            heard_at_s = time.monotonic() if received else heard_at_s
            assert time.monotonic() < heard_at_s + ANSWER_TIMEOUT_S, f"nothing came from {topic}"
            for message in received:
                if is_end(message):
                    ends[message.partition() or 0] = message.offset() or 0
                else:
                    yield message
    finally:
        consumer.close()


def row_of(message: Message) -> Row:
    return Row(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key() or b"",
        message.value(),
    )


def is_end(message: Message) -> bool:
    """Whether it isn't a record but says that a partition has been read to its end, at `message.offset()`."""
    error = message.error()
    assert error is None or error.code() == KafkaError._PARTITION_EOF, error.str()
    return error is not None


def new_consumer(bootstrap_servers: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "somebody-else",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "log_level": 0,  # brokers that are away are what some of these tests are about
        }
    )


def all_partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    found = consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic].partitions
    return [TopicPartition(topic, partition, 0) for partition in sorted(found)]
