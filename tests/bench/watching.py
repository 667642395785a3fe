"""A `read_committed` reader that is not the worker: when did it hold each version whole?

It follows the reader's rule of DESIGN.md on a consumer of its own, but keeps no rows: only the latest manifest counts,
and it is whole once every row partition has been read as far as the manifest says.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.messages import Positions
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.formats import Manifest
from tests.bench.figures import BenchFailed
from tests.bench.workers import PARTITIONS


@dataclass(frozen=True, slots=True)
class Seen:
    """A version, and the wall time at which it was whole for the reader."""

    version: int
    at_s: float
    input_positions: Positions
    rows: int
    rows_waiting: int


class Watcher:
    """Reads on a thread from `with` on; `seen` grows in the order of time."""

    def __init__(self, settings: Settings) -> None:
        publish = settings.publish
        self._model = settings.model.encode()
        self._input_topic = settings.input.topic
        self._manifests = publish.manifests_topic
        rows = (publish.scores_topic, publish.related_topic)
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka.bootstrap_servers,
                "group.id": "bench-watcher",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 20,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(self._manifests, 0, 0),
                *(TopicPartition(topic, p, 0) for topic in rows for p in range(PARTITIONS)),
            ]
        )
        self._next: dict[tuple[str, int], int] = {}
        self._due: Manifest | None = None
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self.seen: list[Seen] = []

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._consumer.close()

    def wait_for(self, positions: Positions, timeout_s: float) -> None:
        """Until a version that covers these input positions is whole. Raises BenchFailed."""
        give_up_s = time.monotonic() + timeout_s
        while not (self.seen and _covers(self.seen[-1].input_positions, positions)):
            if self._failure is not None or time.monotonic() > give_up_s:
                raise BenchFailed(f"the reader saw no version that covers {positions}: {self._failure or 'too slow'}")
            time.sleep(0.05)

    def _run(self) -> None:
        while not self._stopping.is_set() and self._failure is None:
            for message in self._consumer.consume(10_000, 0.01):
                self._take(message)
            self._note_if_whole()

    def _take(self, message: Message) -> None:
        error, topic, partition, offset = message.error(), message.topic(), message.partition(), message.offset()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:
                self._failure = error.str()
        elif topic == self._manifests:
            key, value = message.key(), message.value()
            if key == self._model and value is not None:
                self._due = formats.decode_manifest(key, value)
        elif topic is not None and partition is not None and offset is not None:
            self._next[topic, partition] = offset + 1

    def _note_if_whole(self) -> None:
        if self._due is None:
            return
        ends = formats.positions_of(self._due.output_positions)
        if all(self._next.get((topic, p), 0) >= end for topic, by in ends.items() for p, end in by.items()):
            self.seen.append(self._seen(self._due))
            self._due = None

    def _seen(self, manifest: Manifest) -> Seen:
        return Seen(
            version=manifest.version,
            at_s=time.time(),
            input_positions=formats.positions_of(manifest.input_positions).get(self._input_topic, {}),
            rows=sum(counts.upserts for counts in manifest.rows.values()),
            rows_waiting=sum(manifest.rows_waiting.values()),
        )


def _covers(reached: Positions, wanted: Positions) -> bool:
    return all(reached.get(partition, 0) >= position for partition, position in wanted.items())
