"""The transactional producer against a real broker: what goes wrong, and what the loop is told."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient

from consumer.clock import SystemClock
from consumer.errors import Fatal, Fenced, Retryable
from consumer.kafka.log import KafkaLog
from consumer.kafka.output import KafkaOutput
from consumer.messages import OutputRecord
from tests.broker import LocalBroker, create_topic
from tests.end_to_end.waiting import until
from tests.kafka.worlds import RealWorld

pytestmark = pytest.mark.broker


def deliver(output: KafkaOutput, topic: str, value: bytes) -> None:
    """One record inside the open transaction."""
    output.write([OutputRecord(topic, b"k", value)])
    output.flush()


def test_a_record_over_the_topics_limit_is_fatal_and_says_where(real: RealWorld) -> None:
    output = real.output()
    output.open()
    output.begin()
    with pytest.raises(Fatal, match=r"writing a record of 3000000 bytes to .*scores.*max\.message\.bytes"):
        deliver(output, real.rows, Random(0).randbytes(3_000_000))
    output.abort()
    output.open()
    output.begin()
    deliver(output, real.rows, b"small")
    output.commit()


def test_writing_to_a_topic_that_does_not_exist_is_fatal(real: RealWorld) -> None:
    output = KafkaOutput(real.settings_of("a", producer={"topic.metadata.propagation.max.ms": 1000}))
    output.open()
    output.begin()
    with pytest.raises(Fatal, match="nowhere"):
        deliver(output, f"{real.prefix}nowhere", b"v")
    output.abort()
    output.close()


def test_an_output_that_was_never_opened_counts_as_fenced(real: RealWorld) -> None:
    with pytest.raises(Fenced, match="not open"):
        real.output().begin()


def test_a_large_version_is_delivered_whole(real: RealWorld) -> None:
    output = real.output()
    output.open()
    output.begin()
    output.write(OutputRecord(real.rows, b"item-%d" % n, b"v" * 70) for n in range(150_000))
    ends = output.flush()
    output.commit()
    assert sum(ends[real.rows].values()) == 150_000
    output.open()
    assert len(list(real.log().read(real.rows, {}))) == 150_000


def test_a_topic_that_was_made_anew_can_be_read_again(real: RealWorld) -> None:
    output, log = real.output(), real.log()
    for value in (b"old", b"new"):
        output.open()
        output.begin()
        deliver(output, real.rows, value)
        output.commit()
        assert [record.value for record in log.read(real.rows, {})] == [value]
        made_anew(real, real.rows)
        log.reconnect()


def made_anew(real: RealWorld, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": real.address})
    for future in admin.delete_topics([topic]).values():
        future.result(30)
    until(lambda: topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    create_topic(real.address, topic)


def test_an_outage_is_told_within_the_transactions_timeout_and_survived(
    own_kafka: LocalBroker, topic_prefix: str
) -> None:
    world = RealWorld(own_kafka.bootstrap_servers, topic_prefix)
    clock, moves_s = SystemClock(), list[float]()
    output = KafkaOutput(
        world.settings_of("a", transaction_timeout_s=10), while_waiting=lambda: moves_s.append(clock.monotonic_s())
    )
    output.open()
    output.begin()
    own_kafka.kill()
    with pytest.raises((Retryable, Fenced)):
        deliver(output, world.rows, b"lost")
    moves_s.append(clock.monotonic_s())
    assert max(np.diff(moves_s)) < 5, "whoever waits for a broker has to show that he is alive"
    own_kafka.start()
    output.open()
    output.begin()
    deliver(output, world.rows, b"kept")
    output.commit()
    output.open()
    log = KafkaLog(world.settings)
    assert [record.value for record in log.read(world.rows, {})] == [b"kept"]
    log.close()
    output.close()
