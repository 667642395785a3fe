"""The one owner of durability, and its one order:

1. Write dead letters and snapshot rows, wait for their delivery, write the manifest, commit the transaction.
2. Note those rows as published.
3. Save the state with its positions, the dead letters' position and the writer epoch, by one atomic rename.
4. Commit the group's offsets.

A crash between any two repeats work, never loses or doubles it: recovery starts from the checkpoint's positions, knows
what was published behind them, and neither publishes less than that nor writes a dead letter again.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping

from consumer.adapters import Adapters
from consumer.checkpoints import contents
from consumer.checkpoints.checkpointer import Checkpointer, Phase
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.loading import AllState
from consumer.errors import Fatal, Fenced, OutputReplaced, Retryable
from consumer.forgetting import Forgetting
from consumer.intake import Intake
from consumer.learning import quality
from consumer.learning.gate import Hold
from consumer.messages import OutputRecord, Positions, StoredRecord
from consumer.movement import moved_share
from consumer.recovery import Recovered, read_standing, written_dead_letters
from consumer.rollbacks import RollbackWatch
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.description import describe
from consumer.snapshots.gatekeeper import Gatekeeper
from consumer.snapshots.publisher import Moment, Publisher
from consumer.status.document import Stage
from consumer.status.reporter import saved_checkpoint

logger = logging.getLogger(__name__)

MANY_LETTERS = 500
"""With so many dead letters in hand a version goes out at once."""
TOO_MANY_LETTERS = 5_000
"""With so many dead letters in hand nothing more may be taken."""
LIVE_SHARE = 0.5
"""Publishing takes at most this share of the loop's time, whatever the interval."""
HELD_RETRY_S = 1.0
"""While versions are held, one is cut and judged as often."""
FINISH_TIMEOUT_S = 20.0
FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 5.0


class Durability:
    """Publishes, saves and commits what was learned; `letters` takes the dead letters to be written."""

    def __init__(
        self,
        settings: Settings,
        adapters: Adapters,
        state: AllState,
        intake: Intake,
        publisher: Publisher,
        gatekeeper: Gatekeeper,
        checkpointer: Checkpointer,
        recovered: Recovered,
        forgetting: Forgetting,
    ) -> None:
        self._settings = settings
        self._adapters = adapters
        self._state = state
        self._intake = intake
        self._publisher = publisher
        self._gatekeeper = gatekeeper
        self._checkpointer = checkpointer
        self._publish_from: Positions = recovered.publish_from
        self._output_partitions = recovered.output_partitions
        self._letters_from: Positions = dict(publisher.dead_letter_positions)
        self._published: Positions = {}
        self._judged: Positions = {}
        self._n_rows_waiting = 0
        self._forgetting = forgetting
        self._saved: Positions = {}
        self._saved_version = 0
        self._saved_forgotten = forgetting.forgotten
        self._why_not_saved = ""
        self._publish_at_s = self._heartbeat_at_s = 0.0
        self._backoff_s = 0.0
        self._is_fenced = False
        self._verdict = contents.UNPROVEN  # whatever it was: from here on it may have changed
        self._past = recovered.past
        after_s = settings.publish.gate.rollback_after_s
        self._watch = RollbackWatch(adapters.store, after_s, recovered.past, publisher.epoch)
        self.is_live = False
        """Whether the input has been learned up to its end."""
        self.is_superseded = False
        """Another writer has taken over; this term is over."""
        self.is_output_replaced = False
        """The output topics were made anew; this term is over, and the next one has to read all that is in them."""
        self.hold: Hold | None = None
        """Why the last version that was cut did not go out."""
        self.letters: list[OutputRecord] = []

    @property
    def is_full(self) -> bool:
        """Nothing more may be taken before dead letters have been written."""
        return len(self.letters) >= TOO_MANY_LETTERS

    @property
    def has_caught_up(self) -> bool:
        """Whether the input has been learned as far as what is already published, and after a warm start up to the
        first event; nothing is published before."""
        return self._state.model.is_dated and all(
            self._intake.positions.get(p, 0) >= at for p, at in self._publish_from.items()
        )

    @property
    def version(self) -> int:
        """That readers hold; 0: none."""
        return self._publisher.version

    @property
    def stage(self) -> Stage:
        """What the term is at."""
        if not self.has_caught_up:
            return Stage.RECOVERING
        return Stage.LIVE if self.is_live else Stage.CATCHING_UP

    def reach_live(self) -> None:
        """The input has been learned up to its end: what was put off while behind goes out at once."""
        if not self.is_live:
            self.is_live = True
            if not self._backoff_s:
                self._publish_at_s = 0.0

    @property
    def is_rollback_due(self) -> bool:
        """Whether this term has to end so that the next one begins with a rollback."""
        return self._watch.is_due(self._publisher.version, self._adapters.clock.wall_s())

    def start(self) -> None:
        """Save the state as recovered, under this term's epoch. Raises Fatal if that fails."""
        self._save_now()

    def step(self) -> bool:
        """What is due of publishing and saving. Returns whether a version went out."""
        now_s = self._adapters.clock.monotonic_s()
        if self._is_fenced and now_s >= self._publish_at_s:
            self._reopen()
        has_published = not self._is_fenced and self._is_publishing_due(now_s) and self._write(now_s)
        self._note_saved()
        self._checkpointer.step(now_s, has_news=self._has_unsaved)
        if self._checkpointer.phase is Phase.READY and not self.letters:
            self._freeze(now_s)
        return has_published

    def finish(self) -> None:
        """Write, save and commit everything learned, before a clean stop; nothing if another writer has taken over.

        Raises Fatal if it can't be done in time; the next start goes on from the last checkpoint.
        """
        give_up_s = self._adapters.clock.monotonic_s() + FINISH_TIMEOUT_S
        while not self.is_superseded and (self._is_fenced or self.letters or self._is_version_missing):
            self._try_to_write()
            if self._adapters.clock.monotonic_s() > give_up_s:
                raise Fatal(
                    f"what was learned last could not be published within {FINISH_TIMEOUT_S:g} s. Nothing is lost: "
                    "the next start learns it again from the last checkpoint on. Is the broker running?"
                )
        if self.is_superseded:
            return
        if self._checkpointer.phase is Phase.WRITING:
            self._await_saved()
        if self._has_unsaved or self._saved_version != self._publisher.version:
            self._save_now()

    @property
    def _has_unsaved(self) -> bool:
        return self._saved != self._intake.positions or self._forgetting.is_ahead_of(self._saved_forgotten)

    @property
    def _is_version_missing(self) -> bool:
        if self.hold is not None and self._judged == self._intake.positions:
            return False  # it is cut, and must not go out
        return self.has_caught_up and self._published != self._intake.positions

    def _try_to_write(self) -> None:
        try:
            if self._is_fenced:
                self._reopen()
            else:
                self._write(self._adapters.clock.monotonic_s())
        except Retryable as error:
            self.retry_later(error)
        except Fenced as error:
            self.fenced(error)
        except OutputReplaced as error:
            self.output_replaced(error)

    def retry_later(self, error: Retryable) -> None:
        """A transaction failed for a reason that may pass: leave it, and wait a little longer each time."""
        if not self._is_fenced:  # else nothing is open, and a commit in doubt stays so until the manifest is read back
            try:
                self._publisher.abort()
            except Fenced as fenced:
                self.fenced(fenced)
                return
        self._back_off()
        self._adapters.telemetry.publish_failed("retryable")
        logger.warning("publishing failed", extra={"why": str(error), "again_in_s": self._backoff_s})

    def fenced(self, error: Fenced) -> None:
        """Another writer has taken over, or the broker was away for so long that it looks like it: see `step`."""
        self._is_fenced = True
        self._back_off()
        self._adapters.telemetry.publish_failed("fenced")
        logger.warning("producer fenced", extra={"why": str(error)})

    def output_replaced(self, error: OutputReplaced) -> None:
        """The output topics were made anew: this term is over, and the next one fills them again."""
        self.is_superseded = self.is_output_replaced = True
        self._publisher.abort()
        logger.error("output topics made anew", extra={"why": str(error)})

    def _back_off(self) -> None:
        self._backoff_s = min(max(FIRST_BACKOFF_S, 2 * self._backoff_s), MAX_BACKOFF_S)
        self._publish_at_s = self._adapters.clock.monotonic_s() + self._backoff_s

    def _reopen(self) -> None:
        """Go on with a new producer if lease and epoch are still ours; else this term is over."""
        adapters = self._adapters
        if not adapters.source.has_lease() or not self._is_epoch_ours():
            self.is_superseded = True
            return
        adapters.output.open()
        if not self._is_epoch_ours():
            self.is_superseded = True
            return
        self._drop_written_letters()  # before settling, which moves the position from which they are read
        manifest = read_standing(adapters.log, self._settings).manifest
        self._publisher.settle(manifest)
        if manifest is not None and manifest.version > self._publisher.version:
            raise Fatal(f"version {manifest.version} was published by another process while this one held the lease")
        self._is_fenced = False

    def _is_epoch_ours(self) -> bool:
        return read_standing(self._adapters.log, self._settings).epoch == self._publisher.epoch

    def close(self) -> None:
        self._checkpointer.close()

    def _is_publishing_due(self, now_s: float) -> bool:
        if now_s < self._publish_at_s:
            # Dead letters that fill up, or hold a checkpoint back, go at once, unless the last attempt failed.
            is_urgent = len(self.letters) >= MANY_LETTERS or (
                bool(self.letters) and self._checkpointer.phase is Phase.READY
            )
            return is_urgent and not self._backoff_s
        if not self.has_caught_up:
            return bool(self.letters)
        return self._has_unpublished or now_s >= self._heartbeat_at_s

    @property
    def _has_unpublished(self) -> bool:
        return self._published != self._intake.positions or self._n_rows_waiting > 0

    def _write(self, now_s: float) -> bool:
        """Steps 1 and 2: a version, or dead letters alone while nothing may be published."""
        has_published = self.has_caught_up and self._write_version(now_s)
        if not has_published and self.letters:
            self._publisher.write_dead_letters(self.letters)
        self.letters = []
        self._backoff_s = 0.0
        self._publish_at_s = self._next_publish_s(now_s)
        self._heartbeat_at_s = now_s + self._settings.publish.heartbeat_s
        return has_published

    def _write_version(self, now_s: float) -> bool:
        """The next version, with the dead letters in hand, unless the gate holds it."""
        adapters, positions = self._adapters, dict(self._intake.positions)
        moment = Moment(adapters.clock.wall_s(), positions, self._state.admission.watermark_ms, self._description)
        version = self._publisher.cut(moment)
        self._note_judged(self._gatekeeper.judge(version, moment.watermark_ms, is_live=self.is_live), positions)
        if self.hold is not None:
            return False
        moved = moved_share(version, self._publisher.rows)
        written = self._publisher.publish(version, moment, self.letters)
        self._gatekeeper.published(version, moment.watermark_ms, is_live=self.is_live)
        self._verdict = contents.GOOD
        self._published, self._n_rows_waiting = positions, sum(written.waiting.values())
        seconds = adapters.clock.monotonic_s() - now_s
        adapters.telemetry.version_published(
            version.number, written.rows, seconds, written.waiting, adapters.clock.wall_s(), moved
        )
        return True

    def _note_judged(self, hold: Hold | None, positions: Positions) -> None:
        before, self.hold, self._judged = self.hold, hold, positions
        self._verdict = contents.HELD if hold else self._verdict
        self._watch.judged(hold, self._adapters.clock.wall_s())
        self._adapters.telemetry.publish_held(hold.reason.value if hold else None)
        self._show_hold()
        if hold is not None and (before is None or before.reason is not hold.reason):
            logger.error("version held", extra={"reason": hold.reason.value, "why": hold.detail})
        elif hold is None and before is not None:
            logger.warning("versions go out again", extra={"held_for": before.reason.value})

    def _show_hold(self) -> None:
        if self.hold is None:
            self._adapters.board.let_out()
            return
        since_s, after_s = self._watch.held_since_s, self._settings.publish.gate.rollback_after_s
        self._adapters.board.held(self.hold.reason.value, self.hold.detail, since_s + after_s if since_s else None)

    def _save_now(self) -> None:
        """A whole checkpoint of this moment. Raises Fatal if it fails."""
        now_s = self._adapters.clock.monotonic_s()
        self._checkpointer.hurry(now_s)
        self._freeze(now_s)
        self._await_saved()

    def _next_publish_s(self, started_s: float) -> float:
        """After the interval, but leave learning its share of the time: behind the stream most of it, for nobody waits
        for versions that show the past."""
        share = LIVE_SHARE if self.is_live else self._settings.publish.catch_up_share
        seconds = self._adapters.clock.monotonic_s() - started_s
        interval_s = self._settings.publish.interval_s if self.hold is None else HELD_RETRY_S
        return started_s + max(interval_s, seconds / share)

    def _freeze(self, now_s: float) -> None:
        """Step 3 begins: this moment is the checkpoint's. No dead letter is in hand, so none can be lost."""
        self._intake.forget_passed()
        if not self._intake.written:
            self._letters_from = dict(self._publisher.dead_letter_positions)
        publisher = self._publisher
        notes = Notes(
            epoch=publisher.epoch,
            version=publisher.version,
            reserved_version=publisher.version + contents.RESERVED_VERSIONS,
            input_positions=dict(self._intake.positions),
            output_positions={topic: dict(by) for topic, by in publisher.output_positions.items()},
            output_partitions=self._output_partitions,
            dead_letter_positions=dict(self._letters_from),
            watermark_ms=self._state.admission.watermark_ms,
            saved_at=formats.timestamp(self._adapters.clock.wall_s()),
            binding=contents.binding_of(self._settings),
            verdict=self._verdict,
            quality=self._quality(),
            discarded=list(self._past.discarded),
            request=self._past.request,
            rolled_back_at=self._past.at_version,
            before_promotion=self._past.before_promotion,
            forgotten=self._forgetting.forgotten,
            held_since_s=self._watch.held_since_s,
        )
        self._checkpointer.freeze(notes, now_s)

    def _note_saved(self) -> bool:
        """If step 3 is done: step 4. Returns whether it was."""
        adapters = self._adapters
        try:
            saved = self._checkpointer.saved()
        except OSError as error:
            adapters.telemetry.checkpoint_failed("no_space" if error.errno == errno.ENOSPC else "io")
            self._why_not_saved = str(error)
            logger.error("checkpoint failed", extra={"why": self._why_not_saved})
            return False
        except Fenced:
            adapters.telemetry.checkpoint_failed("superseded")
            raise
        if saved is None:
            return False
        self._saved, self._saved_version = saved.notes.input_positions, saved.notes.version
        self._saved_forgotten = saved.notes.forgotten
        self._publisher.last_reserved = saved.notes.reserved_version
        adapters.source.commit(saved.notes.input_positions)
        adapters.telemetry.checkpoint_saved(saved.seconds, self._state.n_bytes, adapters.clock.wall_s())
        adapters.board.saved(saved_checkpoint(saved, self._state.n_bytes))
        logger.info("checkpoint saved", extra={"checkpoint": saved.name, "seconds": round(saved.seconds, 3)})
        return True

    def _await_saved(self) -> None:
        """Wait for the checkpoint being written. Raises Fatal if it fails."""
        self._checkpointer.wait()
        if not self._note_saved():
            raise Fatal(
                f"no checkpoint could be saved in {self._settings.checkpoints.directory}: {self._why_not_saved}. "
                "Make room, or make it writable; the next start goes on from the last checkpoint there"
            )

    def _drop_written_letters(self) -> None:
        """Of the dead letters in hand, forget those that a commit of unknown outcome did write."""
        start = self._publisher.dead_letter_positions
        written = set(written_dead_letters(self._adapters, self._settings, start, {}))
        self.letters = [letter for letter in self.letters if self._coordinates(letter) not in written]

    def _coordinates(self, letter: OutputRecord) -> tuple[int, int] | None:
        found = self._adapters.letter_coordinates(
            StoredRecord(letter.topic, 0, 0, letter.key, letter.value, letter.headers)
        )
        return None if found is None else (found[1], found[2])

    def _quality(self) -> dict[str, float]:
        hit_ratio, mrr = quality.summary(self._state.trainer.quality)
        return {"hit_ratio": hit_ratio["ensemble"], "mrr": mrr["ensemble"]} if hit_ratio else {}

    def _description(self) -> Mapping[str, object]:
        hit_ratio, mrr = quality.summary(self._state.trainer.quality)
        return describe(self._state.model, self._state.admission.watermark_ms, hit_ratio, mrr)
