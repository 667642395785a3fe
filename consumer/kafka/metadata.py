"""What the brokers say about a topic: its partitions, and where their records begin and end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.kafka.client_errors import cause, translated

MIN_WAIT_S: Final = 0.1
RETRY_S: Final = 0.1
_COMING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)


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
    give_up_s = time.monotonic() + timeout_s
    return {partition: _bounds(consumer, TopicPartition(topic, partition), give_up_s) for partition in partitions}


def _bounds(consumer: Consumer, partition: TopicPartition, give_up_s: float) -> tuple[int, int]:
    """Asked again while the partition, which is there by its topic's metadata, has no leader, as just after the topic
    was created, or isn't known, as by a broker that has just started."""
    while True:
        left_s = max(give_up_s - time.monotonic(), MIN_WAIT_S)
        try:
            first, end = consumer.get_watermark_offsets(partition, timeout=left_s)
        except KafkaException as error:
            if cause(error).code() not in _COMING or left_s <= MIN_WAIT_S:
                doing = f"asking for the offsets of {partition.topic} [{partition.partition}]"
                raise translated(cause(error), doing) from error
            time.sleep(RETRY_S)
        else:
            return first, end
