"""The loop of a replay: a worker's own intake and learning, and checkpoints; nothing is published."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from consumer import model_report
from consumer.checkpoints.loading import AllState
from consumer.clock import Clock
from consumer.errors import FreshrankError
from consumer.events.admission import GREATEST_MS
from consumer.forgetting import Forgetting
from consumer.intake import Intake
from consumer.learning import quality
from consumer.ports import Telemetry
from consumer.read_ahead import Reader
from consumer.replay.merged_reader import EndOfRange
from consumer.replay.pace import Pace
from consumer.replay.plan import ReplayPlan
from consumer.replay.progress import ProgressMeter, ReplayProgress
from consumer.replay.ranges import time_text
from consumer.replay.saving import ReplayCheckpoints
from consumer.status.document import Stage
from consumer.status.reporter import StatusReporter

logger = logging.getLogger(__name__)

WAIT_S: Final = 0.1
REPORT_INTERVAL_S: Final = 1.0
LOG_INTERVAL_S: Final = 10.0
OnProgress = Callable[[ReplayProgress], None]


@dataclass(slots=True)
class Replayed:
    """What came of it, in this process."""

    is_complete: bool = False
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    """Spent until the last record was learned."""
    event_time_ms: int | None = None

    @property
    def n_records(self) -> int:
        return self.outcomes.total()


class Replayer:
    """From the positions of `intake` to the end of the plan, or until told to stop."""

    def __init__(
        self,
        plan: ReplayPlan,
        reader: Reader,
        state: AllState,
        intake: Intake,
        checkpoints: ReplayCheckpoints,
        forgetting: Forgetting,
        clock: Clock,
        telemetry: Telemetry,
        status: StatusReporter,
        pace: Pace,
        on_progress: OnProgress = lambda progress: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._plan = plan
        self._reader = reader
        self._state = state
        self._intake = intake
        self._checkpoints = checkpoints
        self._forgetting = forgetting
        self._clock = clock
        self._telemetry = telemetry
        self._status = status
        self._pace = pace
        self._on_progress = on_progress
        self._pause = pause
        now_s = clock.monotonic_s()
        self._meter = ProgressMeter(plan.n_offsets, plan.n_left(intake.positions), now_s)
        self._report_at_s, self._log_at_s = now_s, now_s + LOG_INTERVAL_S
        self._refusal: FreshrankError | None = None
        self._replayed = Replayed()

    def run(self, should_stop: Callable[[], bool]) -> Replayed:
        """What was taken is saved before it returns, or raises what reading raised, or Fatal."""
        started_s = self._clock.monotonic_s()
        while not should_stop() and self._refusal is None and not self._replayed.is_complete:
            self._learn_next()
            self._checkpoints.step()
            self._report()
        self._replayed.seconds = self._clock.monotonic_s() - started_s
        self._checkpoints.finish()
        self._tell(self._clock.monotonic_s())
        if self._refusal is not None:
            raise self._refusal
        self._replayed.event_time_ms = self._event_time_ms()
        return self._replayed

    def _learn_next(self) -> None:
        wait_s = self._pace.wait_s(self._clock.monotonic_s())
        if wait_s:
            self._pause(min(wait_s, WAIT_S))
            return
        try:
            decoded = self._reader.next(WAIT_S)
        except EndOfRange:
            self._reach_end()
            return
        except FreshrankError as error:
            self._refusal = error
            return
        if decoded is None:
            return
        started_s = self._clock.monotonic_s()
        taken = self._intake.take(decoded)
        self._state.trainer.learn(self._forgetting.without_past(taken.admitted))
        self._refusal = taken.refusal
        now_s = self._clock.monotonic_s()
        n_records = len(taken.admitted.outcome)
        self._pace.took(n_records, now_s)
        self._replayed.outcomes.update(taken.outcomes())
        self._telemetry.batch_learned(n_records, now_s - started_s)
        self._telemetry.outcomes(taken.outcomes())
        self._telemetry.dead_letters(taken.dead_letter_counts())

    def _reach_end(self) -> None:
        """Behind the last record of a partition there may be offsets without one."""
        self._replayed.is_complete = True
        for partition, (_, end) in self._plan.ranges.items():
            self._intake.positions[partition] = max(end, self._intake.positions.get(partition, end))

    def _report(self) -> None:
        now_s = self._clock.monotonic_s()
        self._telemetry.loop_moved(now_s)
        if now_s >= self._report_at_s:
            self._report_at_s = now_s + REPORT_INTERVAL_S
            self._forgetting.catch_up(self._intake.positions)
            self._tell(now_s)

    def _tell(self, now_s: float) -> None:
        n_left = self._plan.n_left(self._intake.positions)
        progress = self._meter.read(self._replayed.n_records, n_left, self._event_time_ms(), now_s)
        self._on_progress(progress)
        self._telemetry.replay_progress(
            progress.share, _seconds(progress.event_time_ms), progress.records_per_s, progress.left_s
        )
        trainer = self._state.trainer
        self._telemetry.quality(*quality.summary(trainer.quality), model_report.n_samples(trainer))
        self._telemetry.state(self._state.row_counts(), self._state.n_bytes)
        model_report.tell(self._telemetry, self._state.model, trainer)
        ends = {partition: end for partition, (_, end) in self._plan.ranges.items()}
        self._status.report(Stage.REPLAYING, None, self._intake.positions, ends)
        if now_s >= self._log_at_s:
            self._log_at_s = now_s + LOG_INTERVAL_S
            logger.info("replaying", extra=_logged(progress))

    def _event_time_ms(self) -> int | None:
        return None if self._state.admission.watermark_ms is None else int(self._state.admission.clock[GREATEST_MS])


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000


def _logged(progress: ReplayProgress) -> dict[str, object]:
    return {
        "records": progress.n_records,
        "share": round(progress.share, 4),
        "event_time": None if progress.event_time_ms is None else time_text(progress.event_time_ms),
        "records_per_s": round(progress.records_per_s),
        "left_s": None if progress.left_s is None else round(progress.left_s),
    }
