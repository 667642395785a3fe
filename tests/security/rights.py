"""The least rights of a worker's user, as README's table has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # re-exported

from consumer.settings import Settings
from tests.broker import SecuredBroker

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^ +\| (topic|group|transactional id)s? (`.+?) \| ([A-Z].*?) \| .+ \|$", re.MULTILINE)
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


class Right(NamedTuple):
    kind: str
    name: str
    operation: str
    """All three in README's words; the name is that of a model's resource."""

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


def documented(settings: Settings) -> list[Right]:
    """Every line of the table, for a model with these settings; always in the same order."""
    return [
        Right(kind, _name(place, settings), operation)
        for kind, places, operations in _ROW.findall(README)
        for place in re.findall(r"`([^`]+)`", re.sub(r"\(.*\)", "", places))
        for operation in operations.split(", ")
    ]


def grant(broker: SecuredBroker, user: str, rights: Iterable[Right]) -> None:
    for kind, name, operations in _by_resource(rights):
        broker.allow(user, _KINDS[kind], name, [_OPERATIONS[operation] for operation in operations])


def _by_resource(rights: Iterable[Right]) -> Iterator[tuple[str, str, list[str]]]:
    found: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        found.setdefault((right.kind, right.name), []).append(right.operation)
    return ((kind, name, operations) for (kind, name), operations in found.items())


def _name(place: str, settings: Settings) -> str:
    """`publish.scores_topic` is a setting, `freshrank-MODEL` a name with the model's in it."""
    if "MODEL" in place:
        return place.replace("MODEL", settings.model)
    section, key = place.split(".")
    return str(getattr(getattr(settings, section), key) or settings.dead_letters_topic)
