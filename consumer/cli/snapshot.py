"""What the commands that read share: the newest whole version, and what is said about it."""

from __future__ import annotations

from typing import Any, Final

from consumer.cli import console
from consumer.errors import Fatal
from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.settings import Settings
from consumer.snapshots.reader import SnapshotReader

TIMEOUT_S: Final = 60.0


def read_snapshot(settings: Settings) -> SnapshotReader:
    """The newest version there is. Raises Fatal where none was published, Retryable where it cannot be had in time."""
    console.be_quiet()
    with KafkaSnapshotReader(settings) as reader:
        reader.catch_up(TIMEOUT_S)
    if reader.manifest is None:
        raise Fatal(
            f"model {settings.model!r} has published nothing to {settings.publish.manifests_topic} on "
            f"{settings.kafka.bootstrap_servers} yet: is a worker running (`freshrank run`) with this model's settings?"
        )
    return reader


def facts(settings: Settings, snapshot: SnapshotReader) -> dict[str, Any]:
    """Which version this is, for JSON."""
    manifest = snapshot.manifest
    assert manifest is not None  # `read_snapshot` gives no other
    return {
        "model": settings.model,
        "version": manifest.version,
        "created_at": manifest.created_at,
        "watermark": manifest.watermark,
    }


def caption(settings: Settings, snapshot: SnapshotReader) -> str:
    """The same in words."""
    told = facts(settings, snapshot)
    return f"model {told['model']}, version {told['version']} of {told['created_at']}, {len(snapshot.scores()):,} items"
