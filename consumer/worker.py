"""The loop: one thread owns all state, each stage is a plain call, reading order is running order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

import numpy as np

from consumer import model_report
from consumer.adapters import Adapters
from consumer.checkpoints.loading import AllState
from consumer.durability import Durability
from consumer.errors import Fatal, Fenced, OutputReplaced, Retryable
from consumer.forgetting import Forgetting
from consumer.intake import Intake, Taken
from consumer.learning import quality
from consumer.messages import Decoded, Float64Array, Int64Array, Outcome, Positions
from consumer.model_report import NeuralReport
from consumer.read_ahead import Reader
from consumer.settings import Settings
from consumer.stall_watch import StallWatch
from consumer.status.document import Stage
from consumer.status.reporter import StatusReporter

logger = logging.getLogger(__name__)

REPORT_INTERVAL_S = 1.0
METADATA_INTERVAL_S = 30.0
IDLE_POLLS = 20
"""After so many polls in a row without a record the input counts as read to its end: transaction markers and compaction
leave its last offsets without one."""


class Ended(Enum):
    STOPPED = "stopped"
    LEASE_LOST = "lease lost"
    OUTPUT_REPLACED = "output topics made anew"
    """Serve another term: it reads what is in them, and publishes the rest anew."""
    ROLLBACK = "to be rolled back"
    """Serve another term: it begins with the rollback, or the promotion, that was asked for."""


class Worker:
    """The loop of one term: from the positions that recovery gave to a clean stop or the loss of the lease."""

    def __init__(
        self,
        settings: Settings,
        adapters: Adapters,
        reader: Reader,
        state: AllState,
        intake: Intake,
        durability: Durability,
        forgetting: Forgetting,
    ) -> None:
        self._settings = settings
        self._clock = adapters.clock
        self._source = adapters.source
        self._telemetry = adapters.telemetry
        self._board = adapters.board
        self._reader = reader
        self._state = state
        self._intake = intake
        self._durability = durability
        self._status = StatusReporter(
            adapters.board, adapters.clock, settings.input.topic, state, lambda: state.published.score
        )
        self._forgetting = forgetting
        self._live_from = {p: end for p, (_, end) in adapters.source.bounds().items()}
        self._unpublished: list[tuple[Int64Array, bool]] = []
        self._refusal: Fatal | None = None
        self._is_rolling_back = False
        self._n_idle = 0
        self._newest_ms = 0
        self._report_at_s = 0.0
        self._stalls = StallWatch(settings.publish.stalled_after_s, self._clock.monotonic_s())
        self._n_capped = state.trainer.n_capped
        self._n_alarms = state.trainer.n_alarms
        self._neural = NeuralReport(state.model)
        self._metadata_at_s = self._clock.monotonic_s() + METADATA_INTERVAL_S
        self._telemetry.state_limits(model_report.row_limits(settings))

    def run(self, should_stop: Callable[[], bool]) -> Ended:
        """Learn and publish until told to stop. What was taken is safe before it returns or raises Fatal."""
        while not should_stop() and self._refusal is None and not self._is_rolling_back:
            if not self.step():
                return Ended.OUTPUT_REPLACED if self._durability.is_output_replaced else Ended.LEASE_LOST
        self._board.stage(Stage.STOPPING)
        self._durability.finish()
        if self._refusal is not None:
            raise self._refusal
        return Ended.ROLLBACK if self._is_rolling_back else Ended.STOPPED

    def step(self) -> bool:
        """One turn of the loop; False once the lease is lost."""
        try:
            self._learn_next()
            self._forgetting.step()
            self._publish_and_save()
            self._report()
        except Retryable as error:
            self._durability.retry_later(error)
        except Fenced as error:
            self._durability.fenced(error)
        except OutputReplaced as error:
            self._durability.output_replaced(error)
        return self._source.has_lease() and not self._durability.is_superseded

    def _learn_next(self) -> None:
        if self._durability.is_full:
            return
        decoded = self._reader.next(self._settings.batch.max_wait_s)
        if decoded is None:
            self._n_idle += 1
            if self._n_idle >= IDLE_POLLS:
                self._durability.reach_live()
            return
        self._n_idle = 0
        started_s = self._clock.monotonic_s()
        taken = self._intake.take(decoded)
        self._state.trainer.learn(self._forgetting.without_past(taken.admitted))
        self._durability.letters += taken.dead_letters
        self._refusal = taken.refusal
        self._tell_learned(decoded, taken, self._clock.monotonic_s() - started_s)

    def _publish_and_save(self) -> None:
        if not self._durability.step():
            return
        self._stalls.published(self._clock.monotonic_s())
        at_s = self._clock.wall_s()
        for timestamps_ms, is_live in self._unpublished:
            self._telemetry.events_published(_ages_s(timestamps_ms, at_s), is_live=is_live)
        self._unpublished = []

    def _tell_learned(self, decoded: Decoded, taken: Taken, seconds: float) -> None:
        outcome = taken.admitted.outcome
        timestamps_ms = decoded.records.timestamps_ms[: len(outcome)][outcome == Outcome.ADMITTED]
        timestamps_ms = timestamps_ms[timestamps_ms >= 0]
        if len(timestamps_ms):
            self._newest_ms = max(self._newest_ms, int(timestamps_ms.max()))
        if all(self._intake.positions.get(p, 0) >= end for p, end in self._live_from.items()):
            self._durability.reach_live()
        self._stalls.learned(int(np.count_nonzero(outcome == Outcome.ADMITTED)))
        self._telemetry.batch_learned(len(outcome), seconds)
        self._telemetry.outcomes(taken.outcomes())
        self._telemetry.dead_letters(taken.dead_letter_counts())
        self._telemetry.events_updated(_ages_s(timestamps_ms, self._clock.wall_s()), is_live=self._durability.is_live)
        self._unpublished.append((timestamps_ms, self._durability.is_live))

    def _report(self) -> None:
        now_s = self._clock.monotonic_s()
        self._telemetry.loop_moved(now_s)
        if now_s >= self._report_at_s:
            self._report_at_s = now_s + REPORT_INTERVAL_S
            self._is_rolling_back = self._durability.is_rollback_due
            self._forgetting.look(self._intake.positions)
            ends = {p: end for p, (_, end) in self._source.lag().items()}
            self._tell_lag(ends)
            self._telemetry.publish_stalled(self._stalls.is_stalled(now_s))
            self._tell_capped()
            self._tell_drift()
            self._neural.tell(self._telemetry)
            self._telemetry.members_muted(self._state.model.is_muted)
            self._tell_model()
            self._status.report(self._durability.stage, self._durability.version, self._intake.positions, ends)
        if now_s >= self._metadata_at_s:
            self._metadata_at_s = now_s + METADATA_INTERVAL_S
            self._read_new_partitions()

    def _tell_lag(self, ends: Positions) -> None:
        topic, positions = self._settings.input.topic, self._intake.positions
        behind = {(topic, p): max(0, end - positions.get(p, 0)) for p, end in ends.items()}
        seconds = max(0.0, self._clock.wall_s() - self._newest_ms / 1000) if any(behind.values()) else 0.0
        self._telemetry.lag(behind, seconds if self._newest_ms else 0.0)

    def _tell_capped(self) -> None:
        n_capped = self._state.trainer.n_capped
        self._telemetry.events_capped(n_capped - self._n_capped)
        self._n_capped = n_capped

    def _tell_drift(self) -> None:
        n_alarms = self._state.trainer.n_alarms
        new = {loss: n - self._n_alarms[loss] for loss, n in n_alarms.items() if n > self._n_alarms[loss]}
        for loss in new:
            logger.warning(
                "drift",
                extra={"loss": loss, "longer_steps_for_events": self._settings.drift.events, "alarms": n_alarms[loss]},
            )
        self._telemetry.drift_alarms(new)
        self._telemetry.steps_raised(self._state.trainer.is_raised)
        self._n_alarms = n_alarms

    def _tell_model(self) -> None:
        trainer = self._state.trainer
        self._telemetry.quality(*quality.summary(trainer.quality), model_report.n_samples(trainer))
        self._telemetry.state(self._state.row_counts(), self._state.n_bytes)
        model_report.tell(self._telemetry, self._state.model, trainer)

    def _read_new_partitions(self) -> None:
        """Partitions added to the input topic start at their beginning."""
        new = set(self._source.partitions()) - set(self._intake.positions)
        if new:
            starts = {p: first for p, (first, _) in self._source.bounds().items() if p in new}
            self._source.start_reading(starts)
            self._intake.positions.update(starts)
            logger.info("new partitions", extra={"partitions": sorted(new)})


def _ages_s(timestamps_ms: Int64Array, at_s: float) -> Float64Array:
    ages: Float64Array = at_s - timestamps_ms / np.float64(1000)
    return ages
