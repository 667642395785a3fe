"""What people see of a replay."""

from __future__ import annotations

from pathlib import Path

from consumer.status.document import Stage
from tests.replay.worlds import ReplayWorld
from tests.worker.test_worker import visits
from tests.worker.world import settings


def test_a_replay_shows_its_place_and_the_items_that_lead_and_publishes_nothing(tmp_path: Path) -> None:
    world = ReplayWorld(settings(), {0: visits(100), 1: visits(60, start=100)}, tmp_path)
    world.live()
    status = world.board.status
    assert (status.stage, status.snapshot) == (Stage.REPLAYING, None)
    assert status.lag is not None
    assert [(p.position, p.end) for p in status.lag.partitions] == [(100, 100), (60, 60)]
    assert status.standings is not None
    assert len(status.standings.top) == 10
    assert status.checkpoints != ()
