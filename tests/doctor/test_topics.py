"""What is said about topics that a small test cluster cannot have: several brokers, long histories, size limits."""

from __future__ import annotations

from consumer.doctor.findings import Severity
from consumer.doctor.topics import check_history, check_input_topic
from consumer.kafka.inspection import TopicFacts
from consumer.replay.ranges import FoundRange, Peek
from consumer.settings import Settings

SETTINGS = Settings()
NOW_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
KEEPS_ALL = {"cleanup.policy": "delete", "retention.ms": "-1"}


def topic(
    config: dict[str, str] | None = None, replicas: int = 3, in_sync: int = 3, without_leader: tuple[int, ...] = ()
) -> TopicFacts:
    return TopicFacts("behaviour-events", 2, replicas, in_sync, without_leader, None, config or KEEPS_ALL)


def range_of(first_ms: int, last_ms: int, first_offset: int = 0) -> FoundRange:
    held = (first_offset, first_offset + 100)
    last = Peek(held[1] - 1, last_ms)
    return FoundRange(0, held, held, *held, Peek(first_offset, first_ms), last, last)


def told(found: TopicFacts, n_brokers: int = 3) -> list[str]:
    findings = check_input_topic(SETTINGS, {found.name: found}, n_brokers)
    return [f.saw for f in findings if f.severity is not Severity.OK]


def test_one_replica_is_little_where_there_are_more_brokers() -> None:
    assert told(topic(replicas=1, in_sync=1), n_brokers=3) == [
        "behaviour-events has one replica on a cluster of 3 brokers: it is gone with its broker"
    ]
    assert told(topic(replicas=1, in_sync=1), n_brokers=1) == []


def test_replicas_that_are_missing_stop_writers() -> None:
    assert told(topic({**KEEPS_ALL, "min.insync.replicas": "2"}, in_sync=1)) == [
        "behaviour-events: min.insync.replicas is 2, but a partition has 1 in sync (of 3): writes are refused"
    ]


def test_a_partition_without_a_leader_is_told() -> None:
    assert told(topic(without_leader=(1,))) == ["behaviour-events: partitions without a leader: 1"]


def test_history_that_retention_is_about_to_delete_is_a_problem() -> None:
    week = topic({"cleanup.policy": "delete", "retention.ms": str(7 * 24 * HOUR_MS)})
    last_year = [range_of(NOW_MS - 400 * 24 * HOUR_MS, NOW_MS - 300 * 24 * HOUR_MS)]
    (finding,) = check_history(SETTINGS, week, last_year, NOW_MS)
    assert finding.severity is Severity.PROBLEM
    assert "all of it is to be deleted, retention goes by records' timestamps" in finding.saw
    assert check_history(SETTINGS, topic(), last_year, NOW_MS)[0].severity is Severity.OK


def test_a_size_limit_that_leaves_too_little_is_told_by_what_is_left() -> None:
    limited = topic({**KEEPS_ALL, "retention.bytes": "1000"})
    short = [range_of(NOW_MS - 5 * HOUR_MS, NOW_MS, first_offset=70)]
    (finding,) = check_history(SETTINGS, limited, short, NOW_MS)
    assert finding.severity is Severity.WARNING
    assert "retention.bytes has left records of the last 5 h; the longest half-life is 7 d" in finding.saw
    young = [range_of(NOW_MS - 5 * HOUR_MS, NOW_MS, first_offset=0)]
    assert check_history(SETTINGS, limited, young, NOW_MS)[0].severity is Severity.OK
