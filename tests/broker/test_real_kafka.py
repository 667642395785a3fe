"""What the tests rely on a real broker for, and the mock cluster cannot do."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.broker import Broker, LocalBroker, create_topic

pytestmark = pytest.mark.broker


def produced(address: str, topic: str, values: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def read_to_the_end(address: str, topic: str, isolation: str = "read_committed") -> list[bytes | None]:
    """Values of partition 0 up to where this isolation level ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "reader",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values: list[bytes | None] = []
    try:
        while not (message := _next(consumer)).error():
            values.append(message.value())
    finally:
        consumer.close()
    return values


def _next(consumer: Consumer) -> Message:
    """A record, or the notice that the end is reached."""
    message = consumer.poll(30)
    assert message is not None, "the broker said nothing for 30 s"
    return message


def test_what_is_produced_can_be_consumed_in_order(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic)
    produced(kafka.bootstrap_servers, topic, [b"a", b"b", b"c"])
    assert read_to_the_end(kafka.bootstrap_servers, topic) == [b"a", b"b", b"c"]


def test_read_committed_sees_committed_transactions_only(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}rows"
    create_topic(kafka.bootstrap_servers, topic)
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": f"{topic_prefix}writer"})
    producer.init_transactions(30)

    producer.begin_transaction()
    producer.produce(topic, b"kept")
    producer.commit_transaction(30)

    producer.begin_transaction()
    producer.produce(topic, b"aborted")
    assert producer.flush(30) == 0
    producer.abort_transaction(30)

    producer.begin_transaction()
    producer.produce(topic, b"open")
    assert producer.flush(30) == 0

    assert read_to_the_end(kafka.bootstrap_servers, topic) == [b"kept"]
    assert read_to_the_end(kafka.bootstrap_servers, topic, "read_uncommitted") == [b"kept", b"aborted", b"open"]
    producer.abort_transaction(30)


def test_asking_for_a_topic_that_nobody_created_does_not_create_it(kafka: Broker, topic_prefix: str) -> None:
    client = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "allow.auto.create.topics": True})
    client.list_topics(f"{topic_prefix}misspelt", timeout=30)
    assert f"{topic_prefix}misspelt" not in client.list_topics(timeout=30).topics


def test_data_and_address_outlive_stop_kill_and_restart(own_kafka: LocalBroker, topic_prefix: str) -> None:
    address, topic = own_kafka.bootstrap_servers, f"{topic_prefix}events"
    create_topic(address, topic)
    produced(address, topic, [b"before the restart"])
    own_kafka.restart()
    produced(address, topic, [b"before the kill"])
    own_kafka.kill()
    assert not own_kafka.is_running
    own_kafka.start()
    assert own_kafka.bootstrap_servers == address
    assert read_to_the_end(address, topic) == [b"before the restart", b"before the kill"]
