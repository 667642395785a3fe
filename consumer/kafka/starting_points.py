"""Where in the input a time lies, or its end."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaException, TopicPartition

from consumer.kafka.client_config import new_consumer, reader_properties
from consumer.kafka.client_errors import cause, translated
from consumer.kafka.metadata import bounds_of, partitions_of
from consumer.messages import Positions
from consumer.settings import Settings

ANSWER_TIMEOUT_S: Final = 10.0


def end_of_input(settings: Settings, *, counts_open: bool = False) -> Positions:
    """Behind the last record of each partition; behind those of open transactions too, if they count. Raises Fatal if
    there is no topic, Retryable if nobody answers."""
    topic, properties = settings.input.topic, reader_properties(settings)
    if counts_open:
        properties["isolation.level"] = "read_uncommitted"
    consumer = new_consumer(settings, properties)
    try:
        bounds = bounds_of(consumer, topic, partitions_of(consumer, topic, ANSWER_TIMEOUT_S), ANSWER_TIMEOUT_S)
        return {partition: end for partition, (_, end) in bounds.items()}
    finally:
        consumer.close()


def input_from(settings: Settings, time_ms: int) -> Positions:
    """The first record of each partition whose timestamp is at or after this; its end where there is none."""
    topic = settings.input.topic
    consumer = new_consumer(settings, reader_properties(settings))
    try:
        partitions = partitions_of(consumer, topic, ANSWER_TIMEOUT_S)
        ends = bounds_of(consumer, topic, partitions, ANSWER_TIMEOUT_S)
        asked = [TopicPartition(topic, partition, time_ms) for partition in partitions]
        found = consumer.offsets_for_times(asked, timeout=ANSWER_TIMEOUT_S)
    except KafkaException as error:
        raise translated(cause(error), f"asking where time {time_ms} lies in {topic}") from error
    finally:
        consumer.close()
    return {at.partition: at.offset if at.offset >= 0 else ends[at.partition][1] for at in found}
