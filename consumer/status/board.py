"""Holds the status that people see: written by the loop's thread, read by any other.

The loop tells it when something happened, and about once a second what it is doing. Each time that makes a new
immutable status and puts it in the place of the one before: one reference, so no reader needs a lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from consumer.clock import Clock
from consumer.snapshots.formats import timestamp
from consumer.status.document import (
    HalfLife,
    Held,
    Identity,
    Lag,
    Partition,
    Quality,
    SavedCheckpoint,
    Series,
    Snapshot,
    Stage,
    Standings,
    State,
    Status,
    Weights,
)
from consumer.status.figures import Figures
from consumer.status.recent import Recent

N_CHECKPOINTS: Final = 5
OUTSIDE_A_TERM: Final = (Stage.STARTING, Stage.STANDBY, Stage.TAKING_OVER)


@dataclass(frozen=True, slots=True)
class Doing:
    """What the loop knows and the metrics do not say."""

    stage: Stage
    version: int | None
    """That readers hold; None: nothing is published (a replay)."""
    topic: str
    partitions: Sequence[Partition]
    quality: Quality
    hour: Series
    half_lives: Sequence[HalfLife]
    logit: dict[str, dict[str, float]]
    standings: Standings | None


class Board:
    """`figures` gives what the metrics say now. All times that are told are monotonic."""

    def __init__(self, worker: Identity, clock: Clock, figures: Callable[[], Figures]) -> None:
        self._clock = clock
        self._figures = figures
        self._recent = Recent()
        self._checkpoints: deque[SavedCheckpoint] = deque(maxlen=N_CHECKPOINTS)
        now = self._now()
        self._status = Status(worker, Stage.STARTING, stage_since=now, updated_at=now)

    @property
    def status(self) -> Status:
        """The newest. Any thread may ask."""
        return self._status

    def stage(self, stage: Stage) -> None:
        """From here on the worker does this. What only a writer has ends with its term."""
        now, shown = self._now(), self._status
        if stage in OUTSIDE_A_TERM:
            self._recent = Recent()
            shown = Status(shown.worker, shown.stage, shown.stage_since, now, checkpoints=shown.checkpoints)
        since = shown.stage_since if stage is shown.stage else now
        self._status = replace(shown, stage=stage, stage_since=since, updated_at=now)

    def held(self, reason: str, detail: str, rolls_back_at_s: float | None) -> None:
        """The version just cut does not go out; `rolls_back_at_s` is wall time."""
        before, now = self._status.held, self._now()
        since = before.since if before is not None and before.reason == reason else now
        rolls_back_at = None if rolls_back_at_s is None else timestamp(rolls_back_at_s)
        self._status = replace(self._status, held=Held(reason, detail, since, rolls_back_at), updated_at=now)

    def let_out(self) -> None:
        """Versions go out."""
        if self._status.held is not None:
            self._status = replace(self._status, held=None, updated_at=self._now())

    def saved(self, checkpoint: SavedCheckpoint) -> None:
        self._checkpoints.appendleft(checkpoint)
        self._status = replace(self._status, checkpoints=tuple(self._checkpoints), updated_at=self._now())

    def report(self, doing: Doing, now_s: float) -> None:
        """What is shown while a term, or a replay, goes on."""
        figures, wall_s = self._figures(), self._clock.wall_s()
        n_behind = sum(partition.lag for partition in doing.partitions)
        self._recent.note(figures, n_behind, now_s, wall_s)
        now, shown = timestamp(wall_s), self._status
        self._status = Status(
            worker=shown.worker,
            stage=doing.stage,
            stage_since=shown.stage_since if doing.stage is shown.stage else now,
            updated_at=now,
            held=shown.held,
            is_stalled=figures.is_stalled,
            freshness=self._recent.freshness(),
            throughput=self._recent.throughput(figures),
            lag=Lag(doing.topic, n_behind, figures.lag_s, doing.partitions),
            snapshot=_snapshot(doing, figures),
            quality=doing.quality,
            weights=_weights(doing, figures),
            standings=doing.standings,
            checkpoints=shown.checkpoints,
            state=State(figures.state_rows, figures.state_bytes),
            replay=figures.replay,
            minutes=self._recent.series(),
            hour=doing.hour,
        )

    def _now(self) -> str:
        return timestamp(self._clock.wall_s())


def _snapshot(doing: Doing, figures: Figures) -> Snapshot | None:
    if doing.version is None:
        return None
    published_at = None if figures.published_at_s is None else timestamp(figures.published_at_s)
    return Snapshot(doing.version, published_at, figures.rows_waiting, figures.publish_failures)


def _weights(doing: Doing, figures: Figures) -> Weights:
    return Weights(doing.half_lives, doing.logit, figures.muted, figures.longer_steps, figures.drift_alarms)
