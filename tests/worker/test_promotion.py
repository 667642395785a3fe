"""Promotions in the loop: the live model goes on from what a replay learned, and nobody sees a gap or a repetition."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.checkpoints import contents, requests
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.requests import PromotionRequest, RollbackRequest
from consumer.settings import Settings
from consumer.worker import Ended
from tests.fakes.calls import Calls, Crash
from tests.fakes.checkpoints import FakeStore
from tests.replay.worlds import ReplayWorld
from tests.worker.test_crash_anywhere import stream
from tests.worker.test_gate import turns
from tests.worker.world import World, event, settings

TOPIC = "behaviour-events"
EFFECTS = (
    "open", "commit", "flush", "start_reading", "drop_request", "begin_checkpoint", "commit_checkpoint",
    "remove_checkpoint",
)  # fmt: skip


def old_and_new() -> list[bytes | None]:
    """A hundred events on items of which nothing is heard later, then a stream with everything in it."""
    old = [event(50_000 + n, f"visitor-{n % 9}", f"old-{n % 20}", at_s=-9_000 + n) for n in range(100)]
    return [*old, *stream()]


def live_world(n_live: int, chosen: Settings | None = None) -> World:
    """A worker that has learned and published so many events, and is stopped."""
    world = World(chosen or settings(catalogue={"max_items": 300}))
    world.produce(old_and_new()[:n_live])
    assert world.live() is Ended.STOPPED
    return world


def replayed(world: World, directory: Path, start: int, end: int, chosen: Settings | None = None) -> ReplayWorld:
    """A finished replay of that stretch, on the live model's disk."""
    replay = ReplayWorld(chosen or world.settings, {0: old_and_new()[:end]}, directory, {0: start})
    assert replay.live().is_complete
    world.disk.replays["again"] = replay.disk
    return replay


def ask(world: World, id: str = "p1") -> None:
    checkpoint = max(world.disk.replays["again"].complete)
    request = PromotionRequest(id=id, replay="again", checkpoint=checkpoint)
    world.disk.request = requests.encode(request)


def notes(world: World) -> list[Notes]:
    return [of for _, of in requests.readable(FakeStore(world.disk))]


def scores(world: World) -> dict[str, float]:
    rows = world.rows_of(world.manifests()[-1])["item-scores"]
    return {key.decode(): json.loads(value)["score"] for key, value in rows.items()}


def live_items(world: World) -> set[str]:
    arrays = world.newest_checkpoint()
    return {
        arrays["items.text"][row, : arrays["items.text_length"][row]].tobytes().decode()
        for row in range(len(arrays["items.is_live"]))
        if arrays["items.is_live"][row]
    }


def assert_whole_and_in_order(world: World) -> None:
    manifests = world.manifests()
    versions = [m.version for m in manifests]
    assert versions == sorted(set(versions))
    learned = [m.input_positions[TOPIC]["0"] for m in manifests]
    assert learned == sorted(learned)
    assert [m.version for m in manifests if world.checksum_of(m) != m.checksum] == []


def of_one_run(directory: Path, start: int) -> dict[str, bytes]:
    """Learned state of a replay of everything from there on: what a worker that began there would have learned."""
    whole = ReplayWorld(settings(catalogue={"max_items": 300}), {0: old_and_new()}, directory, {0: start})
    whole.live()
    return whole.learned_state()


def test_the_gap_is_learned_and_every_event_counts_once(tmp_path: Path) -> None:
    world = live_world(400)
    replayed(world, tmp_path / "replay", start=100, end=250)
    world.produce(old_and_new()[400:])
    ask(world)
    world.live()
    assert dict(world.learned_state()) == of_one_run(tmp_path / "whole", 100)
    assert notes(world)[-1].input_positions == {0: len(old_and_new())}
    assert world.disk.request is None
    assert_whole_and_in_order(world)


def test_what_the_new_model_does_not_have_is_deleted_and_the_rest_published_anew(tmp_path: Path) -> None:
    world = live_world(400)
    assert "old-3" in scores(world)
    version = world.manifests()[-1].version
    replayed(world, tmp_path, start=100, end=400)
    ask(world)
    world.live(should_stop=turns(80))
    assert set(scores(world)) == live_items(world)
    assert not any(item.startswith("old-") for item in scores(world))
    assert sum(scores(world).values()) == pytest.approx(1.0, abs=0.02)
    assert world.manifests()[-1].version > version
    assert None in world.telemetry.judgements
    assert set(world.telemetry.judgements) == {None}  # the share limit does not hold it
    assert_whole_and_in_order(world)


def test_readers_never_go_back_while_the_gap_is_learned(tmp_path: Path) -> None:
    world = live_world(400)
    replayed(world, tmp_path, start=0, end=50)
    n_versions = len(world.manifests())
    ask(world)
    world.live(should_stop=lambda source: source.positions.get(0, 0) >= 350)
    learned = [m.input_positions[TOPIC]["0"] for m in world.manifests()[n_versions:]]
    assert all(position >= 400 for position in learned)


def test_dead_letters_of_the_gap_are_not_written_again(tmp_path: Path) -> None:
    world = live_world(400)
    letters = world.dead_letter_coordinates()
    assert letters
    replayed(world, tmp_path, start=0, end=50)
    ask(world)
    world.live()
    assert world.dead_letter_coordinates() == letters


def test_a_rollback_returns_to_the_state_before(tmp_path: Path) -> None:
    world = live_world(400)
    before, version = scores(world), notes(world)[-1].version
    replayed(world, tmp_path, start=100, end=400)
    ask(world)
    world.live(should_stop=turns(80))
    assert "old-3" not in scores(world)
    name = requests.target_of(requests.readable(FakeStore(world.disk)), version)
    world.disk.request = requests.encode(RollbackRequest(id="r1", checkpoint=name))
    world.live(should_stop=turns(80))
    assert scores(world) == pytest.approx(before, rel=0.03, abs=0.001)
    assert_whole_and_in_order(world)


def test_a_deployment_that_never_ran_begins_with_the_replay(tmp_path: Path) -> None:
    world = World(settings(catalogue={"max_items": 300}))
    world.produce(old_and_new())
    replayed(world, tmp_path / "replay", start=100, end=250)
    ask(world)
    world.live()
    assert dict(world.learned_state()) == of_one_run(tmp_path / "whole", 100)
    assert_whole_and_in_order(world)


def test_a_model_of_other_settings_takes_the_place_of_one_that_could_not_go_on(tmp_path: Path) -> None:
    world = live_world(400)
    changed = world.settings.model_validate({**dict(world.settings), "models": {"item_to_item": {"neighbours": 16}}})
    replayed(world, tmp_path, start=100, end=300, chosen=changed)
    ask(world)
    world.live(settings=changed)
    assert notes(world)[-1].binding["models.item_to_item.neighbours"] == "16"
    assert set(scores(world)) == live_items(world)
    assert_whole_and_in_order(world)


def spoiled(replay: ReplayWorld, **changes: Any) -> None:
    """Its newest checkpoint with other notes."""
    stored = replay.disk.complete[max(replay.disk.complete)]
    of = contents.decode("any", stored.notes)
    stored.notes = contents.encode(msgspec.structs.replace(of, **changes))


FAULTS = ("damaged", "other topic", "other settings", "no replay", "an array is missing", "retention", "shorter topic")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_promoted_leaves_the_live_model_as_it_was(fault: str, tmp_path: Path) -> None:
    world = live_world(400)
    replay = replayed(world, tmp_path, start=100, end=300)
    ask(world)
    newest, binding = max(replay.disk.complete), contents.binding_of(world.settings)
    if fault == "damaged":
        replay.disk.damage(newest)
    elif fault == "other topic":
        spoiled(replay, binding={**binding, "input.topic": "behaviour-copy"})
    elif fault == "other settings":
        spoiled(replay, binding={**binding, "users.history": "77"})
    elif fault == "retention":
        world.cluster.delete_before(TOPIC, 0, 350)
    elif fault == "shorter topic":
        spoiled(replay, input_positions={0: 9_999})
    elif fault == "no replay":
        del world.disk.replays["again"]
    else:
        del replay.disk.complete[newest].arrays["items.keys"]
    learned = dict(world.learned_state())
    world.live(should_stop=turns(40))
    assert dict(world.learned_state()) == learned
    assert world.disk.request is None
    assert "old-3" in scores(world)


class CrashAt:
    """Ends the process at the k-th moment before or after a call that changes something."""

    def __init__(self, k: int) -> None:
        self.calls = Calls(before_call=self._pass, after_call=self._pass)
        self._left = k

    def _pass(self, name: str) -> None:
        if name in EFFECTS:
            self._left -= 1
            if self._left < 0:
                raise Crash(name)


@pytest.mark.parametrize("k", range(0, 60, 2))
def test_a_crash_around_a_promotion_leaves_it_done_once(k: int, tmp_path: Path) -> None:
    world = live_world(400)
    replayed(world, tmp_path / "replay", start=100, end=250)
    world.produce(old_and_new()[400:])
    ask(world)
    with contextlib.suppress(Crash):
        world.live(CrashAt(k).calls)
    world.live()
    assert dict(world.learned_state()) == of_one_run(tmp_path / "whole", 100)
    assert world.disk.request is None
    assert_whole_and_in_order(world)
