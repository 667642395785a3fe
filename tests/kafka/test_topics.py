"""Which topics the worker wants, and what it says about those that differ."""

from __future__ import annotations

import pytest

from consumer.errors import Fatal
from consumer.kafka.topic_admin import TopicAdmin
from consumer.kafka.topics import DEAD_LETTER_ROOM, DesiredTopic, FoundTopic, desired_topics, differences
from consumer.settings import Settings
from tests.broker import Broker, create_topic
from tests.kafka.worlds import RealWorld, settings_of

SETTINGS = Settings()


def desired(name: str, **options: int) -> DesiredTopic:
    return next(topic for topic in desired_topics(SETTINGS, **options) if topic.name == name)


def told(wanted: DesiredTopic, **config: str) -> list[str]:
    """Findings about a topic that is as wanted but for `config` (with `_` for `.`)."""
    changed = {**wanted.config, **{key.replace("_", "."): value for key, value in config.items()}}
    found = FoundTopic(wanted.name, wanted.partitions or 1, changed)
    return [str(finding) for finding in differences([wanted], {wanted.name: found})]


def test_rows_and_manifests_are_compacted_and_dead_letters_are_not() -> None:
    policies = {topic.name: topic.config["cleanup.policy"] for topic in desired_topics(SETTINGS)}
    assert policies == {
        "item-scores": "compact",
        "item-related": "compact",
        "score-manifests": "compact",
        "behaviour-events-dead-letters": "delete",
    }


def test_manifests_have_one_partition() -> None:
    assert desired("score-manifests", row_partitions=12).partitions == 1
    assert desired("item-scores", row_partitions=12).partitions == 12


def test_dead_letters_may_be_larger_than_the_records_they_hold() -> None:
    limit = desired("behaviour-events-dead-letters", input_limit_bytes=5_000_000).config["max.message.bytes"]
    assert int(limit) == 5_000_000 + DEAD_LETTER_ROOM


def test_two_replicas_must_have_a_row_where_there_are_three() -> None:
    assert desired("item-scores", replication_factor=3).config["min.insync.replicas"] == "2"
    assert desired("item-scores", replication_factor=1).config["min.insync.replicas"] == "1"


def test_a_topic_as_wanted_gives_no_finding() -> None:
    assert told(desired("item-scores")) == []


def test_a_wrong_cleanup_policy_is_told() -> None:
    wanted = desired("item-scores")
    assert told(wanted, cleanup_policy="delete") == ["item-scores: cleanup.policy is delete, wanted compact"]


def test_more_than_wanted_is_fine_and_less_is_told() -> None:
    wanted = desired("item-scores")
    assert told(wanted, delete_retention_ms="9999999999") == []
    assert told(wanted, delete_retention_ms="1000") == [
        "item-scores: delete.retention.ms is 1000, wanted at least 604800000"
    ]


def test_keeping_dead_letters_for_ever_is_fine() -> None:
    assert told(desired("behaviour-events-dead-letters"), retention_ms="-1") == []


def test_a_missing_topic_is_told() -> None:
    assert [str(f) for f in differences([desired("item-scores")], {})] == [
        "item-scores: does not exist, or this principal may not describe it"
    ]


@pytest.mark.broker
def test_created_topics_are_as_wanted(kafka: Broker, topic_prefix: str) -> None:
    admin = TopicAdmin(settings_of(kafka.bootstrap_servers, topic_prefix, "a"))
    assert len(admin.create(input_partitions=3)) == 5
    assert admin.differences(input_partitions=3) == []
    assert admin.create(input_partitions=3) == []
    assert admin.check_at_start() == 1_048_588 + DEAD_LETTER_ROOM


@pytest.mark.broker
def test_missing_topics_are_all_told_at_start(kafka: Broker, topic_prefix: str) -> None:
    admin = TopicAdmin(settings_of(kafka.bootstrap_servers, topic_prefix, "a"))
    with pytest.raises(Fatal) as refused:
        admin.check_at_start()
    for name in ("scores", "related", "manifests", "events-dead-letters"):
        assert f"{topic_prefix}{name}: does not exist" in str(refused.value)
    assert f"{topic_prefix}events: does not exist (the input)" in map(str, admin.differences())


@pytest.mark.broker
def test_dead_letters_with_too_small_a_limit_are_refused_at_start(kafka: Broker, topic_prefix: str) -> None:
    settings = settings_of(kafka.bootstrap_servers, topic_prefix, "a")
    create_topic(kafka.bootstrap_servers, settings.input.topic, 1, {"max.message.bytes": "3000000"})
    create_topic(kafka.bootstrap_servers, settings.dead_letters_topic, 1, {"max.message.bytes": "3000000"})
    admin = TopicAdmin(settings)
    admin.create()
    with pytest.raises(Fatal, match=r"max\.message\.bytes is 3000000, wanted at least 3065536"):
        admin.check_at_start()


@pytest.mark.broker
def test_what_is_only_weaker_than_wanted_does_not_stop_the_worker(real: RealWorld) -> None:
    settings = real.settings.model_copy(
        update={"publish": real.settings.publish.model_copy(update={"related_topic": f"{real.prefix}weak"})}
    )
    create_topic(real.address, f"{real.prefix}weak", 2, {"cleanup.policy": "compact", "min.compaction.lag.ms": "1"})
    admin = TopicAdmin(settings, row_partitions=2)
    assert [f.what for f in admin.differences()] == [
        "min.compaction.lag.ms is 1, wanted at least 21600000",
        "delete.retention.ms is 86400000, wanted at least 604800000",
    ]
    admin.check_at_start()
