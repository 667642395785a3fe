"""Producing: everything arrives in order and on time, or it is known what didn't."""

from __future__ import annotations

import gc
import weakref
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from producer_tools.connection import Connection, read_properties
from producer_tools.errors import ToolError, UsageError
from producer_tools.pacing import FixedRate
from producer_tools.producing import RecordProducer, Timestamps
from producer_tools.records import RecordBlock
from tests.producer_tools.clusters import mock_cluster, stored


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with mock_cluster() as address:
        yield address


def blocks(n: int, size: int = 500) -> Iterator[RecordBlock]:
    for first in range(0, n, size):
        numbers = range(first, min(first + size, n))
        yield RecordBlock(
            [b"user-%d" % (i % 7) for i in numbers], [b"%d" % i for i in numbers], np.array(numbers) + 1_000_000
        )


def test_all_records_are_delivered_and_counted(cluster: str, topic_prefix: str) -> None:
    delivery = RecordProducer(Connection(cluster), f"{topic_prefix}events").send(blocks(5_200))
    assert delivery.is_complete
    assert (delivery.n_sent, delivery.n_delivered) == (5_200, 5_200)
    assert len(stored(cluster, f"{topic_prefix}events")) == 5_200


def test_the_records_of_a_user_stay_in_order_in_one_partition(cluster: str, topic_prefix: str) -> None:
    RecordProducer(Connection(cluster), f"{topic_prefix}events").send(blocks(3_000))
    numbers, partitions = defaultdict(list), defaultdict(set)
    for message in stored(cluster, f"{topic_prefix}events"):
        numbers[message.key()].append(int(message.value() or b""))
        partitions[message.key()].add(message.partition())
    assert all(found == sorted(found) for found in numbers.values())
    assert all(len(found) == 1 for found in partitions.values())


def test_a_full_queue_holds_the_sender_up_and_loses_nothing(cluster: str, topic_prefix: str) -> None:
    small = Connection(cluster, {"queue.buffering.max.messages": 100, "linger.ms": 0})
    delivery = RecordProducer(small, f"{topic_prefix}events").send(blocks(3_000))
    assert delivery.is_complete
    assert delivery.n_delivered == 3_000


def test_records_carry_event_times_where_asked_for(cluster: str, topic_prefix: str) -> None:
    RecordProducer(Connection(cluster), f"{topic_prefix}events", Timestamps.EVENT).send(blocks(10))
    found = {(int(m.value() or b""), m.timestamp()[1]) for m in stored(cluster, f"{topic_prefix}events")}
    assert found == {(i, i + 1_000_000) for i in range(10)}


def test_tombstones_are_sent_as_tombstones(cluster: str, topic_prefix: str) -> None:
    RecordProducer(Connection(cluster), f"{topic_prefix}events").send([RecordBlock([b"u"], [None], np.array([0]))])
    (message,) = stored(cluster, f"{topic_prefix}events")
    assert message.value() is None
    assert message.key() == b"u"


def test_a_schedule_is_kept_and_the_lateness_reported(cluster: str, topic_prefix: str) -> None:
    delivery = RecordProducer(Connection(cluster), f"{topic_prefix}events").send(blocks(300), FixedRate(1_000))
    assert delivery.is_complete
    assert delivery.seconds >= 0.299
    assert 0 < delivery.late_p99_s <= 1.19 * max(delivery.late_max_s, 1e-4)


def test_progress_is_the_number_of_records_handed_over(cluster: str, topic_prefix: str) -> None:
    heard: list[int] = []
    RecordProducer(Connection(cluster), f"{topic_prefix}events").send(blocks(1_500), on_progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1_500


def test_a_broker_that_is_not_there_is_a_failure_with_counts() -> None:
    nobody = Connection("127.0.0.1:1", {"message.timeout.ms": 1_000})
    delivery = RecordProducer(nobody, "events").send(blocks(10))
    assert not delivery.is_complete
    assert (delivery.n_sent, delivery.n_delivered) == (10, 0)
    assert "timed out" in delivery.first_failure


def test_a_record_too_large_ends_the_sending(cluster: str, topic_prefix: str) -> None:
    huge = RecordBlock([b"u", b"u", b"u"], [b"1", b"x" * 2_000_000, b"3"], np.zeros(3, dtype=np.int64))
    delivery = RecordProducer(Connection(cluster), f"{topic_prefix}events").send([huge])
    assert (delivery.n_sent, delivery.n_delivered) == (1, 1)
    assert "too large" in delivery.first_failure
    assert not delivery.is_complete


def test_a_fault_of_the_source_is_reported_after_the_records_before_it(cluster: str, topic_prefix: str) -> None:
    def breaking() -> Iterator[RecordBlock]:
        yield from blocks(10)
        raise ToolError("row 11 makes no sense")

    delivery = RecordProducer(Connection(cluster), f"{topic_prefix}events").send(breaking())
    assert delivery.n_delivered == 10
    assert delivery.first_failure == "row 11 makes no sense"


def test_an_interrupt_ends_the_sending_and_the_rest_is_delivered(cluster: str, topic_prefix: str) -> None:
    def interrupted() -> Iterator[RecordBlock]:
        yield from blocks(10)
        raise KeyboardInterrupt

    delivery = RecordProducer(Connection(cluster), f"{topic_prefix}events").send(interrupted())
    assert delivery.was_interrupted
    assert delivery.n_delivered == 10
    assert not delivery.is_complete


def test_a_producer_that_nobody_needs_any_more_is_gone(cluster: str, topic_prefix: str) -> None:
    producer = RecordProducer(Connection(cluster), f"{topic_prefix}events")
    assert producer.send(blocks(10)).is_complete
    client = weakref.ref(producer.client)
    del producer
    gc.collect()
    assert client() is None


def test_an_unknown_client_property_is_refused() -> None:
    with pytest.raises(UsageError, match=r'No such configuration property: "lingre.ms"'):
        RecordProducer(Connection("127.0.0.1:1", {"lingre.ms": 5}), "events")


def test_a_property_that_the_tools_own_is_refused() -> None:
    with pytest.raises(UsageError, match="acks, partitioner"):
        Connection("127.0.0.1:1", {"acks": "0", "partitioner": "random"})


def test_client_properties_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_text("# access\nsecurity.protocol = SSL\n\nsasl.password=a=b\n")
    assert read_properties(path) == {"security.protocol": "SSL", "sasl.password": "a=b"}


def test_a_line_that_is_no_property_is_named_but_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "client.properties"
    path.write_text("security.protocol=SSL\nsecret\n")
    with pytest.raises(UsageError, match=r"line 2: expected key=value$"):
        read_properties(path)
