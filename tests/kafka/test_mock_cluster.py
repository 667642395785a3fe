"""librdkafka's cluster in this process, which the demo runs on: everything but fencing and aborts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from consumer.kafka.input import KafkaInput
from consumer.kafka.log import KafkaLog
from consumer.kafka.output import KafkaOutput
from consumer.kafka.topic_admin import TopicAdmin
from consumer.messages import OutputRecord
from consumer.settings import Settings
from tests.kafka.polling import polled, with_lease


@pytest.fixture
def mock_cluster() -> Iterator[str]:
    """Its address."""
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    yield ",".join(f"{b.host}:{b.port}" for b in cluster.list_topics(timeout=10).brokers.values())
    del cluster


def test_the_whole_way_works_without_a_real_broker(mock_cluster: str) -> None:
    settings = Settings.model_validate(
        {
            "model": "demo",
            "kafka": {"bootstrap_servers": mock_cluster, "consumer": {"allow.auto.create.topics": True}},
        }
    )
    TopicAdmin(settings).check_at_start()
    member = with_lease(KafkaInput(settings))
    member.start_reading(dict.fromkeys(member.partitions(), 0))
    producer = Producer({"bootstrap.servers": mock_cluster})
    for n in range(1000):
        producer.produce(settings.input.topic, b"%d" % n, key=b"%d" % n)
    producer.flush(10)
    values = {value for batch in polled(member, 1000) for value in batch.values}
    assert values == {b"%d" % n for n in range(1000)}
    assert all(position == end for position, end in member.lag().values())

    output, log = KafkaOutput(settings), KafkaLog(settings)
    output.open()
    output.begin()
    output.write([OutputRecord(settings.publish.scores_topic, b"item-%d" % n, b"v") for n in range(100)])
    ends = output.flush()[settings.publish.scores_topic]
    output.commit()
    assert len(list(log.read(settings.publish.scores_topic, {}))) == 100
    assert list(log.read(settings.publish.scores_topic, ends)) == []
    assert list(log.read(settings.publish.related_topic, {})) == []
    for client in (member, output, log):
        client.close()
