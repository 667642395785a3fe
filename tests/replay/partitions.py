"""Partitions in memory that give their records in portions of any size, now and then none."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

from consumer import record_columns
from consumer.byte_column import ByteColumn
from consumer.errors import Fatal
from consumer.messages import RecordBatch


def batch(topic: str, partition: int, first_offset: int, values: Sequence[bytes | None]) -> RecordBatch:
    """Consecutive records whose keys and timestamps tell where they lay."""
    n = len(values)
    offsets = np.arange(first_offset, first_offset + n)
    return record_columns.batch_of(
        topic,
        np.full(n, partition, np.int32),
        offsets,
        1_900_000_000_000 + offsets,
        ByteColumn.of(values),
        ByteColumn.of(b"%d-%d" % (partition, offset) for offset in offsets.tolist()),
        ByteColumn.of(None for _ in values),
    )


class FakePartitions:
    """`consumer.replay.partitions.Partitions` of these values, read from `start` on."""

    def __init__(
        self,
        values: Mapping[int, Sequence[bytes | None]],
        seed: int = 0,
        start: Mapping[int, int] | None = None,
        topic: str = "behaviour-events",
        fails_after: int | None = None,
    ) -> None:
        self._values = values
        self._random = random.Random(seed)
        self._topic = topic
        self.positions = {p: (start or {}).get(p, 0) for p in values}
        self.is_closed = False
        self._fails_after = fails_after

    @property
    def numbers(self) -> Sequence[int]:
        return sorted(self._values)

    @property
    def n_read(self) -> int:
        return sum(self.positions.values())

    def read(self, partition: int, n: int, timeout_s: float) -> RecordBatch | None:
        first = self.positions[partition]
        if self._fails_after is not None:
            if first >= self._fails_after:
                raise Fatal("the log ends here")
            n = min(n, self._fails_after - first)
        n_given = min(n, self._random.choice((0, 1, 3, 40, n)), len(self._values[partition]) - first)
        if n_given == 0:
            return None
        self.positions[partition] += n_given
        return batch(self._topic, partition, first, self._values[partition][first : first + n_given])

    def is_at_end(self, partition: int) -> bool:
        return self.positions[partition] >= len(self._values[partition])

    def close(self) -> None:
        self.is_closed = True
