"""A replay among fakes: partitions in memory, and a disk that outlives its processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from consumer.checkpoints.writer import InlineWriter
from consumer.events.codec import JsonCodec
from consumer.forgetting import Forgetting
from consumer.intake import Intake
from consumer.messages import Decoded, OutputRecord
from consumer.recovery import Recovered
from consumer.replay.beginning import begin
from consumer.replay.merged_reader import MergedReader
from consumer.replay.pace import Pace
from consumer.replay.plan import ReplayPlan, replay_settings
from consumer.replay.replayer import Replayed, Replayer
from consumer.replay.saving import ReplayCheckpoints
from consumer.settings import Settings
from consumer.status.board import Board
from consumer.status.figures import Figures
from consumer.status.identity import identity
from consumer.status.reporter import StatusReporter
from consumer.tables import Array
from consumer.term import new_state
from tests.fakes.calls import Calls
from tests.fakes.checkpoints import FakeDisk, FakeStore
from tests.fakes.clock import FakeClock
from tests.fakes.telemetry import RecordingTelemetry
from tests.replay.partitions import FakePartitions
from tests.worker.world import DEPENDS_ON_PACE

ASKED = "the whole topic"


class InlineMerged:
    """The merged reader on the loop's own thread."""

    def __init__(self, merged: MergedReader) -> None:
        self._merged = merged

    def next(self, timeout_s: float) -> Decoded | None:
        return self._merged.next()

    def close(self) -> None:
        return


class ReplayWorld:
    """What outlives a process of the replay."""

    def __init__(
        self,
        live: Settings,
        values: Mapping[int, Sequence[bytes | None]],
        directory: Path,
        starts: Mapping[int, int] | None = None,
    ) -> None:
        live = live.model_copy(
            update={"checkpoints": live.checkpoints.model_copy(update={"directory": str(directory)})}
        )
        self.settings = replay_settings(live, "again")
        self.values = values
        self._starts = starts or {}
        self.disk = FakeDisk()
        self.live_disk = FakeDisk()  # of the model that it is a replay of
        self.telemetry = RecordingTelemetry()
        self.shares: list[float] = []

    def plan(self) -> ReplayPlan:
        return ReplayPlan(
            topic=self.settings.input.topic,
            ranges={p: (self._starts.get(p, 0), len(of)) for p, of in self.values.items()},
            asked=ASKED,
            begun_at="2026-11-23T00:00:00.000Z",
        )

    def live(
        self,
        calls: Calls | None = None,
        *,
        seed: int = 0,
        asked: str = ASKED,
        should_stop: Callable[[], bool] = lambda: False,
        fails_after: int | None = None,
    ) -> Replayed:
        """One process' life."""
        settings, clock = self.settings, FakeClock(step_s=0.02)
        store = FakeStore(self.disk, calls=calls or Calls())
        state = new_state(settings)
        begun = begin(settings, store, state, asked, self.plan)
        codec = JsonCodec(settings.input)
        partitions = FakePartitions(self.values, seed, dict(begun.positions), settings.input.topic, fails_after)
        intake = Intake(
            state.admission,
            state.budget,
            codec.explain,
            lambda letter: OutputRecord("", None, None),
            Recovered(dict(begun.positions), {}, set(), {}),
        )
        ledger = FakeStore(self.live_disk)
        forgetting = Forgetting(ledger, state, begun.forgotten)
        forgetting.catch_up(begun.positions)
        board = self.board = Board(identity(settings, clock.wall_s()), clock, Figures)
        checkpoints = ReplayCheckpoints(
            settings, store, InlineWriter(), state, intake, clock, self.telemetry, board, begun.base, forgetting, ledger
        )
        reader = InlineMerged(MergedReader(partitions, codec.decode, 25))
        pace = Pace(None, clock.monotonic_s())
        status = StatusReporter(board, clock, settings.input.topic, state, state.model.scores)
        return Replayer(
            begun.plan,
            reader,
            state,
            intake,
            checkpoints,
            forgetting,
            clock,
            self.telemetry,
            status,
            pace,
            self._note_share,
        ).run(should_stop)

    def _note_share(self, progress: object) -> None:
        self.shares.append(getattr(progress, "share"))  # noqa: B009

    def newest_checkpoint(self) -> Mapping[str, Array]:
        return self.disk.complete[max(self.disk.complete)].arrays

    def learned_state(self) -> dict[str, bytes]:
        """Of the newest checkpoint, bit for bit."""
        arrays = self.newest_checkpoint()
        return {name: array.tobytes() for name, array in arrays.items() if not name.startswith(DEPENDS_ON_PACE)}
