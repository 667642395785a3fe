"""The reader that makes no object of a record must read what confluent-kafka reads, byte for byte."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from consumer import record_columns
from consumer.kafka import message_columns
from consumer.kafka.client_config import reader_properties
from consumer.kafka.record_reader import Fault, RecordReader
from consumer.kafka.records import headers_of
from consumer.messages import InputRecord, RecordBatch
from tests.kafka.worlds import N_PARTITIONS, RealWorld

pytestmark = pytest.mark.broker

STRINGS: Sequence[bytes | None] = (b"x" * 300, b"", None, "ä€😀".encode(), b"\x00\xff", b"y")
HEADERS: Sequence[list[tuple[str, str | bytes | None]]] = (
    [],
    [("a", b"1")],
    [("a", b"1"), ("a", None), ("", b""), ("größe", b"\x00" * 40)],
)


@pytest.fixture
def reader(real: RealWorld) -> Iterator[RecordReader]:
    """Of the input topic, which is read from the start."""
    errors: list[KafkaError] = []
    made = RecordReader(real.settings.input.topic, reader_properties(real.settings), errors.append)
    made.assign(dict.fromkeys(range(N_PARTITIONS), 0))
    yield made
    made.close()
    assert errors == []


def send_all_kinds(world: RealWorld) -> int:
    """One record of every kind, over all partitions; returns how many."""
    producer = Producer({"bootstrap.servers": world.address})
    start_ms = round(time.time() * 1000)  # retention goes by it: the records of another year would soon be gone
    kinds = [(key, value, headers) for key in STRINGS for value in STRINGS for headers in HEADERS]
    for n, (key, value, headers) in enumerate(kinds):
        producer.produce(
            world.settings.input.topic, value, key, n % N_PARTITIONS, timestamp=start_ms + n, headers=headers
        )
    assert producer.flush(30) == 0
    return len(kinds)


def read_until(
    reader: RecordReader, is_enough: Callable[[list[RecordBatch], list[Fault]], bool], at_once: int = 1000
) -> tuple[list[RecordBatch], list[Fault]]:
    batches: list[RecordBatch] = []
    faults: list[Fault] = []
    give_up_s = time.monotonic() + 30
    while not is_enough(batches, faults):
        assert time.monotonic() < give_up_s, f"only {sum(map(len, batches))} records and {len(faults)} faults came"
        portion = reader.read(at_once, 0.1)
        batches += [] if portion.records is None else [portion.records]
        faults += portion.faults
    return batches, faults


def latest_ends(faults: Sequence[Fault]) -> dict[int, int]:
    return {fault.partition: fault.offset for fault in faults}


def records_of(reader: RecordReader, n: int, at_once: int = 1000) -> list[InputRecord]:
    batches, _ = read_until(reader, lambda batches, _: sum(map(len, batches)) >= n, at_once)
    return [record for batch in batches for record in batch.originals]


def read_by_confluent(world: RealWorld, n: int) -> list[InputRecord]:
    consumer = Consumer({**reader_properties(world.settings), "enable.partition.eof": False})
    topic = world.settings.input.topic
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(N_PARTITIONS)])
    records: list[InputRecord] = []
    while len(records) < n:
        (message,) = consumer.consume(1, 30)
        where = (topic, message.partition() or 0, message.offset() or 0, message.timestamp()[1])
        records.append(InputRecord(*where, message.key(), message.value(), headers_of(message)))
    consumer.close()
    return records


def by_coordinates(records: Sequence[InputRecord]) -> list[InputRecord]:
    return sorted(records, key=lambda record: (record.partition, record.offset))


@pytest.mark.parametrize("at_once", [1000, 7])
def test_every_kind_of_record_is_read_as_confluent_kafka_reads_it(
    real: RealWorld, reader: RecordReader, at_once: int
) -> None:
    n = send_all_kinds(real)
    assert by_coordinates(records_of(reader, n, at_once)) == by_coordinates(read_by_confluent(real, n))


def test_columns_hold_what_the_whole_records_hold(real: RealWorld, reader: RecordReader) -> None:
    n = send_all_kinds(real)
    batches, _ = read_until(reader, lambda batches, _: sum(map(len, batches)) >= n)
    for batch in batches:
        assert list(batch.values) == [record.value for record in batch.originals]
        assert batch.offsets.tolist() == [record.offset for record in batch.originals]
        assert batch.timestamps_ms.tolist() == [record.timestamp_ms for record in batch.originals]


def test_batches_joined_hold_the_same_records(real: RealWorld, reader: RecordReader) -> None:
    n = send_all_kinds(real)
    batches, _ = read_until(reader, lambda batches, _: sum(map(len, batches)) >= n, 10)
    whole = record_columns.joined(batches)
    assert list(whole.originals) == [record for batch in batches for record in batch.originals]
    assert list(whole.values) == [value for batch in batches for value in batch.values]


def test_a_batch_without_a_partition_keeps_the_others_as_they_were(real: RealWorld, reader: RecordReader) -> None:
    n = send_all_kinds(real)
    batches, _ = read_until(reader, lambda batches, _: sum(map(len, batches)) >= n)
    whole = record_columns.joined(batches)
    kept = record_columns.without(whole, {0})
    assert list(kept.originals) == [record for record in whole.originals if record.partition != 0]
    assert record_columns.without(whole, {99}) is whole


def test_the_end_of_a_partition_is_told_and_known(real: RealWorld, reader: RecordReader) -> None:
    real.send([b"a", b"b"], partition=1)
    # A partition may be found at its end before the records come, and again after them.
    _, faults = read_until(reader, lambda _, faults: latest_ends(faults) == {0: 0, 1: 2})
    assert {fault.error.code() for fault in faults} == {KafkaError._PARTITION_EOF}
    assert (reader.known_end(0), reader.known_end(1)) == (0, 2)


def test_a_partition_no_longer_assigned_brings_nothing_more(real: RealWorld, reader: RecordReader) -> None:
    reader.unassign([1])
    real.send([b"kept"], partition=0)
    real.send([b"dropped"], partition=1)
    assert [record.value for record in records_of(reader, 1)] == [b"kept"]
    assert reader.read(10, 0.5).records is None


def test_a_position_outside_the_log_is_a_fault_of_its_partition(real: RealWorld, reader: RecordReader) -> None:
    reader.unassign([0])
    reader.assign({0: 17})
    is_told = lambda _, faults: any(f.error.code() == KafkaError._AUTO_OFFSET_RESET for f in faults)  # noqa: E731 - two lines
    _, faults = read_until(reader, is_told)
    assert {f.partition for f in faults if f.error.code() == KafkaError._AUTO_OFFSET_RESET} == {0}


def test_a_property_that_librdkafka_refuses_is_named() -> None:
    with pytest.raises(KafkaException, match=r"fetch\.min\.bytes"):
        RecordReader("t", {"group.id": "g", "fetch.min.bytes": "many"}, lambda _: None)


def test_addresses_that_are_errors_are_told_apart_from_records(real: RealWorld, reader: RecordReader) -> None:
    assert message_columns.error_rows(np.zeros(0, np.int64)) == []
    real.send([b"only"], partition=0)
    batches, _ = read_until(reader, lambda batches, faults: bool(batches) and len(faults) >= N_PARTITIONS)
    assert sum(map(len, batches)) == 1
