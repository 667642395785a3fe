"""What `--from` may name: another deployment's checkpoint, its published topics, or a file of item vectors."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from consumer import settings_loading
from consumer.errors import Fatal
from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.models.knowledge import MEMBERS, Knowledge
from consumer.transfer.from_checkpoint import read_checkpoint
from consumer.transfer.from_version import told_by
from consumer.transfer.vectors import FORMATS

TIMEOUT_S = 60.0


class Kind(StrEnum):
    CHECKPOINT = "checkpoint"
    TOPICS = "topics"
    VECTORS = "vectors"


@dataclass(frozen=True, slots=True)
class Source:
    kind: Kind
    path: Path

    @classmethod
    def of(cls, text: str) -> Source:
        """`KIND:PATH`, or a path that shows by itself what it is. Raises Fatal."""
        kind, colon, rest = text.partition(":")
        if colon and kind in list(Kind):
            return cls(Kind(kind), Path(rest))
        path = Path(text)
        if path.suffix in FORMATS:
            return cls(Kind.VECTORS, path)
        if path.suffix in (".yaml", ".yml"):
            return cls(Kind.TOPICS, path)
        if path.is_dir():
            return cls(Kind.CHECKPOINT, path)
        raise Fatal(
            f"--from {text}: neither a directory (a checkpoint), nor a settings file (.yaml: the topics that it "
            f"names), nor item vectors ({', '.join(FORMATS)}). Say what it is: {', '.join(f'{k}:{text}' for k in Kind)}"
        )


def require_members(names: Collection[str]) -> None:
    """Raise Fatal where one is unknown."""
    unknown = [name for name in names if name not in MEMBERS]
    if unknown or not names:
        raise Fatal(f"unknown member {', '.join(unknown) or '(none named)'}; there are {', '.join(MEMBERS)}")


def read_knowledge(source: Source) -> Knowledge:
    """Of a deployment; raises Fatal where it cannot be had, Retryable where a broker doesn't answer."""
    if source.kind is Kind.CHECKPOINT:
        return read_checkpoint(source.path)
    return read_topics(source.path)


def read_topics(settings_file: Path) -> Knowledge:
    """From what the deployment with these settings has published."""
    settings = settings_loading.load([settings_file], _without_ours(os.environ))
    with KafkaSnapshotReader(settings) as reader:
        reader.catch_up(TIMEOUT_S)
        manifest = reader.manifest
        if manifest is None:
            raise Fatal(
                f"model {settings.model!r} of {settings_file} has published nothing to "
                f"{settings.publish.manifests_topic} on {settings.kafka.bootstrap_servers}"
            )
        return told_by(manifest, reader.catalogue)


def _without_ours(environment: os._Environ[str]) -> dict[str, str]:
    """The environment's settings are about the new deployment, not about the other one."""
    return {name: value for name, value in environment.items() if not name.startswith("FRESHRANK__")}
