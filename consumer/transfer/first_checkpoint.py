"""Writes the checkpoint from which a new deployment starts, as that model's writer.

Being the writer comes first: the manifest topic gets a record of a new epoch, so that a worker that still runs stops
writing, and the checkpoint is of that epoch. A worker that takes over in between has a higher one, and wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consumer.checkpoints import contents
from consumer.checkpoints.checkpointer import Checkpointer, CheckpointPolicy
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.loading import AllState
from consumer.checkpoints.writer import InlineWriter
from consumer.clock import Clock
from consumer.errors import CorruptCheckpoint, Fatal, Fenced
from consumer.messages import Positions
from consumer.ports import CheckpointStore, OutputLog, TransactionalOutput
from consumer.recovery import Standing, read_standing
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.publisher import Publisher

INSTANCE = "warm-start"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The new one: its settings, its output topics, its checkpoints."""

    settings: Settings
    output: TransactionalOutput
    log: OutputLog
    store: CheckpointStore
    clock: Clock

    def require_new(self) -> None:
        """Raise Fatal if it has a checkpoint or a published version; asks without disturbing a worker."""
        names = self.store.names()
        directory = self.settings.checkpoints.directory
        if names:
            raise Fatal(f"model {self.settings.model!r} has checkpoints in {directory} (newest: {names[-1]}). {_FORCE}")
        manifest = read_standing(self.log, self.settings).manifest
        if manifest is not None:
            raise Fatal(f"model {self.settings.model!r} has published already (version {manifest.version}). {_FORCE}")


_FORCE = (
    "A warm start is for a new deployment. With --force the next start goes on from the warm start instead of from "
    "them; the checkpoints stay until newer ones push them out"
)


def write_first_checkpoint(deployment: Deployment, state: AllState, positions: Positions) -> str:
    """Returns the checkpoint's name. `positions`: where the first worker begins to read; a partition that isn't named
    is read from its beginning.

    Raises Fatal if it can't be written, or if a worker took over meanwhile: its checkpoints are of a higher epoch.
    """
    settings, store = deployment.settings, deployment.store
    deployment.output.open()
    standing, names = read_standing(deployment.log, settings), store.names()
    epoch = max([standing.epoch, *(contents.epoch_of(name) for name in names)]) + 1
    publisher = Publisher(
        settings, contents.digest_of(settings), state.model, state.published, deployment.output, INSTANCE
    )
    publisher.announce(epoch, deployment.clock.wall_s())
    version, reserved = _versions(standing, store, names)
    notes = Notes(
        epoch=epoch,
        version=version,
        reserved_version=reserved,
        input_positions=dict(positions),
        output_positions={},
        output_partitions={topic: len(deployment.log.partitions(topic)) for topic in settings.publish.row_topics},
        dead_letter_positions={},
        watermark_ms=None,
        saved_at=formats.timestamp(deployment.clock.wall_s()),
        binding=contents.binding_of(settings),
    )
    try:
        name = _save(deployment, state, notes)
        if read_standing(deployment.log, settings).epoch > epoch or contents.epoch_of(max(store.names())) > epoch:
            raise Fenced("the checkpoint is saved, and is not the newest")
    except Fenced as error:
        raise Fatal(
            f"a worker of model {settings.model!r} took over meanwhile and goes on from its own state: stop all "
            "workers of the model, then warm-start again"
        ) from error
    return name


def _versions(standing: Standing, store: CheckpointStore, names: Sequence[str]) -> tuple[int, int]:
    """The last version published, and the last one that may have been: numbers never repeat."""
    version = standing.manifest.version if standing.manifest is not None else 0
    reserved = version
    for name in names:
        try:
            reserved = max(reserved, contents.decode(name, store.notes(name)).reserved_version)
        except CorruptCheckpoint:
            continue  # of a damaged one nothing can be known; versions of the topics count all the same
    return (version if standing.manifest is not None else reserved), reserved


def _save(deployment: Deployment, state: AllState, notes: Notes) -> str:
    checkpoints = deployment.settings.checkpoints
    policy = CheckpointPolicy(checkpoints.interval_s, checkpoints.keep)
    now_s = deployment.clock.monotonic_s()
    saver = Checkpointer(deployment.store, policy, InlineWriter(), state.tables, state.small, base=None)
    try:
        saver.hurry(now_s)
        saver.freeze(notes, now_s)
        saved = saver.saved()
    except OSError as error:
        raise Fatal(f"the checkpoint cannot be written in {checkpoints.directory}: {error}") from error
    assert saved is not None  # written inline, or raised
    return saved.name
