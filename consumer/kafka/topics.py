"""The topics that the worker needs, how each must be configured, and what differs. `topic_admin` asks and creates.

Row topics and manifests are compacted: a reader that starts today must find the last row of every item. A reader that
works through them has `min.compaction.lag.ms` before rows of its version may vanish behind newer ones, and
`delete.retention.ms` before it may miss that an item was deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from consumer.settings import Settings

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
DEAD_LETTER_ROOM: Final = 64 * 1024
"""Bytes that a dead letter may be larger than the record it holds: its headers."""
DEFAULT_INPUT_LIMIT: Final = 1_048_588
"""Kafka's default of `max.message.bytes`."""

_ROWS: Final = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(6 * HOUR_MS),
    "delete.retention.ms": str(7 * DAY_MS),
    "message.timestamp.type": "CreateTime",
}
_MANIFESTS: Final = {
    **_ROWS,
    # Only the latest one counts: kept short, so that a start reads little.
    "min.compaction.lag.ms": str(10 * MINUTE_MS),
    "segment.bytes": str(16 << 20),
    "segment.ms": str(10 * MINUTE_MS),
}
_DEAD_LETTERS: Final = {
    "cleanup.policy": "delete",
    "retention.ms": str(30 * DAY_MS),
    "message.timestamp.type": "CreateTime",
}
# Where more than asked for is just as good; every other value has to be exactly what is asked for.
_AT_LEAST: Final = frozenset(
    {"min.compaction.lag.ms", "delete.retention.ms", "max.message.bytes", "min.insync.replicas", "retention.ms"}
)
_AT_MOST: Final = frozenset({"segment.bytes", "segment.ms"})
_HARMFUL: Final = frozenset({"cleanup.policy", "max.message.bytes", "message.timestamp.type"})
"""A wrong value here breaks the contract; other differences only make it weaker or slower."""


@dataclass(frozen=True, slots=True)
class DesiredTopic:
    """`partitions` None: whatever it has is fine."""

    name: str
    partitions: int | None
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """As the brokers tell it; `config` with the values in force."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. The worker refuses to start over a harmful one."""

    topic: str
    what: str
    is_harmful: bool

    def __str__(self) -> str:
        return f"{self.topic}: {self.what}"


def desired_topics(
    settings: Settings,
    *,
    row_partitions: int | None = 4,
    replication_factor: int = 1,
    input_limit_bytes: int = DEFAULT_INPUT_LIMIT,
) -> tuple[DesiredTopic, ...]:
    """The output topics: those of rows, manifests, dead letters. The input belongs to those who write it."""
    durable = {"min.insync.replicas": "2" if replication_factor >= 3 else "1"}
    publish = settings.publish
    limit = {"max.message.bytes": str(input_limit_bytes + DEAD_LETTER_ROOM)}
    return (
        *(DesiredTopic(topic, row_partitions, {**_ROWS, **durable}) for topic in publish.row_topics),
        DesiredTopic(publish.manifests_topic, 1, {**_MANIFESTS, **durable}),
        DesiredTopic(settings.dead_letters_topic, None, {**_DEAD_LETTERS, **durable, **limit}),
    )


def input_topic(settings: Settings, partitions: int) -> DesiredTopic:
    """For who creates the input here too. It keeps everything: by time, retention would delete replayed history at
    once, as it goes by the records' own timestamps."""
    return DesiredTopic(settings.input.topic, partitions, {"cleanup.policy": "delete", "retention.ms": "-1"})


def differences(desired: Sequence[DesiredTopic], found: Mapping[str, FoundTopic]) -> list[Finding]:
    """In the order of the desired topics; a topic that isn't there is one finding."""
    findings = []
    for topic in desired:
        there = found.get(topic.name)
        if there is None:
            findings.append(
                Finding(topic.name, "does not exist, or this principal may not describe it", is_harmful=True)
            )
        else:
            findings += _differences_of(topic, there)
    return findings


def _differences_of(desired: DesiredTopic, found: FoundTopic) -> list[Finding]:
    findings = []
    if desired.partitions is not None and found.partitions != desired.partitions:
        what = f"has {found.partitions} partitions, wanted {desired.partitions}; their number can't be lowered"
        findings.append(Finding(desired.name, what, is_harmful=False))
    for key, wanted in desired.config.items():
        value = found.config.get(key)
        if value is not None and not _satisfies(key, value, wanted):
            what = f"{key} is {value}, wanted {_wish(key, wanted)}"
            findings.append(Finding(desired.name, what, is_harmful=key in _HARMFUL))
    return findings


def _satisfies(key: str, value: str, wanted: str) -> bool:
    if key == "retention.ms" and value == "-1":
        return True  # Kafka's word for "for ever"
    if key in _AT_LEAST:
        return int(value) >= int(wanted)
    if key in _AT_MOST:
        return int(value) <= int(wanted)
    return value == wanted


def _wish(key: str, wanted: str) -> str:
    bound = "at least " if key in _AT_LEAST else "at most " if key in _AT_MOST else ""
    return bound + wanted
