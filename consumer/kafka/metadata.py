"""What the brokers say about a topic: its partitions, and where their records begin and end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.kafka.client_errors import cause, translated


def partitions_of(client: Consumer | AdminClient, topic: str, timeout_s: float) -> Sequence[int]:
    """Ascending. Raises Fatal if the topic doesn't exist, Retryable where nobody answers.

    With `allow.auto.create.topics` this creates the topic where the cluster may: the mock cluster does.
    """
    doing = f"asking for the partitions of topic {topic}"
    try:
        metadata = client.list_topics(topic, timeout=timeout_s).topics[topic]
    except KafkaException as error:
        raise translated(cause(error), doing) from error
    if metadata.error is not None:
        raise translated(metadata.error, doing)
    return sorted(metadata.partitions)


def bounds_of(
    consumer: Consumer, topic: str, partitions: Sequence[int], timeout_s: float
) -> Mapping[int, tuple[int, int]]:
    """For each partition: first offset that still exists, and the end.

    For a `read_committed` consumer the end is the last stable offset: in front of the first transaction still open.
    """
    bounds = {}
    for partition in partitions:
        try:
            bounds[partition] = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout_s)
        except KafkaException as error:
            raise translated(cause(error), f"asking for the offsets of {topic} [{partition}]") from error
    return bounds
