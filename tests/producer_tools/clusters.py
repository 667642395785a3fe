"""Clusters for these tests: what a topic holds, and an in-process stand-in that takes records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Message, Producer, TopicPartition


@contextmanager
def mock_cluster() -> Iterator[str]:
    """Address of an in-process cluster where topics appear by themselves."""
    owner = Producer({"test.mock.num.brokers": 1, "log_level": 2})
    (broker,) = owner.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    owner.flush(0)  # it lives as long as its owner


def stored(address: str, topic: str) -> list[Message]:
    """All records of a topic, partition by partition."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "tests", "enable.partition.eof": True})
    try:
        partitions = list(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
        messages: list[Message] = []
        n_open = len(partitions)
        while n_open:
            message = consumer.poll(30)
            assert message is not None, "the cluster said nothing for 30 s"
            if message.error():
                n_open -= 1
            else:
                messages.append(message)
        return messages
    finally:
        consumer.close()
