"""Ranges of a topic on a real broker: where they lie, and each partition read by itself up to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.errors import Fatal
from consumer.kafka.range_reader import KafkaRanges
from consumer.kafka.ranges import found_ranges, is_compacted
from consumer.replay.ranges import AskedRange
from tests.broker import create_topic
from tests.kafka.worlds import N_PARTITIONS, RealWorld, settings_of

pytestmark = pytest.mark.broker

START_MS = int(time.time()) * 1000 - 3_600_000
"""An hour ago: retention goes by the records' timestamps."""


def send(world: RealWorld, n: int, partition: int = 0, first: int = 0) -> None:
    """Records `first` … of a second each."""
    producer = Producer({"bootstrap.servers": world.address})
    for k in range(first, first + n):
        producer.produce(world.settings.input.topic, b"%d" % k, partition=partition, timestamp=START_MS + 1000 * k)
    assert producer.flush(30) == 0


def send_in_transaction(world: RealWorld, n: int) -> None:
    producer = Producer({"bootstrap.servers": world.address, "transactional.id": f"{world.prefix}producer"})
    producer.init_transactions(30)
    producer.begin_transaction()
    for k in range(n):
        producer.produce(world.settings.input.topic, b"t%d" % k, partition=0, timestamp=START_MS + 1000 * k)
    producer.commit_transaction(30)


def delete_before(world: RealWorld, offset: int) -> None:
    """As retention does."""
    admin = AdminClient({"bootstrap.servers": world.address})
    where = TopicPartition(world.settings.input.topic, 0, offset)
    for future in admin.delete_records([where]).values():
        future.result(30)


@contextmanager
def reading(world: RealWorld, ranges: Mapping[int, tuple[int, int]]) -> Iterator[KafkaRanges]:
    partitions = KafkaRanges(world.settings, ranges)
    try:
        yield partitions
    finally:
        partitions.close()


def read_to_end(partitions: KafkaRanges, partition: int, at_once: int = 1_000) -> Sequence[bytes | None]:
    values: list[bytes | None] = []
    give_up_s = time.monotonic() + 30
    while not partitions.is_at_end(partition):
        assert time.monotonic() < give_up_s, f"only {len(values)} records came"
        batch = partitions.read(partition, at_once, 0.1)
        if batch is not None:
            assert set(batch.partitions.tolist()) == {partition}
            values += list(batch.values)
    return values


@pytest.mark.parametrize("at_once", [1_000, 7])
def test_each_partition_is_read_by_itself_up_to_its_end(real: RealWorld, at_once: int) -> None:
    for partition in range(N_PARTITIONS):
        send(real, 50, partition)
    with reading(real, {0: (10, 40), 1: (0, 50)}) as partitions:
        assert partitions.numbers == [0, 1]
        assert read_to_end(partitions, 1, at_once) == [b"%d" % k for k in range(50)]
        assert not partitions.is_at_end(0)
        assert read_to_end(partitions, 0, at_once) == [b"%d" % k for k in range(10, 40)]
        assert partitions.read(0, 10, 0.0) is None


def test_what_comes_behind_the_end_is_not_read(real: RealWorld) -> None:
    send(real, 20)
    with reading(real, {0: (0, 20)}) as partitions:
        send(real, 20, first=20)
        assert read_to_end(partitions, 0) == [b"%d" % k for k in range(20)]


def test_an_end_behind_transaction_markers_is_reached(real: RealWorld) -> None:
    send_in_transaction(real, 5)
    (found, _) = found_ranges(real.settings, AskedRange())
    assert (found.start, found.end) == (0, 6)
    assert found.last is not None
    assert found.last.offset == 4
    with reading(real, {0: (0, 6)}) as partitions:
        assert read_to_end(partitions, 0) == [b"t%d" % k for k in range(5)]
    with reading(real, {0: (5, 6)}) as partitions:
        assert read_to_end(partitions, 0) == []


def test_an_empty_range_is_at_its_end_from_the_start(real: RealWorld) -> None:
    with reading(real, {0: (0, 0), 1: (0, 0)}) as partitions:
        assert partitions.is_at_end(0)
        assert partitions.numbers == [0, 1]


def test_records_that_retention_deleted_meanwhile_stop_the_reading(real: RealWorld) -> None:
    send(real, 30)
    delete_before(real, 20)
    with reading(real, {0: (10, 30)}) as partitions, pytest.raises(Fatal, match="position 10 lies outside the log"):
        read_to_end(partitions, 0)


def test_a_topic_that_ends_before_the_range_was_made_anew(real: RealWorld) -> None:
    send(real, 10)
    with reading(real, {0: (0, 99)}) as partitions, pytest.raises(Fatal, match=r"ends at 10, but .* ended at 99"):
        read_to_end(partitions, 0)


def test_times_are_found_by_the_records_own_timestamps(real: RealWorld) -> None:
    send(real, 100, 0)
    send(real, 10, 1, first=95)
    asked = AskedRange(from_ms=START_MS + 20_000, to_ms=START_MS + 100_000)
    first, second = found_ranges(real.settings, asked)
    assert (first.start, first.end, second.start, second.end) == (20, 100, 0, 5)
    assert first.first == (20, START_MS + 20_000)
    assert first.last == (99, START_MS + 99_000)
    assert second.last == (4, START_MS + 99_000)
    assert second.newest == second.last


def test_what_lies_past_the_end_or_was_deleted_is_told_with_what_is_there(real: RealWorld) -> None:
    send(real, 30)
    delete_before(real, 12)
    first, second = found_ranges(real.settings, AskedRange(from_offsets={0: 5}))
    assert (first.wished, first.held, first.start, first.end) == ((5, 30), (12, 30), 12, 30)
    assert first.first == (12, START_MS + 12_000)
    assert (second.first, second.last, second.newest) == (None, None, None)
    past, _ = found_ranges(real.settings, AskedRange(from_ms=START_MS + 1_000_000))
    assert (past.start, past.end, past.last) == (30, 30, None)
    assert past.newest == (29, START_MS + 29_000)


def test_a_compacted_input_is_known_as_one(real: RealWorld) -> None:
    assert not is_compacted(real.settings)
    other = settings_of(real.address, f"{real.prefix}compacted-", "a")
    create_topic(real.address, other.input.topic, 1, {"cleanup.policy": "compact"})
    assert is_compacted(other)
