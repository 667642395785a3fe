"""Asks the cluster, before anything is sent, whether the records would arrive and stay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from producer_tools.connection import Connection, failure_text
from producer_tools.errors import ToolError, UsageError

_ANSWER_S = 10.0
_PRESENT_MS = 60_000  # events this young are no history
_DAY_MS = 86_400_000


def check_topic(connection: Connection, topic: str) -> None:
    """Raises ToolError if the cluster doesn't answer or the topic doesn't exist."""
    try:
        found = _admin(connection).list_topics(topic, timeout=_ANSWER_S).topics[topic]
    except KafkaException as error:
        raise ToolError(
            f"no answer from {connection.bootstrap_servers} within {_ANSWER_S:g} s ({failure_text(error)}): "
            "is the broker running, and is this its address (--bootstrap-servers)?"
        ) from error
    if found.error is None:
        return
    if found.error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise ToolError(f"topic {topic!r}: not allowed to write to it; give this client the ACLs WRITE and DESCRIBE")
    if found.error.code() == KafkaError.TOPIC_EXCEPTION:
        raise UsageError(f"{topic!r} is no valid name of a topic")
    if found.error.code() != KafkaError.LEADER_NOT_AVAILABLE:  # this one has just been created by our asking
        raise ToolError(
            f"topic {topic!r} does not exist on {connection.bootstrap_servers}: create it first "
            "(`freshrank topics --create --input-partitions 4` makes the worker's), or name another with --topic"
        )


def check_retention(connection: Connection, topic: str, earliest_ms: int, now_ms: int) -> None:
    """Raises ToolError where records stamped with event times from `earliest_ms` on would be deleted by their age: at
    once, or before a day (or half of the retention, if that is less) is over."""
    if earliest_ms >= now_ms - _PRESENT_MS:
        return
    config = _topic_config(connection, topic)
    is_deleting = "delete" in config.get("cleanup.policy", "delete")
    keeps_event_times = config.get("message.timestamp.type", "CreateTime") == "CreateTime"
    retention_ms = config.get("retention.ms", "")
    if is_deleting and keeps_event_times and not _stays(earliest_ms, now_ms, int(retention_ms or -1)):
        earliest = datetime.fromtimestamp(earliest_ms / 1_000, UTC).isoformat(timespec="seconds")
        raise ToolError(
            f"topic {topic!r} deletes records by their own timestamps (retention.ms={retention_ms}): history from "
            f"{earliest} on, stamped with its event times, would vanish at once or soon. Set "
            "retention.ms=-1 on the topic, or stamp the records with the present time (--timestamps now)"
        )


def _stays(earliest_ms: int, now_ms: int, retention_ms: int) -> bool:
    return retention_ms < 0 or earliest_ms + retention_ms >= now_ms + min(_DAY_MS, retention_ms // 2)


def _topic_config(connection: Connection, topic: str) -> Mapping[str, str]:
    """The topic's settings in force, the broker's defaults included."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = _admin(connection)  # must outlive the answer
    try:
        entries = admin.describe_configs([resource], request_timeout=_ANSWER_S)[resource].result()
    except KafkaException as error:
        raise ToolError(
            f"the retention of topic {topic!r} cannot be asked for ({failure_text(error)}), so it isn't known whether "
            "records stamped with past event times would stay: allow DESCRIBE_CONFIGS, or use --timestamps now"
        ) from error
    return {name: str(entry.value) for name, entry in entries.items()}


def _admin(connection: Connection) -> AdminClient:
    try:
        return AdminClient(dict(connection.properties()))
    except (KafkaException, ValueError, TypeError) as error:
        raise UsageError(f"the Kafka client refuses its properties: {failure_text(error)}") from error
