"""Which offsets of each partition a replay is to read, and what is known of them without reading them all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from consumer.errors import Retryable
from consumer.kafka.client_config import new_consumer, reader_properties
from consumer.kafka.client_errors import translated
from consumer.kafka.metadata import bounds_of, partitions_of
from consumer.kafka.starting_points import input_from
from consumer.kafka.topic_admin import TopicAdmin
from consumer.messages import Positions
from consumer.replay.ranges import AskedRange, FoundRange, Peek
from consumer.settings import Settings

ANSWER_TIMEOUT_S: Final = 10.0
PEEK_TIMEOUT_S: Final = 30.0
WIDER: Final = 32
"""Where the last offsets hold no record (transaction markers, compaction), so many times as many are looked at."""

Ranges = Mapping[int, tuple[int, int]]


def found_ranges(settings: Settings, asked: AskedRange) -> list[FoundRange]:
    """Every partition of the input topic. Raises Fatal if there is none, Retryable if nobody answers."""
    topic = settings.input.topic
    consumer = new_consumer(settings, reader_properties(settings))
    try:
        partitions = partitions_of(consumer, topic, ANSWER_TIMEOUT_S)
        bounds = bounds_of(consumer, topic, partitions, ANSWER_TIMEOUT_S)
        starts = {**_at(settings, asked.from_ms), **asked.from_offsets}
        ends = {**_at(settings, asked.to_ms), **asked.to_offsets}
        wished = {p: (starts.get(p, first), ends.get(p, end)) for p, (first, end) in bounds.items()}
        inside = {p: _inside(wished[p], bounds[p]) for p in bounds}
        first = _first_records(consumer, topic, inside)
        last = _last_records(consumer, topic, inside)
        newest = _last_records(consumer, topic, {p: b for p, b in bounds.items() if last.get(p) is None})
    finally:
        consumer.close()
    return [
        FoundRange(
            partition=p,
            wished=wished[p],
            held=bounds[p],
            start=inside[p][0],
            end=inside[p][1],
            first=first.get(p),
            last=last.get(p),
            newest=newest.get(p) or last.get(p),
        )
        for p in sorted(bounds)
    ]


def is_compacted(settings: Settings) -> bool:
    """Whether the input topic may have lost records for newer ones of the same key."""
    return "compact" in TopicAdmin(settings).cleanup_policy(settings.input.topic)


def _at(settings: Settings, time_ms: int | None) -> Positions:
    return {} if time_ms is None else input_from(settings, time_ms)


def _inside(wished: tuple[int, int], held: tuple[int, int]) -> tuple[int, int]:
    start = min(max(wished[0], held[0]), held[1])
    return start, max(start, min(wished[1], held[1]))


def _first_records(consumer: Consumer, topic: str, ranges: Ranges) -> dict[int, Peek]:
    """The first record of each range that has one."""
    found = _records(consumer, topic, ranges, is_first_enough=True)
    return {partition: peeks[0] for partition, peeks in found.items() if peeks}


def _last_records(consumer: Consumer, topic: str, ranges: Ranges) -> dict[int, Peek]:
    """The last record of each range that has one."""
    last: dict[int, Peek] = {}
    left, n_back = {p: held for p, held in ranges.items() if held[0] < held[1]}, 1
    while left:
        tails = {p: (max(start, end - n_back), end) for p, (start, end) in left.items()}
        found = _records(consumer, topic, tails, is_first_enough=False)
        last.update({p: peeks[-1] for p, peeks in found.items() if peeks})
        left = {p: held for p, held in left.items() if p not in last and tails[p][0] > held[0]}
        n_back *= WIDER
    return last


def _records(consumer: Consumer, topic: str, ranges: Ranges, *, is_first_enough: bool) -> dict[int, list[Peek]]:
    """Offset and timestamp of the records of these ranges, or of the first one of each."""
    left = {p: end for p, (start, end) in ranges.items() if start < end}
    found: dict[int, list[Peek]] = {p: [] for p in left}
    consumer.assign([TopicPartition(topic, p, ranges[p][0]) for p in left])
    give_up_s = time.monotonic() + PEEK_TIMEOUT_S
    while left:
        if time.monotonic() >= give_up_s:
            raise Retryable(f"{topic}: partitions {sorted(left)} gave no answer within {PEEK_TIMEOUT_S:g} s")
        for message in consumer.consume(100, 0.1):
            partition, peek = _peek(message)
            if partition not in left:
                continue
            end = left[partition]
            if peek is not None and peek.offset < end:
                found[partition].append(peek)
            if peek is None or peek.offset + 1 >= end or is_first_enough:
                del left[partition]
    consumer.unassign()
    return found


def _peek(message: Message) -> tuple[int, Peek | None]:
    """Partition and record; None for the end of the partition."""
    partition, offset, error = message.partition(), message.offset(), message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise translated(error, f"reading {message.topic()} [{partition}] at {offset}")
    assert partition is not None
    assert offset is not None
    return partition, None if error is not None else Peek(offset, message.timestamp()[1])
