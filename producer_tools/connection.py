"""How the tools talk to a cluster: its address, more client properties from a file, and those we keep to ourselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaError

from producer_tools.errors import UsageError

Properties = dict[str, str | int | float | bool]

_OWNED = frozenset(
    {
        "bootstrap.servers",
        "delivery.report.only.error",  # delivered records are counted as those sent but not reported
        "enable.idempotence",  # keeps each user's events in order across retries
        "acks",
        "request.required.acks",
        "partitioner",  # every client must agree on a key's partition
        "transactional.id",
    }
)

_QUIET: Properties = {"log_level": 2}
"""librdkafka would repeat on stderr, at every attempt, what we say once and in words."""


def failure_text(error: Exception) -> str:
    """librdkafka's words for a failure, without their wrapping."""
    cause = error.args[0] if error.args else error
    return cause.str() if isinstance(cause, KafkaError) else str(cause)


@dataclass(frozen=True, slots=True)
class Connection:
    """A cluster. Raises UsageError for a property that the tools own."""

    bootstrap_servers: str
    extra: Properties = field(default_factory=dict)

    def __post_init__(self) -> None:
        owned = sorted(_OWNED & set(self.extra))
        if owned:
            raise UsageError(f"{', '.join(owned)}: the tools set this themselves; take it out of the client properties")

    def properties(self) -> Properties:
        """What every client of this cluster is made with."""
        return {**_QUIET, **self.extra, "bootstrap.servers": self.bootstrap_servers}


def read_properties(path: Path) -> Properties:
    """`key=value` lines, as other Kafka tools read them; `#` starts a comment line. Raises UsageError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the client properties {path} cannot be read: {error}") from error
    properties: Properties = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = line.partition("=")
        if not equals or not key.strip():
            # the line itself stays out of the message: it may hold a password
            raise UsageError(f"{path}, line {number}: expected key=value")
        properties[key.strip()] = value.strip()
    return properties
