"""What lies in the input topic: where it ends, and when each record was written."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np
from confluent_kafka import Consumer, Message, TopicPartition

from consumer.messages import Float64Array, Positions
from tests.bench.figures import BenchFailed
from tests.bench.workers import PARTITIONS

TIMEOUT_S = 60.0


class InputLog:
    """A plain reader of the topic; close it."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "bench-input",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )

    def ends(self) -> Positions:
        """End offsets."""
        return {
            p: self._consumer.get_watermark_offsets(TopicPartition(self._topic, p), timeout=TIMEOUT_S)[1]
            for p in range(PARTITIONS)
        }

    def times_s(self, start: Positions, end: Positions) -> Mapping[int, Float64Array]:
        """Kafka timestamps of the records from `start` to before `end`, by partition, in the order of their offsets."""
        self._consumer.assign([TopicPartition(self._topic, p, at) for p, at in start.items()])
        times: dict[int, Float64Array] = {p: np.full(end[p] - at, np.nan) for p, at in start.items()}
        n_left = sum(map(len, times.values()))
        give_up_s = time.monotonic() + TIMEOUT_S
        while n_left > 0:
            if time.monotonic() > give_up_s:
                raise BenchFailed(f"{n_left} records of {self._topic} could not be read back")
            for partition, offset, at_s in map(_when, self._consumer.consume(10_000, 0.2)):
                if offset < end[partition]:
                    times[partition][offset - start[partition]] = at_s
                    n_left -= 1
        return times

    def close(self) -> None:
        self._consumer.close()


def _when(message: Message) -> tuple[int, int, float]:
    error, partition, offset = message.error(), message.partition(), message.offset()
    if error is not None or partition is None or offset is None:
        raise BenchFailed(f"reading the input back: {error}")
    return partition, offset, message.timestamp()[1] / 1000
