"""The newest records of the input, a few of each partition, and where its partitions begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumer import record_columns
from consumer.clock import Clock, SystemClock
from consumer.kafka.range_reader import KafkaRanges
from consumer.kafka.ranges import found_ranges
from consumer.messages import RecordBatch
from consumer.replay.ranges import AskedRange, FoundRange
from consumer.settings import Settings

MOST_RECORDS: Final = 100_000
"""Of all partitions together."""
MOST_BYTES: Final = 64 << 20
_PIECE: Final = 1_000
_WAIT_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Sample:
    """`records` None: the topic is empty. Those of a partition stand together, in order."""

    ranges: Sequence[FoundRange]
    """Of every partition, all that it holds."""
    records: RecordBatch | None
    asked_at_ms: float
    """This machine's time before the ends were asked for: who wrote behind them did it later."""
    read_at_ms: float
    """The same, once the records had been read."""

    @property
    def ends(self) -> Mapping[int, int]:
        return {one.partition: one.held[1] for one in self.ranges}


def newest_records(settings: Settings, per_partition: int, timeout_s: float, *, clock: Clock | None = None) -> Sample:
    """At most so many offsets before the end of each partition, fewer where there are many or large ones; what could be
    read until the time was over. Raises Fatal, Retryable."""
    clock = clock or SystemClock()
    asked_at_ms = clock.wall_s() * 1000
    ranges = found_ranges(settings, AskedRange())
    n = max(1, min(per_partition, MOST_RECORDS // max(1, len(ranges))))
    tails = {one.partition: (max(one.start, one.end - n), one.end) for one in ranges}
    records = records_in(settings, tails, timeout_s, clock)
    return Sample(ranges, records, asked_at_ms, clock.wall_s() * 1000)


def records_in(
    settings: Settings, ranges: Mapping[int, tuple[int, int]], timeout_s: float, clock: Clock
) -> RecordBatch | None:
    """The records of these ranges, partition by partition, at most `MOST_BYTES`; None: there are none."""
    give_up_s = clock.monotonic_s() + timeout_s
    share_bytes = MOST_BYTES // max(1, len(ranges))
    partitions = KafkaRanges(settings, ranges)
    found: list[RecordBatch] = []
    try:
        for partition in partitions.numbers:
            n_bytes = 0
            while not partitions.is_at_end(partition) and n_bytes < share_bytes and clock.monotonic_s() < give_up_s:
                batch = partitions.read(partition, _PIECE, _WAIT_S)
                if batch is not None:
                    found.append(batch)
                    n_bytes += batch.values.n_bytes
    finally:
        partitions.close()
    return record_columns.joined(found) if found else None
