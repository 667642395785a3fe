"""What the board shows, and when it changes."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from consumer.status.board import N_CHECKPOINTS, Board, Doing
from consumer.status.document import HalfLife, Held, Partition, SavedCheckpoint, Stage
from consumer.status.figures import Figures
from tests.page import states
from tests.page.states import NOW_S, at
from tests.telemetry.scrape import ManualClock

DOING = Doing(
    stage=Stage.LIVE,
    version=7,
    topic="events",
    partitions=(Partition(0, 10, 12, 2), Partition(1, 5, 8, 3)),
    quality=states.quality(),
    hour=states.hour(),
    half_lives=(HalfLife(3_600.0, 1.0),),
    logit={"item": {"rising": 0.2}},
    standings=states.standings(),
)


class Rig:
    """A board, its clock, and metrics that a test sets."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_S)
        self.figures = Figures()
        self.board = Board(states.worker(), self.clock, lambda: self.figures)

    def report(self, doing: Doing = DOING) -> None:
        self.board.report(doing, self.clock.monotonic_s())


def saved(version: int) -> SavedCheckpoint:
    return SavedCheckpoint(f"checkpoint-{version}", version, at(0), 0.1, 1_024, "good")


def test_it_begins_with_who_it_is_and_no_figures() -> None:
    status = Rig().board.status
    assert (status.worker, status.stage, status.stage_since) == (states.worker(), Stage.STARTING, at(0))
    assert (status.throughput, status.standings, status.lag) == (None, None, None)


def test_a_report_shows_what_the_loop_does_beside_what_the_metrics_say() -> None:
    rig = Rig()
    rig.figures = replace(Figures(), lag_s=1.5, published_at_s=NOW_S - 3, rows_waiting=4, muted=("linear",))
    rig.report()
    status = rig.board.status
    assert status.stage is Stage.LIVE
    assert status.lag is not None
    assert (status.lag.records, status.lag.seconds, status.lag.topic) == (5, 1.5, "events")
    assert status.snapshot is not None
    assert (status.snapshot.version, status.snapshot.published_at, status.snapshot.rows_waiting) == (7, at(-3), 4)
    assert status.weights is not None
    assert (status.weights.muted, status.weights.logit) == (("linear",), {"item": {"rising": 0.2}})
    assert status.standings == states.standings()


def test_what_readers_hold_is_not_said_where_nothing_is_published() -> None:
    rig = Rig()
    rig.report(replace(DOING, version=None))
    assert rig.board.status.snapshot is None


def test_the_stage_remembers_since_when() -> None:
    rig = Rig()
    rig.report(replace(DOING, stage=Stage.CATCHING_UP))
    rig.clock.advance(30)
    rig.report()
    rig.clock.advance(5)
    rig.report()
    rig.board.stage(Stage.LIVE)
    assert (rig.board.status.stage_since, rig.board.status.updated_at) == (at(30), at(35))


@pytest.mark.parametrize("stage", [Stage.STANDBY, Stage.TAKING_OVER])
def test_the_figures_of_a_term_end_with_it(stage: Stage) -> None:
    rig = Rig()
    rig.board.saved(saved(7))
    rig.board.held("worse", "by far", None)
    rig.report()
    rig.board.stage(stage)
    status = rig.board.status
    assert (status.stage, status.throughput, status.held, status.standings) == (stage, None, None, None)
    assert status.checkpoints == (saved(7),)


def test_a_new_term_does_not_show_the_pace_of_the_one_before() -> None:
    rig = Rig()
    rig.report()
    rig.board.stage(Stage.STANDBY)
    rig.clock.advance(8)
    rig.figures = replace(Figures(), n_learned=800)
    rig.report()
    assert rig.board.status.throughput is not None
    assert rig.board.status.throughput.events_per_s == 0.0


def test_while_it_stops_the_last_figures_stay() -> None:
    rig = Rig()
    rig.report()
    rig.board.stage(Stage.STOPPING)
    assert rig.board.status.stage is Stage.STOPPING
    assert rig.board.status.throughput is not None


def test_a_hold_is_shown_at_once_with_its_beginning_until_versions_go_out() -> None:
    rig = Rig()
    rig.report()
    rig.board.held("worse", "by 0.1", NOW_S + 600)
    rig.clock.advance(9)
    rig.board.held("worse", "by 0.2", NOW_S + 600)
    rig.report()
    assert rig.board.status.held == Held("worse", "by 0.2", at(0), at(600))
    rig.board.let_out()
    assert rig.board.status.held is None


def test_another_reason_is_another_hold() -> None:
    rig = Rig()
    rig.board.held("worse", "by 0.1", NOW_S + 600)
    rig.clock.advance(9)
    rig.board.held("share", "40 %", None)
    assert rig.board.status.held == Held("share", "40 %", at(9), None)


def test_the_last_checkpoints_are_shown_newest_first() -> None:
    rig = Rig()
    for version in range(1, N_CHECKPOINTS + 3):
        rig.board.saved(saved(version))
    shown = [checkpoint.version for checkpoint in rig.board.status.checkpoints]
    assert shown == list(range(N_CHECKPOINTS + 2, 2, -1))


def test_a_status_never_changes_once_it_is_shown() -> None:
    rig = Rig()
    rig.report()
    shown = rig.board.status
    rig.board.saved(saved(8))
    rig.board.held("worse", "by far", None)
    rig.report(replace(DOING, version=8))
    assert (shown.held, shown.checkpoints) == (None, ())
    assert shown.snapshot is not None
    assert shown.snapshot.version == 7
    with pytest.raises(FrozenInstanceError):
        shown.stage = Stage.LIVE  # type: ignore[misc] # that is the point
