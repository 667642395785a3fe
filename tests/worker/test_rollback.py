"""Rollbacks in the loop: asked for by an operator or due by themselves, and what crashes around them leave."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping

import pytest

from consumer.checkpoints import contents, requests
from consumer.checkpoints.contents import GOOD, HELD, Notes
from consumer.checkpoints.requests import RollbackRequest
from consumer.events.hashing import hash_text
from consumer.settings import Settings
from tests.fakes.calls import Calls, Crash
from tests.fakes.checkpoints import FakeStore
from tests.fakes.kafka import FakeInput
from tests.worker.test_gate import learned_world, model, shuffle_labels, spoil, turns, walks
from tests.worker.world import World, event

TOPIC = "behaviour-events"
EFFECTS = (
    "open", "commit", "start_reading", "put_request", "drop_request", "begin_checkpoint", "commit_checkpoint",
    "remove_checkpoint",
)  # fmt: skip


def notes(world: World) -> list[tuple[str, Notes]]:
    return requests.readable(FakeStore(world.disk))


def newest(world: World) -> Notes:
    return notes(world)[-1][1]


def scores(world: World) -> dict[str, float]:
    rows = world.rows_of(world.manifests()[-1])["item-scores"]
    return {key.decode(): json.loads(value)["score"] for key, value in rows.items()}


def ask(world: World, *, relearn: bool = False, id: str = "r1", version: int | None = None) -> str:
    """As `freshrank rollback` does; the checkpoint that it will return to."""
    name = requests.target_of(notes(world), version)
    world.disk.request = requests.encode(RollbackRequest(id=id, checkpoint=name, relearn=relearn))
    return name


def world_with_a_bad_day(chosen: Settings | None = None) -> tuple[World, dict[str, float]]:
    """What readers held before it, and a world that has published it and kept a checkpoint of the moment before."""
    chosen = chosen or model()
    keeps_all = {"checkpoints": chosen.checkpoints.model_copy(update={"keep": 100})}
    world = learned_world(chosen.model_copy(update=keeps_all))
    before = scores(world)
    world.produce([event(1_000 + i, f"visitor-{i}", "fad", at_s=30_000.0 + i) for i in range(300)])
    world.live()
    assert scores(world)["fad"] > 0.05
    return world, before


def good_version(world: World) -> int:
    """The last version with a checkpoint from before the bad day."""
    return max(n.version for _, n in notes(world) if sum(n.input_positions.values()) <= 1_000)


def assert_nobody_goes_back(world: World) -> None:
    manifests = world.manifests()
    versions = [m.version for m in manifests]
    assert versions == sorted(set(versions))
    learned = [m.input_positions[TOPIC]["0"] for m in manifests]
    assert learned == sorted(learned)
    assert [m.version for m in manifests if world.checksum_of(m) != m.checksum] == []


def test_learned_state_returns_and_everything_else_stays() -> None:
    world, before = world_with_a_bad_day()
    was, arrays = newest(world), world.newest_checkpoint()
    version = good_version(world)
    good = world.disk.complete[ask(world, version=version)].arrays
    world.live(should_stop=turns(30))
    assert world.telemetry.rollbacks == ["operator"]
    assert scores(world) == pytest.approx(before, rel=0.03, abs=0.001)
    assert newest(world).input_positions == was.input_positions
    for name in ("window.keys", "users.keys", "admission.clock", "daily_cap.entries"):
        assert world.newest_checkpoint()[name].tobytes() == arrays[name].tobytes(), name
    for name in ("popularity.mixture", "drift.quick_mixture", "detectors.window"):
        assert world.newest_checkpoint()[name].tobytes() == good[name].tobytes() != arrays[name].tobytes(), name
    assert world.manifests()[-1].version > was.version
    assert_nobody_goes_back(world)


def test_what_was_left_out_stands_in_every_manifest_from_then_on() -> None:
    world, _ = world_with_a_bad_day()
    version = good_version(world)
    name = ask(world, version=version)
    world.live(should_stop=turns(30))
    start = dict(notes(world))[name].input_positions[0] if name in dict(notes(world)) else 1_000
    world.produce(walks(50, start=1_400))
    world.live()
    discarded = world.manifests()[-1].discarded
    assert [d["input"] for d in discarded] == [{TOPIC: {"0": [start, 1_300]}}]
    assert discarded[0]["returned_to_version"] == version


def test_an_item_that_the_good_state_does_not_know_is_deleted_and_may_come_back() -> None:
    world, _ = world_with_a_bad_day()
    ask(world, version=good_version(world))
    world.live(should_stop=turns(30))
    assert "fad" not in scores(world)
    world.produce([event(5_000, "ann", "fad", at_s=31_000.0)])
    world.live()
    assert "fad" in scores(world)
    assert_nobody_goes_back(world)


def with_published_vectors() -> Settings:
    given = model().model_dump()
    given["models"]["neural"].update({"enabled": True, "dimensions": 8, "examples_per_step": 16, "replay_examples": 8})
    given["publish"]["vectors"] = True
    return Settings.model_validate(given)


def vectors(world: World) -> dict[bytes, bytes]:
    """As a reader of the whole topic holds them."""
    held: dict[bytes, bytes] = {}
    for record in world.cluster.committed(world.settings.publish.vectors_topic):
        assert record.key is not None
        held.pop(record.key, None)
        if record.value is not None:
            held[record.key] = record.value
    return held


@pytest.mark.neural
def test_vectors_of_what_the_good_state_does_not_know_are_deleted_too() -> None:
    world, _ = world_with_a_bad_day(with_published_vectors())
    assert b"fad" in vectors(world)
    ask(world, version=good_version(world))
    world.live(should_stop=turns(30))
    assert b"fad" not in vectors(world)
    assert b"item-1" in vectors(world)
    assert "fad" not in scores(world)
    assert_nobody_goes_back(world)


def test_histories_stay_with_their_users() -> None:
    world = learned_world()
    ask(world)
    world.live(should_stop=turns(30))
    arrays = world.newest_checkpoint()
    keys = {tuple(key): row for row, key in enumerate(arrays["users.keys"].tolist())}
    row = keys[hash_text(b"user-3")]
    latest = arrays["users.items"][row, arrays["users.head"][row]]
    walked = [json.loads(v)["item_id"] for v in walks(1_000) if v and json.loads(v)["user_id"] == "user-3"]
    text = arrays["items.text"][latest, : arrays["items.text_length"][latest]].tobytes().decode()
    assert text == walked[-1]


def test_with_relearn_what_came_after_is_learned_again() -> None:
    world, _ = world_with_a_bad_day()
    was, learned = scores(world), dict(world.learned_state())
    ask(world, version=good_version(world), relearn=True)
    world.live()
    assert scores(world) == pytest.approx(was, rel=0.05, abs=0.001)
    assert dict(world.learned_state()) == learned
    assert world.manifests()[-1].discarded == []
    assert_nobody_goes_back(world)


def test_a_request_is_done_once_and_taken_away() -> None:
    world = learned_world()
    ask(world)
    world.live(should_stop=turns(30))
    assert world.disk.request is None
    assert newest(world).request == "r1"
    ask(world)  # the worker died before it took it away
    n_discarded = len(newest(world).discarded)
    world.live(should_stop=turns(30))
    assert world.disk.request is None
    assert len(newest(world).discarded) == n_discarded


def test_a_request_for_a_checkpoint_that_is_gone_changes_nothing() -> None:
    world = learned_world()
    learned = dict(world.learned_state())
    world.disk.request = requests.encode(RollbackRequest(id="r1", checkpoint="checkpoint-1-1"))
    world.live(should_stop=turns(30))
    assert world.disk.request is None
    assert world.telemetry.rollbacks == []
    assert dict(world.learned_state()) == learned


def held_world(rollback_after_s: float) -> World:
    world = learned_world(model(rollback_after_s=rollback_after_s))
    spoil(world, shuffle_labels)
    world.produce(walks(200, start=1_000))
    return world


def test_held_for_too_long_the_model_returns_to_the_last_good_checkpoint_by_itself() -> None:
    world = held_world(rollback_after_s=3.0)
    last = world.manifests()[-1].version
    good = requests.last_good(notes(world))
    world.live(should_stop=turns(400))
    assert "worse" in world.telemetry.judgements
    assert world.telemetry.rollbacks == ["held"]
    assert newest(world).discarded[0]["checkpoint"] == good
    assert world.telemetry.judgements[-1] is None
    after = world.manifests()[-1]
    assert after.version > last
    assert len(after.discarded) == 1
    assert newest(world).verdict == GOOD
    assert_nobody_goes_back(world)


def test_while_versions_are_held_the_last_good_checkpoint_is_kept() -> None:
    world = held_world(rollback_after_s=1e6)
    for n in range(5):
        world.produce(walks(25, start=1_200 + 25 * n))
        world.live(should_stop=turns(60))
    verdicts = [n.verdict for _, n in notes(world)]
    assert verdicts[-1] == HELD
    assert GOOD in verdicts


class CrashAt:
    """Ends the process at the k-th moment around a call that changes something."""

    def __init__(self, k: int | None) -> None:
        self.n = 0
        self._k = k
        self.calls = Calls(before_call=self._pass, after_call=self._pass)

    def _pass(self, name: str) -> None:
        if name in EFFECTS:
            self.n += 1
            if self._k is not None and self.n == self._k + 1:
                raise Crash(name)


def asked_world(*, relearn: bool) -> World:
    world, _ = world_with_a_bad_day()
    ask(world, version=good_version(world), relearn=relearn)
    return world


def is_done(world: World) -> Callable[[FakeInput], bool]:
    """Everything learned, no request left, and a version out since."""
    start = world.manifests()[-1].version

    def stop(source: FakeInput) -> bool:
        learned = source.positions == {0: len(world.cluster.logs(TOPIC)[0].entries)}
        waiting = sum(world.manifests()[-1].rows_waiting.values())
        return world.disk.request is None and learned and not waiting and world.manifests()[-1].version > start + 1

    return stop


def learned(world: World) -> Mapping[str, bytes]:
    return {name: bits for name, bits in world.learned_state().items() if not name.startswith(("quality", "cases"))}


@pytest.mark.parametrize("relearn", [False, True])
def test_a_crash_anywhere_around_a_rollback_changes_nothing(relearn: bool) -> None:
    undisturbed, hooks = asked_world(relearn=relearn), CrashAt(None)
    undisturbed.live(hooks.calls, should_stop=is_done(undisturbed))
    for k in range(0, hooks.n, 3):
        world = asked_world(relearn=relearn)
        stop = is_done(world)
        with contextlib.suppress(Crash):
            world.live(CrashAt(k).calls, should_stop=stop)
        world.live(should_stop=stop)
        assert learned(world) == learned(undisturbed), k
        assert [d["input"] for d in newest(world).discarded] == [d["input"] for d in newest(undisturbed).discarded], k
        assert scores(world) == pytest.approx(scores(undisturbed), rel=0.05, abs=0.002), k
        assert_nobody_goes_back(world)


def test_a_checkpoint_says_what_the_gate_and_the_samples_said() -> None:
    world = learned_world()
    assert newest(world).verdict == GOOD
    assert 0.0 < newest(world).quality["mrr"] <= newest(world).quality["hit_ratio"] <= 1.0
    assert contents.decode("x", contents.encode(newest(world))) == newest(world)
