"""Taking over: what is resumed, what is refused, and what happens where topics or checkpoints are gone."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from consumer.errors import Fatal
from consumer.models.neural import N_PENDING, N_STEPS
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.worker import Ended
from tests.fakes.calls import Calls
from tests.fakes.kafka import FakeInput
from tests.streams import WITH_NEURAL
from tests.worker.world import World, event, settings

MODELS = {"item_to_item": {"neighbours": 8}}


def visits(n: int, start: int = 0) -> list[bytes | None]:
    return [event(i, f"user-{i % 9}", f"item-{i % 13}", at_s=i) for i in range(start, start + n)]


def learned_world(n: int = 100, models: Mapping[str, object] = MODELS) -> World:
    world = World(settings(models=models))
    world.produce(visits(n))
    assert world.live() is Ended.STOPPED
    return world


def scores_of(world: World) -> dict[bytes, float]:
    rows = world.rows_of(world.manifests()[-1])["item-scores"]
    return {key: json.loads(value)["score"] for key, value in rows.items()}


def test_a_restart_goes_on_where_the_last_run_stopped() -> None:
    world = learned_world(100)
    world.produce(visits(50, start=100))
    world.live()
    unbroken = learned_world(150)
    assert world.learned_state() == unbroken.learned_state()
    assert world.telemetry.outcome_totals["admitted"] == 150


@pytest.mark.neural
def test_a_network_goes_on_to_the_bit_with_moments_examples_and_all_that_waits_for_a_step() -> None:
    world = learned_world(101, WITH_NEURAL)
    assert world.newest_checkpoint()["neural.counts"][N_PENDING] > 0
    world.produce(visits(49, start=101))
    world.live()
    unbroken = learned_world(150, WITH_NEURAL)
    assert world.learned_state() == unbroken.learned_state()
    assert unbroken.newest_checkpoint()["neural.counts"][N_STEPS] > 10
    assert {"examples.history", "items.neural_mean", "neural.square_attention"} <= set(unbroken.newest_checkpoint())


def test_each_term_announces_a_higher_epoch() -> None:
    world = learned_world()
    world.live()
    records = world.cluster.committed(world.settings.publish.manifests_topic)
    writers = [formats.decode_writer(r.key or b"", r.value or b"") for r in records if r.key == b"default/writer"]
    assert [writer.epoch for writer in writers] == [1, 2]
    assert {writer.instance for writer in writers} == {"one"}


def test_group_offsets_are_committed_but_the_checkpoint_decides() -> None:
    world = learned_world(100)
    assert world.cluster.group_offsets["group"] == {0: 100}
    world.cluster.group_offsets["group"] = {0: 3}
    world.produce(visits(10, start=100))
    world.live()
    assert world.telemetry.outcome_totals["admitted"] == 110


def test_a_damaged_newest_checkpoint_is_skipped_and_nothing_is_published_twice() -> None:
    world = learned_world(100)
    world.produce(visits(60, start=100))
    world.live()
    world.disk.damage(max(world.disk.complete))
    before = world.manifests()[-1]
    world.live()
    after = world.manifests()[-1]
    assert after.input_positions == before.input_positions
    assert [m.version for m in world.manifests()] == list(range(1, after.version + 1))
    assert world.checksum_of(after) == after.checksum


def test_without_a_usable_checkpoint_it_refuses_to_start() -> None:
    world = learned_world()
    for name in world.disk.complete:
        world.disk.damage(name)
    with pytest.raises(Fatal, match=r"no usable checkpoint of model 'default'.*--rebuild"):
        world.live()


def test_rebuild_learns_again_from_the_beginning_and_ends_with_the_same_state() -> None:
    world = learned_world()
    before, scores = dict(world.learned_state()), scores_of(world)
    n_versions = len(world.manifests())
    world.disk.complete.clear()
    world.live(rebuild=True)
    assert world.learned_state() == before
    assert scores_of(world) == pytest.approx(scores, rel=world.settings.publish.tolerance)
    later = world.manifests()[n_versions:]
    assert later[0].version == n_versions + 1
    assert later[0].input_positions == {"behaviour-events": {"0": 100}}
    assert world.checksum_of(later[-1]) == later[-1].checksum


def test_rebuild_deletes_rows_of_items_that_the_input_no_longer_holds() -> None:
    world = World(settings())
    world.produce([event(0, "ann", "gone", at_s=0), *visits(40, start=1)])
    world.live()
    assert b"gone" in scores_of(world)
    world.cluster.delete_before("behaviour-events", 0, 1)
    world.disk.complete.clear()
    world.live(rebuild=True)
    assert b"gone" not in scores_of(world)


def test_versions_go_on_behind_all_reserved_ones_where_the_output_topics_are_new() -> None:
    world = learned_world()
    last = world.manifests()[-1].version
    publish = world.settings.publish
    for topic, n in ((publish.scores_topic, 2), (publish.related_topic, 2), (publish.manifests_topic, 1)):
        world.cluster.create(topic, n)
    world.live()
    manifests = world.manifests()
    assert manifests[0].version > last
    assert len(scores_of(world)) == 13
    assert world.checksum_of(manifests[-1]) == manifests[-1].checksum


def made_anew(world: World, *topics: str) -> None:
    for topic in topics:
        world.cluster.create(topic, len(world.cluster.logs(topic)))


def test_row_topics_that_were_made_anew_are_filled_again() -> None:
    world = learned_world(100)
    made_anew(world, "item-scores", "item-related")
    world.produce(visits(10, start=100))
    n_before = len(world.manifests())
    world.live()
    later = world.manifests()[n_before:]
    assert [m.version for m in world.manifests()] == list(range(1, n_before + len(later) + 1))
    assert len(scores_of(world)) == 13
    assert [m.version for m in later if world.checksum_of(m) != m.checksum] == []
    assert_no_reader_waits_for_ever(world)


def test_where_only_the_manifests_are_new_their_first_one_shows_all_rows() -> None:
    world = learned_world(100)
    last = world.manifests()[-1].version
    made_anew(world, "score-manifests")
    world.produce(visits(10, start=100))
    world.live()
    assert world.manifests()[0].version > last
    assert [m.version for m in world.manifests() if world.checksum_of(m) != m.checksum] == []
    assert len(scores_of(world)) == 13


@pytest.mark.parametrize("n_begun", range(3, 8))
def test_output_topics_that_are_made_anew_under_a_running_worker_are_filled_again(n_begun: int) -> None:
    world, left = World(settings()), n_begun
    world.produce(visits(200))

    def anew(name: str) -> None:
        nonlocal left
        left -= name == "begin"
        if left == 0:
            left = -1
            made_anew(world, "item-scores", "item-related")

    def is_done(source: FakeInput) -> bool:
        return left < 0 and len(world.manifests()) > n_begun + 5 and source.positions == {0: 200}

    assert world.live(Calls(before_call=anew), should_stop=is_done) is Ended.STOPPED
    assert world.ended == [Ended.OUTPUT_REPLACED, Ended.STOPPED]
    manifests = world.manifests()
    assert [m.version for m in manifests] == list(range(1, len(manifests) + 1))
    assert world.checksum_of(manifests[-1]) == manifests[-1].checksum
    assert len(scores_of(world)) == 13
    assert_no_reader_waits_for_ever(world)


def assert_no_reader_waits_for_ever(world: World) -> None:
    """The topics are as long as the last manifest says."""
    for topic, positions in formats.positions_of(world.manifests()[-1].output_positions).items():
        ends = {p: log.end for p, log in enumerate(world.cluster.logs(topic))}
        assert {p: at for p, at in positions.items() if at > ends[p]} == {}


def test_versions_do_not_repeat_where_topics_were_lost_twice_and_the_newest_checkpoint_is_damaged() -> None:
    world = World(settings(checkpoints={"keep": 50}))
    world.produce(visits(60))
    world.live()
    topics = ("item-scores", "item-related", "score-manifests")
    given = set[int]()
    for start in (60, 80):
        given |= {m.version for m in world.manifests()}
        made_anew(world, *topics)
        world.produce(visits(20, start=start))
        known = set(world.disk.complete)
        world.live()
        for name in set(world.disk.complete) - known:
            if start == 60:
                world.disk.damage(name)
    assert given.isdisjoint({m.version for m in world.manifests()})


def test_row_topics_of_another_model_are_refused() -> None:
    world = learned_world()
    other = Settings.model_validate({**world.settings.model_dump(), "model": "other"})
    world.disk.complete.clear()
    with pytest.raises(
        Fatal, match=r"model 'default' already publishes to item-related, item-scores.*row topics of its own"
    ):
        world.live(settings=other)


def test_another_number_of_partitions_in_a_row_topic_is_refused() -> None:
    world = learned_world()
    log = world.cluster.logs("item-scores")
    log.append(type(log[0])())
    with pytest.raises(Fatal, match="item-scores had 2 partitions and now has 3"):
        world.live()


def test_an_input_that_lost_what_was_not_yet_read_is_refused() -> None:
    world = learned_world(100)
    world.produce(visits(50, start=100))
    world.cluster.delete_before("behaviour-events", 0, 120)
    with pytest.raises(
        Fatal,
        match=r"partition 0: the state has learned up to offset 100, but the topic now holds 120 to 150"
        r": 20 records were deleted before they were read.*--rebuild.*input\.on_lost_records: skip",
    ):
        world.live()


def test_an_input_that_lost_what_was_not_yet_read_is_skipped_with_a_count_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = learned_world(100)
    world.produce(visits(50, start=100))
    world.cluster.delete_before("behaviour-events", 0, 120)
    assert world.live(settings=settings(input={"on_lost_records": "skip"})) is Ended.STOPPED
    assert world.telemetry.lost == {("behaviour-events", 0): 20}
    assert world.telemetry.outcome_totals["admitted"] == 130
    assert world.manifests()[-1].input_positions == {"behaviour-events": {"0": 150}}
    assert [(r.levelname, r.message) for r in caplog.records if r.message == "records lost"] == [
        ("ERROR", "records lost")
    ]


def test_an_input_that_ends_before_what_was_learned_is_refused_whatever_is_said_of_lost_records() -> None:
    world = learned_world(100)
    world.cluster.create("behaviour-events", 1)
    with pytest.raises(Fatal, match=r"up to offset 100, but the topic now holds 0 to 0\. The topic was made anew"):
        world.live(settings=settings(input={"on_lost_records": "skip"}))


def test_a_checkpoint_of_other_binding_settings_is_refused_with_the_change_named() -> None:
    world = learned_world()
    with pytest.raises(Fatal, match=r"models.item_to_item.neighbours was 8 and is now 16"):
        world.live(settings=settings(models={"item_to_item": {"neighbours": 16}}))


def test_a_harmless_change_of_settings_is_taken_up() -> None:
    world = learned_world()
    world.produce(visits(10, start=100))
    assert world.live(settings=settings(publish={"tolerance": 0.1})) is Ended.STOPPED


def test_a_new_partition_found_at_start_is_read_from_its_beginning() -> None:
    world = learned_world(60)
    log = world.cluster.logs("behaviour-events")
    log.append(type(log[0])())
    world.produce(visits(20, start=60), partition=1)
    world.live()
    assert world.telemetry.outcome_totals["admitted"] == 80
    assert world.manifests()[-1].input_positions == {"behaviour-events": {"0": 60, "1": 20}}
