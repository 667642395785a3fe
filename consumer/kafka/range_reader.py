"""Reads a range of each partition of a topic, every partition by itself: `consumer.replay.partitions.Partitions`.

Each partition has a queue of its own in librdkafka, which fetches it no further ahead than that holds: a partition that
has to wait for others costs no memory and nothing has to be paused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from confluent_kafka import KafkaError

from consumer import record_columns
from consumer.errors import Fatal, FreshrankError
from consumer.kafka.client_config import new_range_reader
from consumer.kafka.client_errors import is_refusal, translated
from consumer.kafka.complaints import client_log
from consumer.kafka.record_reader import Fault
from consumer.messages import RecordBatch
from consumer.settings import Settings

log = logging.getLogger(__name__)

_PIECE: Final = 1_000
_WAIT_S: Final = 0.1
_OUT_OF_RANGE: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})
_DAMAGED: Final = frozenset({KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError.INVALID_MSG})


class KafkaRanges:
    """`ranges`: partition → position and end, the position within the log. Joins no group. One thread at a time.

    Raises BadSettings where librdkafka refuses a property.
    """

    def __init__(self, settings: Settings, ranges: Mapping[int, tuple[int, int]]) -> None:
        self._topic = settings.input.topic
        self._ends = {p: end for p, (_, end) in ranges.items()}
        self._open = {p for p, (position, end) in ranges.items() if position < end}
        self._failure: FreshrankError | None = None
        self._reader = new_range_reader(settings, len(self._open), self._client_failed)
        self._reader.separate(sorted(self._open))
        self._reader.assign({p: ranges[p][0] for p in self._open})

    @property
    def numbers(self) -> Sequence[int]:
        return sorted(self._ends)

    def read(self, partition: int, n: int, timeout_s: float) -> RecordBatch | None:
        self._serve_client()
        portion = self._reader.read_partition(partition, n, timeout_s)
        for fault in portion.faults:
            self._take_fault(partition, fault)
        if self._failure is not None:
            raise self._failure
        records = portion.records
        if records is None:
            return None
        end = self._ends[partition]
        if records.offsets[-1] + 1 >= end:
            self._finish(partition)
            n_inside = int(np.searchsorted(records.offsets, end))
            records = record_columns.between(records, 0, n_inside)
        return records if len(records) else None

    def is_at_end(self, partition: int) -> bool:
        return partition not in self._open

    def close(self) -> None:
        self._reader.close()

    def _serve_client(self) -> None:
        """What concerns no partition comes by the common queue."""
        self._reader.read(1, 0.0)

    def _finish(self, partition: int) -> None:
        if partition in self._open:
            self._open.discard(partition)
            self._reader.unassign([partition])

    def _take_fault(self, partition: int, fault: Fault) -> None:
        code = fault.error.code()
        where = f"reading {self._topic} [{partition}]"
        if code == KafkaError._PARTITION_EOF:
            self._take_end(partition, fault.offset)
        elif code in _OUT_OF_RANGE:
            self._failure = Fatal(
                f"{where}: position {fault.offset} lies outside the log. Either retention deleted records that were "
                "not read yet, or the topic was made anew. A replay begins again with what is left by --restart"
            )
        elif is_refusal(fault.error) or code in _DAMAGED or code == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._failure = translated(fault.error, f"{where} at {fault.offset}")
        else:
            log.warning("%s: %s (goes on by itself)", where, fault.error.str())

    def _take_end(self, partition: int, offset: int) -> None:
        """The log ends here. Behind the last record of a range there may be transaction markers only."""
        if partition in self._open and offset < self._ends[partition]:
            self._failure = Fatal(
                f"{self._topic} [{partition}] ends at {offset}, but at the start of the replay it ended at "
                f"{self._ends[partition]} or later: the topic was made anew. Begin again with --restart"
            )
        self._finish(partition)

    def _client_failed(self, error: KafkaError) -> None:
        if is_refusal(error):
            self._failure = translated(error, "connecting to Kafka")
        else:
            client_log.warning("%s", error.str())


def values_in(settings: Settings, ranges: Mapping[int, tuple[int, int]]) -> list[bytes | None]:
    """The values of a few records, partition by partition."""
    partitions = KafkaRanges(settings, ranges)
    found: list[bytes | None] = []
    try:
        for partition in partitions.numbers:
            while not partitions.is_at_end(partition):
                batch = partitions.read(partition, _PIECE, _WAIT_S)
                found += [] if batch is None else list(batch.values)
    finally:
        partitions.close()
    return found
