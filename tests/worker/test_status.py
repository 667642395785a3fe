"""What people see of a worker: each stage of a term, what readers hold, why versions are held."""

from __future__ import annotations

from itertools import pairwise

from consumer.status.document import Partition, Stage, Status
from tests.worker.test_gate import learned_world, model, shuffle_labels, spoil, turns, walks
from tests.worker.test_worker import visits
from tests.worker.world import World, settings


def stages(statuses: list[Status]) -> list[Stage]:
    """In order, each once as long as it lasts."""
    found = [status.stage for status in statuses]
    return [found[0], *(after for before, after in pairwise(found) if after is not before)]


def last_figures(world: World) -> Status:
    """The last report of a term."""
    return [status for status in world.statuses if status.throughput is not None][-1]


def test_a_term_goes_from_taking_over_to_live_and_stops() -> None:
    world = World(settings())
    world.produce(visits(100))
    world.live(should_stop=turns(60))
    assert stages(world.statuses) == [Stage.TAKING_OVER, Stage.CATCHING_UP, Stage.LIVE, Stage.STOPPING]


def test_after_a_crash_it_recovers_until_it_has_learned_what_is_published() -> None:
    world = World(settings(checkpoints={"interval_s": 1_000.0}))
    world.produce(visits(400))
    world.live(should_stop=turns(1))
    checkpoints = dict(world.disk.complete)
    world.live()
    world.disk.complete = checkpoints  # as if it had died before it saved again
    published = world.manifests()[-1].version
    world.statuses.clear()
    world.live()
    recovering = next(status for status in world.statuses if status.stage is Stage.RECOVERING)
    assert recovering.snapshot is not None
    assert recovering.snapshot.version == published


def test_positions_version_items_and_checkpoints_are_those_of_the_worker() -> None:
    world = World(settings(), n_partitions=2)
    world.produce(visits(100))
    world.produce(visits(50, start=100), partition=1)
    world.live(should_stop=turns(60))
    status = last_figures(world)
    assert status.lag is not None
    assert status.lag.partitions == [Partition(0, 100, 100, 0), Partition(1, 50, 50, 0)]
    assert status.snapshot is not None
    assert status.standings is not None
    assert 0 < status.standings.version <= status.snapshot.version <= world.manifests()[-1].version
    assert len(status.standings.top) == 10
    assert {top.item for top in status.standings.top} <= {f"item-{n}" for n in range(13)}
    assert world.statuses[-1].checkpoints[0].version == world.manifests()[-1].version
    assert {checkpoint.verdict for checkpoint in world.statuses[-1].checkpoints[:-1]} == {"good"}


def test_quality_is_that_of_the_sampled_events_of_this_term() -> None:
    world = World(settings(evaluation={"sample_one_in": 1}))
    world.produce(walks(600))
    world.live(should_stop=turns(100))
    status = last_figures(world)
    assert status.quality is not None
    ensemble, popularity = status.quality.members["ensemble"], status.quality.members["popularity"]
    assert ensemble.samples > 200
    assert ensemble.hit_ratio > popularity.hit_ratio


def test_a_held_version_is_shown_with_its_reason_and_when_it_rolls_back() -> None:
    world = learned_world(model(rollback_after_s=600))
    spoil(world, shuffle_labels)
    world.produce(walks(1_500, start=1_000))
    world.statuses.clear()
    world.live(should_stop=turns(200))
    status = next(status for status in world.statuses if status.held is not None)
    assert status.held is not None
    assert status.held.reason == "worse"
    assert "below that of the published version" in status.held.detail
    assert status.held.since < (status.held.rolls_back_at or "")


def test_no_user_is_named() -> None:
    world = World(settings())
    world.produce(visits(100))
    world.live(should_stop=turns(60))
    assert "user-" not in repr(last_figures(world))
