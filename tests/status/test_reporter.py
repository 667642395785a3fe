"""When the lists of items are made anew, and what else a report gathers."""

from __future__ import annotations

from consumer.messages import Float64Array
from consumer.status.board import Board
from consumer.status.document import Partition, Stage, Status
from consumer.status.figures import Figures
from consumer.status.reporter import StatusReporter
from tests.checkpoints.states import learn, new_state
from tests.page.states import NOW_S, worker
from tests.streams import Event, small_settings
from tests.telemetry.scrape import ManualClock


class Rig:
    """A reporter; asking for scores takes `scan_s`."""

    def __init__(self, scan_s: float = 0.0) -> None:
        self.clock = ManualClock(NOW_S)
        self._scan_s = scan_s
        self._board = Board(worker(), self.clock, Figures)
        self.state = new_state(small_settings())
        learn(self.state, [Event("a"), Event("b"), Event("b", user="bob")])
        self._reporter = StatusReporter(self._board, self.clock, "events", self.state, self._scores)
        self.n_scans = 0

    def _scores(self) -> Float64Array:
        self.n_scans += 1
        self.clock.advance(self._scan_s)
        return self.state.model.scores()

    def report(self, version: int | None, after_s: float = 1.0) -> Status:
        self.clock.advance(after_s)
        self._reporter.report(Stage.LIVE, version, {1: 5, 0: 30}, {0: 31})
        return self._board.status


def test_the_lists_of_items_are_those_of_the_version() -> None:
    status = Rig().report(7)
    assert status.standings is not None
    assert (status.standings.version, [top.item for top in status.standings.top]) == (7, ["b", "a"])


def test_the_same_version_is_not_looked_through_again() -> None:
    rig = Rig()
    for _ in range(5):
        rig.report(7)
    assert rig.n_scans == 1


def test_a_new_version_is_looked_through_once_a_second_at_the_most() -> None:
    rig = Rig()
    for version in range(20):
        rig.report(version, after_s=0.25)
    assert rig.n_scans == 5


def test_looking_through_a_large_catalogue_takes_a_hundredth_of_the_time_at_the_most() -> None:
    rig = Rig(scan_s=0.05)
    for version in range(100):
        rig.report(version)
    assert rig.n_scans == 20  # every five seconds


def test_a_replay_which_has_no_versions_is_looked_through_every_second() -> None:
    rig = Rig()
    for _ in range(5):
        rig.report(None)
    assert rig.n_scans == 5


def test_partitions_come_in_order_and_one_whose_end_is_not_known_has_no_lag() -> None:
    lag = Rig().report(7).lag
    assert lag is not None
    assert list(lag.partitions) == [Partition(0, 30, 31, 1), Partition(1, 5, 5, 0)]
    assert lag.records == 1


def test_the_mixture_is_named_by_its_half_lives() -> None:
    weights = Rig().report(7).weights
    assert weights is not None
    assert [(half.half_life_s, half.weight > 0) for half in weights.popularity] == [
        (3_600.0, True),
        (86_400.0, True),
        (604_800.0, True),
    ]
