"""What only a real broker can show: missing topics, retention, and records that are really there."""

from __future__ import annotations

import time

import numpy as np
import pytest

from producer_tools.connection import Connection
from producer_tools.errors import ToolError
from producer_tools.plan import FaultShares, SyntheticPlan
from producer_tools.producing import RecordProducer, Timestamps
from producer_tools.records import RecordBlock
from producer_tools.synthetic import SyntheticStream
from producer_tools.topic_check import check_retention, check_topic
from tests.broker import Broker, create_topic
from tests.producer_tools.clusters import stored

pytestmark = pytest.mark.broker

NOW_MS = time.time_ns() // 1_000_000
IN_2017_MS = 1_511_658_000_000


def test_every_record_of_a_faulty_stream_is_in_the_topic(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, partitions=4)
    connection = Connection(kafka.bootstrap_servers)
    check_topic(connection, topic)
    stream = SyntheticStream(SyntheticPlan(n_events=20_000, faults=FaultShares(0.01, 0.01, 0.01, 0.01, 0.01)))
    assert RecordProducer(connection, topic).send(stream.blocks()).is_complete
    expected = sorted((k, v or b"") for b in stream.blocks() for k, v in zip(b.keys, b.values, strict=True))
    assert sorted((m.key() or b"", m.value() or b"") for m in stored(kafka.bootstrap_servers, topic)) == expected


def test_a_missing_topic_is_a_clear_error(kafka: Broker, topic_prefix: str) -> None:
    with pytest.raises(ToolError, match=f"{topic_prefix}nowhere' does not exist on .*freshrank topics"):
        check_topic(Connection(kafka.bootstrap_servers), f"{topic_prefix}nowhere")


def test_past_event_times_are_refused_where_the_topic_deletes_by_time(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, config={"retention.ms": "604800000"})
    with pytest.raises(ToolError, match=r"retention.ms=604800000.*2017-11-26T01:00:00.*Set retention.ms=-1"):
        check_retention(Connection(kafka.bootstrap_servers), topic, IN_2017_MS, NOW_MS)


@pytest.mark.parametrize(
    "config",
    [{"retention.ms": "-1"}, {"cleanup.policy": "compact"}, {"message.timestamp.type": "LogAppendTime"}],
)
def test_past_event_times_are_allowed_where_they_stay(kafka: Broker, topic_prefix: str, config: dict[str, str]) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, config=config)
    check_retention(Connection(kafka.bootstrap_servers), topic, IN_2017_MS, NOW_MS)


def test_times_well_within_the_retention_are_allowed_and_those_about_to_end_are_not(
    kafka: Broker, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, config={"retention.ms": "604800000"})
    connection, hour_ms = Connection(kafka.bootstrap_servers), 3_600_000
    check_retention(connection, topic, NOW_MS - 5 * 24 * hour_ms, NOW_MS)
    with pytest.raises(ToolError, match="would vanish at once or soon"):
        check_retention(connection, topic, NOW_MS - 6 * 24 * hour_ms - hour_ms, NOW_MS)


def test_present_event_times_are_allowed_everywhere(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic)
    check_retention(Connection(kafka.bootstrap_servers), topic, NOW_MS - 1_000, NOW_MS)


def test_a_record_that_the_broker_refuses_is_a_failure_with_counts(kafka: Broker, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, config={"message.timestamp.after.max.ms": "1000"})
    in_a_day = RecordBlock([b"u"], [b"{}"], np.array([NOW_MS + 86_400_000]))
    delivery = RecordProducer(Connection(kafka.bootstrap_servers), topic, Timestamps.EVENT).send([in_a_day])
    assert (delivery.n_sent, delivery.n_delivered) == (1, 0)
    assert "timestamp" in delivery.first_failure
