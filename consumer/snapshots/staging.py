"""The reader's rule: which records belong to the latest manifest, and when all of them are here.

Partitions are fetched independently, so a manifest may come before its rows, and rows of the next version before its
manifest. A row counts for a manifest when its offset lies below the manifest's output position of the row's partition;
what lies at or behind it waits for a later manifest. Offsets have gaps (transaction markers, compacted rows), so what
tells that all rows are here are the consumer's positions, not the rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consumer.errors import Fatal
from consumer.messages import Positions, StoredRecord
from consumer.snapshots import formats
from consumer.snapshots.formats import Manifest

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class OutputTopics:
    """Names of the topics that one model publishes to."""

    scores: str = "item-scores"
    related: str = "item-related"
    manifests: str = "score-manifests"
    vectors: str | None = None
    """None: the reader does without."""


class Staging:
    """Holds records until their manifest is complete. Takes the records of a partition in the order of their offsets;
    those it has had already are passed over."""

    def __init__(self, model: str, topics: OutputTopics) -> None:
        self._key = model.encode()
        self._topics = topics
        self._next: dict[Partition, int] = {}
        self._beyond: dict[Partition, deque[StoredRecord]] = {}
        self._ends: dict[Partition, int] = {}
        self.manifest: Manifest | None = None
        """The latest one of this model."""
        self.due: dict[str, dict[bytes, bytes | None]] = {
            topic: {} for topic in (topics.scores, topics.related, topics.vectors) if topic is not None
        }
        """By topic: the last value of each key that belongs to `manifest` and was not taken yet; None: a tombstone."""

    @property
    def n_due(self) -> int:
        return sum(map(len, self.due.values()))

    @property
    def n_beyond(self) -> int:
        """Rows that wait for a later manifest."""
        return sum(map(len, self._beyond.values()))

    def add(self, records: Iterable[StoredRecord]) -> None:
        """Raises Fatal for a manifest that cannot be read or whose version goes back."""
        for record in records:
            partition = (record.topic, record.partition)
            if record.offset < self._next.get(partition, 0):
                continue
            self._next[partition] = record.offset + 1
            if record.key is None:
                continue
            if record.topic == self._topics.manifests:
                self._add_manifest(record)
            elif record.topic in self.due:
                self._add_row(partition, record)

    def reach(self, positions: Mapping[str, Positions]) -> None:
        """The consumer has handed out everything before these positions."""
        for topic, of_topic in positions.items():
            for partition, position in of_topic.items():
                if position > self._next.get((topic, partition), 0):
                    self._next[topic, partition] = position

    def is_complete(self) -> bool:
        """Whether every row of the latest manifest is here."""
        return self.manifest is not None and all(self._next.get(p, 0) >= end for p, end in self._ends.items())

    def drop_due(self) -> None:
        """What belongs to the manifest has been taken."""
        self.due = {topic: {} for topic in self.due}

    def _add_manifest(self, record: StoredRecord) -> None:
        if record.key != self._key or record.value is None:
            return  # another model's, or a writer's record
        manifest = formats.decode_manifest(record.key, record.value)
        if self.manifest is not None and manifest.version < self.manifest.version:
            raise Fatal(
                f"version {manifest.version} of model {self._key.decode()!r} stands behind version "
                f"{self.manifest.version} in {self._topics.manifests}: versions never go back, so something else than "
                "one freshrank worker writes there"
            )
        self.manifest = manifest
        self._ends = {
            (topic, partition): end
            for topic, of_topic in formats.positions_of(manifest.output_positions).items()
            if topic in self.due
            for partition, end in of_topic.items()
        }
        for partition, waiting in self._beyond.items():
            end = self._ends.get(partition, 0)
            while waiting and waiting[0].offset < end:
                self._make_due(waiting.popleft())

    def _add_row(self, partition: Partition, record: StoredRecord) -> None:
        if record.offset < self._ends.get(partition, 0):
            self._make_due(record)
        else:
            self._beyond.setdefault(partition, deque()).append(record)

    def _make_due(self, record: StoredRecord) -> None:
        assert record.key is not None  # `add` passes over records without
        self.due[record.topic][record.key] = record.value
