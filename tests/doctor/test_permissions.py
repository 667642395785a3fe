"""What is said about permissions, from what brokers and ACLs tell."""

from __future__ import annotations

import pytest

from consumer.doctor.findings import Severity
from consumer.doctor.permissions import check_topics_allowed, check_transactions_allowed
from consumer.kafka.inspection import TopicFacts
from consumer.settings import Settings

SETTINGS = Settings()
AUTHORIZER = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}
NOTHING: frozenset[str] = frozenset()
OK, WARNING, PROBLEM = Severity.OK, Severity.WARNING, Severity.PROBLEM


def topic(name: str, *allowed: str) -> dict[str, TopicFacts]:
    return {name: TopicFacts(name, 1, 1, 1, (), frozenset(allowed), {})}


@pytest.mark.parametrize(
    ("user", "allowed", "config", "severity"),
    [
        ("u", frozenset({"WRITE"}), AUTHORIZER, OK),
        ("u", frozenset({"ALL"}), AUTHORIZER, OK),
        ("u", frozenset({"DESCRIBE"}), AUTHORIZER, PROBLEM),
        ("u", NOTHING, AUTHORIZER, PROBLEM),
        ("u", NOTHING, {**AUTHORIZER, "super.users": "User:admin;User:u"}, OK),
        ("u", NOTHING, {**AUTHORIZER, "allow.everyone.if.no.acl.found": "true"}, WARNING),
        ("u", None, AUTHORIZER, WARNING),
        ("u", None, None, WARNING),
        (None, NOTHING, AUTHORIZER, WARNING),
        (None, None, {"authorizer.class.name": ""}, OK),
    ],
)
def test_the_transactional_id_is_judged_by_all_that_is_known(
    user: str | None, allowed: frozenset[str] | None, config: dict[str, str] | None, severity: Severity
) -> None:
    (finding,) = check_transactions_allowed("freshrank-default", user, allowed, config)
    assert finding.severity is severity


def test_reading_and_writing_are_needed_on_output_topics_and_reading_on_the_input() -> None:
    topics = topic(SETTINGS.publish.scores_topic, "READ") | topic(SETTINGS.input.topic, "DESCRIBE")
    assert [f.saw for f in check_topics_allowed(SETTINGS, topics)] == [
        "topic behaviour-events: Read not allowed",
        "topic item-scores: Write not allowed",
    ]


def test_who_may_read_may_describe() -> None:
    assert check_topics_allowed(SETTINGS, topic(SETTINGS.input.topic, "READ"))[0].severity is OK
