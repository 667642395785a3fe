"""The first checkpoint of a new deployment: from it a worker goes on; where one exists it is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from consumer.checkpoints import contents
from consumer.errors import Fatal
from consumer.transfer.first_checkpoint import write_first_checkpoint
from tests.fakes.checkpoints import FakeStore
from tests.transfer.deployments import deployment, known_to, shop, started, taught
from tests.worker.world import World, event, settings

SOURCE = known_to(taught())
LATER_S = 40_000.0


def warm(world: World, positions: dict[int, int] | None = None) -> str:
    return write_first_checkpoint(deployment(world), started(SOURCE).state, positions or {})


def published(world: World) -> dict[str, dict[bytes, bytes]]:
    return world.rows_of(world.manifests()[-1])


def test_a_worker_goes_on_from_it_and_publishes_what_it_knows_with_the_first_event() -> None:
    world = World(settings())
    warm(world)
    world.produce([event(0, "ann", "tea", LATER_S)])
    world.live()
    rows = published(world)
    assert set(rows["item-scores"]) == {b"tea", b"cup", b"jam", b"pen", b"ink"}
    related = json.loads(rows["item-related"][b"tea"])["related"]
    assert related == [["cup", pytest.approx(0.3, rel=1e-3)], ["jam", pytest.approx(0.1, rel=1e-3)]]
    assert world.checksum_of(world.manifests()[-1]) == world.manifests()[-1].checksum
    assert all(np.isfinite(world.manifests()[-1].model["totals"]["popularity"]))


@pytest.mark.parametrize("years", [-20, 0, 20])
def test_whenever_the_first_event_took_place_the_evidence_counts_in_full_there(years: int) -> None:
    world = World(settings(input={"lateness_s": 60.0, "max_future_s": 1e9}, catalogue={"item_ttl_s": 1e9}))
    warm(world)
    world.produce([event(0, "ann", "new", LATER_S + years * 365 * 86_400.0)])
    world.live()
    totals = world.manifests()[-1].model["totals"]
    assert totals["items"] == 6
    assert totals["item_to_item"] == pytest.approx(0.1 * 12 + 1, rel=1e-3)
    assert totals["popularity"] == pytest.approx([0.1 * 12 + 1] * 3, rel=0.05)


def test_before_its_first_event_a_warm_started_worker_publishes_nothing() -> None:
    world = World(settings())
    warm(world)
    n_polls = iter(range(50))
    world.live(should_stop=lambda source: next(n_polls, None) is None)
    assert world.manifests() == []
    world.produce([event(0, "ann", "tea", LATER_S)])
    world.live()
    assert world.manifests()[0].version == 1


def test_a_warm_started_worker_that_is_stopped_and_started_ends_as_one_that_was_not() -> None:
    ends = []
    for stops in (False, True):
        world = World(settings())
        warm(world)
        for part in (shop(at_s=LATER_S, first=100), shop(at_s=2 * LATER_S, first=200)):
            world.produce(part)
            if stops:
                world.live()
        world.live()
        ends.append(world.learned_state())
    assert ends[0] == ends[1]


def test_it_begins_to_read_where_it_was_told_to() -> None:
    world = World(settings())
    world.produce(shop(first=100, pairs=[("old", "news")] * 3))
    warm(world, {0: 6})
    world.produce([event(0, "ann", "tea", LATER_S)])
    world.live()
    assert b"old" not in published(world)["item-scores"]


def test_by_default_the_input_is_read_from_its_beginning() -> None:
    world = World(settings())
    world.produce(shop(first=100, pairs=[("old", "news")] * 3))
    warm(world)
    world.live()
    assert b"old" in published(world)["item-scores"]


def test_a_deployment_with_checkpoints_is_refused() -> None:
    world = taught()
    with pytest.raises(Fatal, match=r"model 'default' has checkpoints in .* With --force"):
        deployment(world).require_new()


def test_a_deployment_that_has_published_is_refused() -> None:
    world = taught()
    world.disk.complete.clear()
    with pytest.raises(Fatal, match=r"has published already \(version \d+\)"):
        deployment(world).require_new()


def test_a_new_deployment_is_not_refused_and_asking_writes_nothing() -> None:
    world = World(settings())
    deployment(world).require_new()
    assert world.cluster.committed("score-manifests") == []


def test_forced_the_next_start_goes_on_from_it_under_higher_versions() -> None:
    world = World(settings())
    world.produce(shop(first=100, pairs=[("lamp", "bulb")] * 4))
    world.live()
    before = world.manifests()[-1]
    warm(world, {0: 8})
    world.produce([event(0, "ann", "tea", LATER_S)])
    world.live()
    after = world.manifests()[-1]
    assert after.version > before.version
    assert set(published(world)["item-scores"]) == {b"tea", b"cup", b"jam", b"pen", b"ink"}
    assert world.checksum_of(after) == after.checksum


def test_forced_on_lost_topics_version_numbers_do_not_come_back() -> None:
    world = taught()
    newest = max(world.disk.complete)
    reserved = contents.decode(newest, world.disk.complete[newest].notes).reserved_version
    for topic in ("item-scores", "item-related", "score-manifests"):
        n = len(world.cluster.logs(topic))
        world.cluster.delete(topic)
        world.cluster.create(topic, n)
    warm(world, {0: 12})
    world.produce([event(900, "ann", "tea", LATER_S)])
    world.live()
    assert world.manifests()[0].version > reserved


@pytest.mark.parametrize("when", ["before", "behind"])
def test_the_checkpoint_of_a_higher_epoch_is_left_alone_and_wins(when: str) -> None:
    world = taught()
    newest = max(world.disk.complete)
    epoch = contents.epoch_of(newest)
    later = world.disk.complete[newest]

    class Overtaken(FakeStore):
        """A worker takes over while the checkpoint is being written."""

        def commit(self, name: str, notes: bytes) -> None:
            if when == "behind":
                super().commit(name, notes)
            world.disk.complete[f"checkpoint-{epoch + 9:010d}-{1:015d}-{0:019d}"] = later
            if when == "before":
                super().commit(name, notes)

    overtaken = replace(deployment(world), store=Overtaken(world.disk))
    with pytest.raises(Fatal, match="took over meanwhile"):
        write_first_checkpoint(overtaken, started(SOURCE).state, {})
    assert contents.epoch_of(max(world.disk.complete)) == epoch + 9


def test_a_full_disk_is_told() -> None:
    world = World(settings())
    world.disk.is_full = True
    with pytest.raises(Fatal, match=r"the checkpoint cannot be written in var/checkpoints: .*no space left"):
        warm(world)


def test_missing_output_topics_are_told() -> None:
    world = World(settings())
    world.cluster.delete("item-related")
    with pytest.raises(Fatal, match="topic item-related does not exist"):
        warm(world)


def test_its_notes_say_nothing_that_was_not_so() -> None:
    world = World(settings())
    name = warm(world)
    notes = contents.decode(name, FakeStore(world.disk).notes(name))
    assert (notes.epoch, notes.version, notes.reserved_version) == (1, 0, 0)
    assert notes.watermark_ms is None
