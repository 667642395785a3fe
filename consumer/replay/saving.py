"""A replay's checkpoints: the same arrays as a worker's, with the positions that they correspond to.

Nothing is published, so there is one step only. A replay that dies goes on from its last checkpoint.
"""

from __future__ import annotations

import errno
import logging
from functools import partial

from consumer.checkpoints import contents
from consumer.checkpoints.checkpointer import Checkpointer, CheckpointPolicy, Phase
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.forgetting_kept import forget_in_kept
from consumer.checkpoints.loading import AllState
from consumer.checkpoints.writer import Writer
from consumer.clock import Clock
from consumer.errors import Fatal
from consumer.forgetting import Forgetting
from consumer.intake import Intake
from consumer.learning import quality
from consumer.messages import Positions
from consumer.ports import CheckpointStore, Telemetry
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.status.board import Board
from consumer.status.reporter import saved_checkpoint

logger = logging.getLogger(__name__)

EPOCH = 1
"""One process at a time owns a replay, so none has to be told from another."""


class ReplayCheckpoints:
    """Saves the state every `checkpoints.interval_s`, beside the loop. `base`: the checkpoint it came from;
    `ledger`: the live model's store, which has the requests to forget users."""

    def __init__(
        self,
        settings: Settings,
        store: CheckpointStore,
        writer: Writer,
        state: AllState,
        intake: Intake,
        clock: Clock,
        telemetry: Telemetry,
        board: Board,
        base: str | None,
        forgetting: Forgetting,
        ledger: CheckpointStore,
    ) -> None:
        saving = settings.checkpoints
        policy = CheckpointPolicy(saving.interval_s, saving.keep, anchor_s=saving.anchor_s)
        self._settings = settings
        self._state = state
        self._intake = intake
        self._clock = clock
        self._telemetry = telemetry
        self._board = board
        self._saved: Positions = dict(intake.positions) if base else {}
        self._forgetting = forgetting
        self._saved_forgotten = forgetting.forgotten
        self._checkpointer = Checkpointer(
            store, policy, writer, state.tables, state.small, base,
            after_saving=forgetting.after_saving(partial(forget_in_kept, ledger, store)),
        )  # fmt: skip
        self._checkpointer.not_before(clock.monotonic_s() + saving.interval_s)

    def step(self) -> None:
        """What is due. A failure is told and tried again at the next interval."""
        now_s = self._clock.monotonic_s()
        self._note_saved()
        self._checkpointer.step(now_s, has_news=self._has_unsaved)
        if self._checkpointer.phase is Phase.READY:
            self._checkpointer.freeze(self._notes(), now_s)

    def finish(self) -> None:
        """Save what is not saved yet. Raises Fatal if it cannot be done."""
        if self._checkpointer.phase is Phase.WRITING:
            self._await_saved()
        if self._has_unsaved:
            now_s = self._clock.monotonic_s()
            self._checkpointer.hurry(now_s)
            self._checkpointer.freeze(self._notes(), now_s)
            self._await_saved()

    @property
    def _has_unsaved(self) -> bool:
        return self._saved != self._intake.positions or self._forgetting.is_ahead_of(self._saved_forgotten)

    def close(self) -> None:
        self._checkpointer.close()

    def _await_saved(self) -> None:
        self._checkpointer.wait()
        if not self._note_saved():
            raise Fatal(
                f"no checkpoint could be saved in {self._settings.checkpoints.directory}; see the message before"
            )

    def _note_saved(self) -> bool:
        try:
            saved = self._checkpointer.saved()
        except OSError as error:
            self._telemetry.checkpoint_failed("no_space" if error.errno == errno.ENOSPC else "io")
            logger.error("checkpoint failed", extra={"why": str(error)})
            return False
        if saved is None:
            return False
        self._saved, self._saved_forgotten = saved.notes.input_positions, saved.notes.forgotten
        self._telemetry.checkpoint_saved(saved.seconds, self._state.n_bytes, self._clock.wall_s())
        self._board.saved(saved_checkpoint(saved, self._state.n_bytes))
        logger.info("checkpoint saved", extra={"checkpoint": saved.name, "seconds": round(saved.seconds, 3)})
        return True

    def _notes(self) -> Notes:
        hit_ratio, mrr = quality.summary(self._state.trainer.quality)
        return Notes(
            epoch=EPOCH,
            version=0,
            reserved_version=0,
            input_positions=dict(self._intake.positions),
            output_positions={},
            output_partitions={},
            dead_letter_positions={},
            watermark_ms=self._state.admission.watermark_ms,
            saved_at=formats.timestamp(self._clock.wall_s()),
            binding=contents.binding_of(self._settings),
            forgotten=self._forgetting.forgotten,
            quality={"hit_ratio": hit_ratio["ensemble"], "mrr": mrr["ensemble"]} if hit_ratio else {},
        )
