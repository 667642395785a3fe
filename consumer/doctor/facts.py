"""What the checks go by, asked for when the first of them wants it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from consumer.checkpoints.local_store import LocalStore
from consumer.clock import Clock, SystemClock
from consumer.doctor.looked_at import LookedAt
from consumer.doctor.once import Once
from consumer.kafka.inspection import Inspection, TopicFacts
from consumer.kafka.ranges import found_ranges
from consumer.kafka.sampling import Sample, newest_records, records_in
from consumer.messages import RecordBatch
from consumer.replay.ranges import AskedRange
from consumer.settings import Settings

SAMPLE_TIMEOUT_S: Final = 15.0
ARRIVED_TIMEOUT_S: Final = 3.0
MOST_ARRIVED: Final = 100
"""Of each partition."""


class Facts:
    """Of one examination. Each fact is an `Once`: called, it raises what finding it out raised."""

    def __init__(self, settings: Settings, per_partition: int, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.inspection = Once(lambda: Inspection(settings))
        self.cluster = Once(lambda: self.inspection().cluster())
        self.topics = Once(self._topics)
        self.broker_config = Once(lambda: self.inspection().broker_config())
        self.group = Once(lambda: self.inspection().group())
        self.sample: Once[Sample] = Once(
            lambda: newest_records(settings, per_partition, SAMPLE_TIMEOUT_S, clock=self.clock)
        )
        self.looked_at: Once[LookedAt | None] = Once(self._looked_at)

    def input_exists(self) -> bool:
        return self.settings.input.topic in self.cluster().topics

    def arrived(self) -> tuple[RecordBatch | None, float]:
        """Records that came in since the sample's ends were asked for, and this machine's time after that in ms."""
        before = self.sample().ends
        now = {one.partition: one.held[1] for one in found_ranges(self.settings, AskedRange())}
        at_ms = self.clock.wall_s() * 1000
        ranges = {p: (max(before[p], end - MOST_ARRIVED), end) for p, end in now.items() if before.get(p, end) < end}
        return (records_in(self.settings, ranges, ARRIVED_TIMEOUT_S, self.clock) if ranges else None), at_ms

    def store(self) -> LocalStore | None:
        """None where no worker has made the directory yet: neither does a doctor."""
        directory = Path(self.settings.checkpoints.directory)
        return LocalStore(directory) if directory.is_dir() else None

    def _topics(self) -> Mapping[str, TopicFacts]:
        settings = self.settings
        publish = settings.publish
        output = (*publish.row_topics, publish.manifests_topic, settings.dead_letters_topic)
        return self.inspection().topics((settings.input.topic, *output))

    def _looked_at(self) -> LookedAt | None:
        records = self.sample().records
        return None if records is None else LookedAt(self.settings.input, records)
