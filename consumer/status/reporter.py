"""Gathers, about once a second, what the loop shows of itself, and never takes more than a hundredth of its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from consumer.checkpoints.checkpointer import Saved
from consumer.checkpoints.loading import AllState
from consumer.clock import Clock
from consumer.messages import Float64Array, Positions
from consumer.status.board import Board, Doing
from consumer.status.document import HalfLife, Partition, SavedCheckpoint, Stage, Standings
from consumer.status.quality_hour import QualityHour
from consumer.status.standings import standings
from consumer.status.weights import logit_weights

INTERVAL_S: Final = 1.0
SHARE: Final = 0.01
"""Of the loop's time, at the most, for the lists of items: they take a scan of the catalogue."""


class StatusReporter:
    """Of one term, or of one replay; `scores` are those whose leaders are shown, NaN where there are none."""

    def __init__(
        self, board: Board, clock: Clock, topic: str, state: AllState, scores: Callable[[], Float64Array]
    ) -> None:
        self._board = board
        self._clock = clock
        self._topic = topic
        self._state = state
        self._scores = scores
        self._hour = QualityHour(state.trainer.quality, clock.monotonic_s())
        self._standings: Standings | None = None
        self._standings_at_s = 0.0

    def report(self, stage: Stage, version: int | None, positions: Positions, ends: Mapping[int, int]) -> None:
        """`positions`: next offset to learn of each partition; `ends`: their end offsets, as far as they are known."""
        now_s, model = self._clock.monotonic_s(), self._state.model
        self._hour.note(now_s)
        self._renew_standings(version, now_s)
        counts = model.popularity
        half_lives_s = model.settings.models.popularity.half_lives_s
        doing = Doing(
            stage=stage,
            version=version,
            topic=self._topic,
            partitions=_partitions(positions, ends),
            quality=self._hour.quality(now_s),
            hour=self._hour.series(self._clock.wall_s()),
            half_lives=[HalfLife(*one) for one in zip(half_lives_s, counts.mixture.tolist(), strict=True)],
            logit=logit_weights(model),
            standings=self._standings,
        )
        self._board.report(doing, now_s)

    def _renew_standings(self, version: int | None, now_s: float) -> None:
        is_new = version is None or self._standings is None or version != self._standings.version
        if now_s < self._standings_at_s or not is_new:
            return
        watermark_ms = self._state.admission.watermark_ms
        self._standings = standings(self._state.model, version or 0, self._scores(), watermark_ms)
        self._standings_at_s = now_s + max(INTERVAL_S, (self._clock.monotonic_s() - now_s) / SHARE)


def saved_checkpoint(saved: Saved, n_bytes: int) -> SavedCheckpoint:
    """As people see it; `n_bytes`: of the state that it holds."""
    notes = saved.notes
    return SavedCheckpoint(saved.name, notes.version, notes.saved_at, saved.seconds, n_bytes, notes.verdict)


def _partitions(positions: Positions, ends: Mapping[int, int]) -> list[Partition]:
    found = []
    for partition, position in sorted(positions.items()):
        end = max(position, ends.get(partition, position))
        found.append(Partition(partition, position, end, end - position))
    return found
