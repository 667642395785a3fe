"""Whether topics are there, whole, replicated, and configured as those who read and write them need it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.doctor.words import duration
from consumer.kafka.inspection import TopicFacts
from consumer.kafka.topics import DEFAULT_INPUT_LIMIT, FoundTopic, desired_topics, differences
from consumer.replay.ranges import FoundRange, time_text
from consumer.settings import Settings

_ALTER: Final = "kafka-configs.sh --alter --entity-type topics --entity-name"
SPARE_S: Final = 86_400.0
"""A worker that is away for so long must still find what it has not read."""


def check_output_topics(settings: Settings, topics: Mapping[str, TopicFacts], n_brokers: int) -> list[Finding]:
    input_topic = topics.get(settings.input.topic)
    limit = (input_topic.config if input_topic else None) or {}
    row_topics = [topics[name] for name in settings.publish.row_topics if name in topics]
    wanted = desired_topics(
        settings,
        row_partitions=None,
        replication_factor=min((topic.replicas for topic in row_topics), default=1),
        input_limit_bytes=int(limit.get("max.message.bytes", DEFAULT_INPUT_LIMIT)),
    )
    findings = []
    for desired in wanted:
        found = topics.get(desired.name)
        if found is None:
            findings.append(_missing(desired.name, "freshrank topics --create"))
            continue
        for one in differences([desired], {found.name: FoundTopic(found.name, found.partitions, found.config or {})}):
            advice = f"{_ALTER} {found.name} --add-config …" if " is " in one.what else "make the topic anew"
            findings.append((problem if one.is_harmful else warning)(str(one), advice, topic=found.name))
        findings += _replication(found, n_brokers)
    if findings:
        return findings
    parts = ", ".join(f"{name.name} ({topics[name.name].partitions})" for name in wanted)
    return [ok(f"all {len(wanted)} are as they should be (partitions): {parts}")]


def check_input_topic(settings: Settings, topics: Mapping[str, TopicFacts], n_brokers: int) -> list[Finding]:
    topic = topics.get(settings.input.topic)
    if topic is None:
        return [_missing(settings.input.topic, "freshrank topics --create --input-partitions N", " (input.topic)")]
    findings = _replication(topic, n_brokers)
    if topic.config is not None:
        findings += _input_config(settings, topic.name, topic.config)
    if findings:
        return findings
    keeps = _retention_text(topic.config)
    return [ok(f"{topic.name} has {topic.partitions} partitions and {keeps}", partitions=topic.partitions)]


def check_history(settings: Settings, topic: TopicFacts, ranges: Sequence[FoundRange], now_ms: float) -> list[Finding]:
    """What the input holds, by the records' own timestamps; retention goes by those too."""
    oldest = min((one.first.timestamp_ms for one in ranges if one.first), default=None)
    newest = max((one.newest.timestamp_ms for one in ranges if one.newest), default=None)
    n = sum(one.held[1] - one.held[0] for one in ranges)
    if oldest is None or newest is None:
        return [ok(f"{topic.name} holds no record yet")]
    findings = []
    retention_ms = int((topic.config or {}).get("retention.ms", -1))
    if _deletes(topic.config) and 0 <= retention_ms < now_ms - newest:
        findings.append(
            problem(
                f"{topic.name}: its newest record is of {time_text(newest)}, retention.ms is {retention_ms} "
                f"({duration(retention_ms / 1000)}): all of it is to be deleted, retention goes by records' timestamps",
                f"{_ALTER} {topic.name} --add-config retention.ms=-1, before more of it is gone",
                retention_ms=retention_ms,
                newest_ms=newest,
            )
        )
    needed_s = max(settings.models.popularity.half_lives_s)
    held_s = (now_ms - oldest) / 1000
    has_size_limit = int((topic.config or {}).get("retention.bytes", -1)) >= 0
    if has_size_limit and held_s < needed_s and any(one.held[0] > 0 for one in ranges):
        findings.append(
            warning(
                f"{topic.name}: retention.bytes has left records of the last {duration(held_s)}; the longest half-life "
                f"is {duration(needed_s)}",
                "raise retention.bytes: `--rebuild` learns only what is still there",
                held_s=round(held_s),
            )
        )
    if findings:
        return findings
    return [
        ok(
            f"{topic.name} holds about {n:,} records, of {time_text(oldest)} to {time_text(newest)}",
            records=n,
            oldest_ms=oldest,
            newest_ms=newest,
        )
    ]


def _input_config(settings: Settings, name: str, config: Mapping[str, str]) -> list[Finding]:
    findings = []
    if "compact" in config.get("cleanup.policy", ""):
        findings.append(
            problem(
                f"{name}: cleanup.policy is {config['cleanup.policy']}: of a user's events only the last would stay",
                f"{_ALTER} {name} --add-config cleanup.policy=delete",
                cleanup_policy=config["cleanup.policy"],
            )
        )
    retention_ms = int(config.get("retention.ms", -1))
    if _deletes(config) and retention_ms >= 0:
        findings += _input_retention(settings, name, retention_ms)
    return findings


def _input_retention(settings: Settings, name: str, retention_ms: int) -> list[Finding]:
    keeps = f"{name}: retention.ms is {retention_ms} ({duration(retention_ms / 1000)})"
    raised = f"{_ALTER} {name} --add-config retention.ms=-1, or as long as records should be kept"
    needed_s = {
        "input.lateness_s": settings.input.lateness_s,
        "input.dedupe.window_s": settings.input.dedupe.window_s,
        "checkpoints.interval_s": settings.checkpoints.interval_s,
    }
    key, least_s = max(needed_s.items(), key=lambda one: one[1])
    rebuild_s = max(settings.models.popularity.half_lives_s)
    values = {"retention_ms": retention_ms, "rebuild_needs_ms": round(rebuild_s * 1000)}
    if retention_ms < 1000 * least_s:
        what = f"{keeps}, shorter than {key} ({duration(least_s)}): records are gone before they have been dealt with"
        return [problem(what, raised, **values)]
    if retention_ms < 1000 * SPARE_S:
        what = f"{keeps}: a worker that is away for longer finds records deleted that it had not read, and stops"
        return [problem(what, raised, **values)]
    if retention_ms < 1000 * rebuild_s:
        what = (
            f"{keeps}; the longest of models.popularity.half_lives_s is {duration(rebuild_s)}: after `--rebuild` "
            "scores would know less than they do now"
        )
        return [warning(what, raised, **values)]
    return []


def _replication(topic: TopicFacts, n_brokers: int) -> list[Finding]:
    findings = []
    if topic.without_leader:
        findings.append(
            problem(
                f"{topic.name}: partitions without a leader: {', '.join(map(str, topic.without_leader))}",
                "bring their brokers back",
                without_leader=list(topic.without_leader),
            )
        )
    least = int((topic.config or {}).get("min.insync.replicas", 1))
    if least > topic.in_sync:
        findings.append(
            problem(
                f"{topic.name}: min.insync.replicas is {least}, but a partition has {topic.in_sync} in sync (of "
                f"{topic.replicas}): writes are refused",
                "bring the other replicas back, or ask for fewer",
                min_insync_replicas=least,
                in_sync=topic.in_sync,
            )
        )
    if topic.replicas == 1 and n_brokers > 1:
        findings.append(
            warning(
                f"{topic.name} has one replica on a cluster of {n_brokers} brokers: it is gone with its broker",
                "give it three (kafka-reassign-partitions.sh), or make it with `--replication-factor 3`",
                replicas=1,
            )
        )
    return findings


def _missing(name: str, command: str, which: str = "") -> Finding:
    what = f"{name} does not exist{which}, or this principal may not describe it"
    return problem(what, f"create it with `{command}`, or grant this principal Read on topic {name}", topic=name)


def _deletes(config: Mapping[str, str] | None) -> bool:
    return "delete" in (config or {}).get("cleanup.policy", "")


def _retention_text(config: Mapping[str, str] | None) -> str:
    retention_ms = int((config or {}).get("retention.ms", -1))
    return f"keeps records for {duration(retention_ms / 1000)}" if retention_ms >= 0 else "keeps records for ever"
