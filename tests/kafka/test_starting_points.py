"""Where a first worker begins to read, asked of a real Kafka."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from consumer.errors import Fatal
from consumer.kafka.output import KafkaOutput
from consumer.kafka.starting_points import end_of_input, input_from
from consumer.messages import OutputRecord
from consumer.settings import Settings
from tests.broker import Broker, create_topic

pytestmark = pytest.mark.broker

HOUR_MS = 3_600_000
START_MS = 1_795_000_000_000


@pytest.fixture
def settings(kafka: Broker, topic_prefix: str) -> Settings:
    """Ten records an hour apart in partition 0, one in partition 1, none in 2."""
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, 3, config={"retention.ms": "-1"})
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for hour in range(10):
        producer.produce(topic, b"{}", partition=0, timestamp=START_MS + hour * HOUR_MS)
    producer.produce(topic, b"{}", partition=1, timestamp=START_MS)
    assert producer.flush(30) == 0
    return Settings.model_validate({"input": {"topic": topic}, "kafka": {"bootstrap_servers": kafka.bootstrap_servers}})


def test_the_end_lies_behind_the_last_record(settings: Settings) -> None:
    assert end_of_input(settings) == {0: 10, 1: 1, 2: 0}


def test_records_of_an_open_transaction_lie_behind_it_unless_they_count(settings: Settings) -> None:
    writer = KafkaOutput(settings, writes_as=f"{settings.input.topic}-writer")
    writer.open()
    writer.begin()
    writer.write([OutputRecord(settings.input.topic, b"ann", b"{}", partition=2)])
    writer.flush()
    assert end_of_input(settings) == {0: 10, 1: 1, 2: 0}
    assert end_of_input(settings, counts_open=True) == {0: 10, 1: 1, 2: 1}
    writer.close()


def test_a_time_is_the_first_record_at_or_after_it_or_the_end(settings: Settings) -> None:
    assert input_from(settings, START_MS) == {0: 0, 1: 0, 2: 0}
    assert input_from(settings, START_MS + 3 * HOUR_MS + 1) == {0: 4, 1: 1, 2: 0}


def test_a_topic_that_is_not_there_is_told(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"input": settings.input.model_copy(update={"topic": "nowhere"})})
    with pytest.raises(Fatal, match="nowhere"):
        end_of_input(elsewhere)
