"""Runs the checks one after the other, each by itself: one that fails or takes too long says so, the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from consumer.doctor.brokers import check_brokers, connect
from consumer.doctor.clocks import check_clocks
from consumer.doctor.disk import check_disk, disk_facts, estimated_bytes
from consumer.doctor.events import check_events
from consumer.doctor.facts import Facts
from consumer.doctor.findings import Checked, Finding, Severity, ok, problem, warning
from consumer.doctor.keys import check_keys
from consumer.doctor.limits import check_limits
from consumer.doctor.membership import check_binding, check_group, check_owner
from consumer.doctor.permissions import check_group_allowed, check_topics_allowed, check_transactions_allowed
from consumer.doctor.topics import check_history, check_input_topic, check_output_topics
from consumer.doctor.words import duration
from consumer.errors import FreshrankError
from consumer.kafka.client_config import instance_id, transactional_id
from consumer.kafka.log import KafkaLog

PATIENCE_S: Final = 60.0
"""One check may take so long; every question to a broker gives up long before."""


class Check(NamedTuple):
    name: str
    run: Callable[[Facts], list[Finding]]
    is_local: bool = False
    """Needs no broker."""


def examine(facts: Facts, patience_s: float = PATIENCE_S) -> Iterator[Checked]:
    """Findings in the checks' order, as they come. Without a broker only what needs none is checked."""
    is_reached = True
    for check in CHECKS:
        if is_reached or check.is_local:
            findings = _patiently(check, facts, patience_s)
            yield from (Checked(check.name, finding) for finding in findings)
            if check.name == BROKERS:
                is_reached = any(finding.severity is Severity.OK for finding in findings)
    if not is_reached:
        skipped = [check.name for check in CHECKS if not check.is_local and check.name != BROKERS]
        yield Checked("not checked", warning(", ".join(skipped), "they need brokers that answer; see above"))


def _patiently(check: Check, facts: Facts, patience_s: float) -> list[Finding]:
    """On a thread of its own: a hanging disk cannot be told to give up."""
    findings: list[Finding] = []

    def run() -> None:
        findings.extend(_findings(check, facts))

    thread = threading.Thread(target=run, name=f"check {check.name}", daemon=True)
    thread.start()
    thread.join(patience_s)
    if thread.is_alive():
        return [_failed(check, f"no answer within {duration(patience_s)}")]
    return findings


def _findings(check: Check, facts: Facts) -> list[Finding]:
    try:
        return check.run(facts)
    except FreshrankError as error:
        return [_failed(check, str(error))]
    except Exception as error:  # noqa: BLE001 - a fault of one check must not take the others' findings with it
        return [_failed(check, f"unexpected {type(error).__name__}: {error}")]


def _failed(check: Check, why: str) -> Finding:
    if check.name == BROKERS:
        return problem(why, "see kafka.bootstrap_servers, kafka.sasl and kafka.tls")
    return warning(f"could not be checked: {why}", "once that is put right, run this command again")


def _brokers(facts: Facts) -> list[Finding]:
    return check_brokers(facts.settings, facts.cluster(), connect)


def _permissions(facts: Facts) -> list[Finding]:
    settings = facts.settings
    sasl = settings.kafka.sasl
    allowed = facts.inspection().allowed_on_transactional_id(sasl.username) if sasl else None
    return [
        *check_topics_allowed(settings, facts.topics()),
        *check_group_allowed(facts.group(), settings.group_id),
        *check_transactions_allowed(
            transactional_id(settings),
            sasl.username if sasl else None,
            allowed,
            facts.broker_config(),
        ),
    ]


def _limits(facts: Facts) -> list[Finding]:
    return check_limits(facts.settings, facts.broker_config())


def _group(facts: Facts) -> list[Finding]:
    return check_group(facts.group(), instance_id(facts.settings))


def _input(facts: Facts) -> list[Finding]:
    findings = check_input_topic(facts.settings, facts.topics(), len(facts.cluster().brokers))
    topic = facts.topics().get(facts.settings.input.topic)
    if topic is not None:
        findings += check_history(facts.settings, topic, facts.sample().ranges, facts.clock.wall_s() * 1000)
    return findings


def _output(facts: Facts) -> list[Finding]:
    return check_output_topics(facts.settings, facts.topics(), len(facts.cluster().brokers))


def _owner(facts: Facts) -> list[Finding]:
    manifests = facts.settings.publish.manifests_topic
    if manifests not in facts.cluster().topics:
        return [ok(f"nothing is published: there is no {manifests}")]
    log = KafkaLog(facts.settings, clock=facts.clock)
    try:
        return check_owner(facts.settings, log, facts.store())
    finally:
        log.close()


def _events(facts: Facts) -> list[Finding]:
    looked_at = facts.looked_at() if facts.input_exists() else None
    if looked_at is None:
        saw = f"{facts.settings.input.topic} has no record to hold the settings of the input against"
        return [warning(saw, "run this command again once there are some")]
    return check_events(looked_at)


def _keys(facts: Facts) -> list[Finding]:
    looked_at = facts.looked_at() if facts.input_exists() else None
    return [] if looked_at is None else check_keys(looked_at, len(facts.sample().ranges))


def _clocks(facts: Facts) -> list[Finding]:
    if not facts.input_exists():
        return []
    sample = facts.sample()
    arrived, at_ms = facts.arrived()
    topic = facts.topics().get(facts.settings.input.topic)
    config = (topic.config if topic else None) or {}
    kind = config.get("message.timestamp.type", "CreateTime")
    return check_clocks(sample.records, sample.read_at_ms, arrived, sample.asked_at_ms, at_ms, kind)


def _checkpoints(facts: Facts) -> list[Finding]:
    settings = facts.settings
    found = disk_facts(Path(settings.checkpoints.directory))
    return check_disk(found, estimated_bytes(settings), settings.checkpoints.keep)


def _compatible(facts: Facts) -> list[Finding]:
    store = facts.store()
    partitions = {name: topic.partitions for name, topic in facts.topics().items()}
    return [] if store is None else check_binding(facts.settings, store, partitions)


BROKERS: Final = "brokers"
CHECKS: Final = (
    Check(BROKERS, _brokers),
    Check("permissions", _permissions),
    Check("timeouts", _limits),
    Check("input topic", _input),
    Check("output topics", _output),
    Check("published", _owner),
    Check("workers", _group),
    Check("events", _events),
    Check("keys", _keys),
    Check("clocks", _clocks),
    Check("checkpoints", _checkpoints, is_local=True),
    Check("checkpoints", _compatible),
)
"""In the order in which a reader wants to hear of them."""
