"""Whether the worker's principal may do what a worker does, as far as the brokers tell without it being tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.kafka.inspection import GroupFacts, TopicFacts
from consumer.settings import Settings

_READ: Final = frozenset({"READ", "DESCRIBE"})
_WRITE: Final = frozenset({"WRITE"})
_IMPLIED_BY: Final = {
    "DESCRIBE": frozenset({"READ", "WRITE", "DELETE", "ALTER"}),
    "DESCRIBE_CONFIGS": {"ALTER_CONFIGS"},
}


def check_topics_allowed(settings: Settings, topics: Mapping[str, TopicFacts]) -> list[Finding]:
    publish = settings.publish
    output = (*publish.row_topics, publish.manifests_topic, settings.dead_letters_topic)
    needs = {settings.input.topic: _READ, **dict.fromkeys(output, _READ | _WRITE)}
    findings = []
    for name, needed in needs.items():
        if name in topics:
            findings += _of_resource(f"topic {name}", topics[name].allowed, needed)
            findings += _of_configs(topics[name])
    return findings or [ok(f"all that a worker does to its {len(topics)} topics is allowed")]


def check_group_allowed(group: GroupFacts | None, name: str) -> list[Finding]:
    if group is None:
        return [problem(f"group {name}: this principal may not describe it", f"grant it Read on the group {name}")]
    return _of_resource(f"group {name}", group.allowed, _READ) or [ok(f"reading as group {name} is allowed")]


def check_transactions_allowed(
    transactional_id: str, user: str | None, allowed: frozenset[str] | None, broker_config: Mapping[str, str] | None
) -> list[Finding]:
    """`allowed` by ACLs, `broker_config`: None where nobody tells. `user` None: none that ACLs would know signs in."""
    name = f"transactional id {transactional_id}"
    grant = f"let the worker's principal have Write and Describe on the {name}"
    config = broker_config or {}
    if config.get("authorizer.class.name") == "":
        return [ok(f"{name}: the brokers check nobody's permissions")]
    if user is not None and f"User:{user}" in config.get("super.users", "").split(";"):
        return [ok(f"{name}: {user} may do everything")]
    if not allowed and config.get("allow.everyone.if.no.acl.found") == "true":
        allowed = None
    if allowed is None or user is None:
        return [
            warning(
                f"{name}: whether it may be used cannot be told without trying, or Describe on the cluster",
                f"{grant}, if that has not been done",
            )
        ]
    if not _lacking(allowed, _WRITE | {"DESCRIBE"}):
        return [ok(f"{name} may be used")]
    return [problem(f"{name}: no ACL lets {user} write to it", grant, allowed=sorted(allowed))]


def _of_resource(what: str, allowed: frozenset[str] | None, needed: frozenset[str]) -> list[Finding]:
    if allowed is None:
        return [warning(f"{what}: the brokers do not tell what is allowed", "check its ACLs by hand")]
    lacking = _lacking(allowed, needed)
    if not lacking:
        return []
    words = " and ".join(operation.capitalize() for operation in lacking)
    return [problem(f"{what}: {words} not allowed", f"grant the worker's principal {words} on it", lacking=lacking)]


def _of_configs(topic: TopicFacts) -> list[Finding]:
    if topic.config is not None:
        return []
    return [
        problem(
            f"topic {topic.name}: DescribeConfigs not allowed, so neither can a worker see how it is configured",
            "grant the worker's principal DescribeConfigs on it",
            lacking=["DESCRIBE_CONFIGS"],
        )
    ]


def _lacking(allowed: frozenset[str], needed: frozenset[str]) -> Sequence[str]:
    if "ALL" in allowed:
        return []
    return sorted(one for one in needed - allowed if not allowed & _IMPLIED_BY.get(one, frozenset()))
