"""Users who are to be forgotten: gone from the state and from every kept checkpoint, and their past stays away."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.checkpoints import erasures, requests
from consumer.checkpoints.requests import RollbackRequest
from consumer.errors import Fatal
from consumer.settings import Settings
from tests.checkpoints.traces import history, traces
from tests.fakes.calls import Calls, Crash
from tests.fakes.checkpoints import FakeStore
from tests.fakes.kafka import FakeInput
from tests.replay.worlds import ReplayWorld
from tests.streams import WITH_NEURAL
from tests.worker.test_gate import turns
from tests.worker.test_promotion import ask as ask_for_promotion
from tests.worker.world import World, event, settings

TOPIC = "behaviour-events"
BOB = "user-3"
N_USERS = 6
EFFECTS = (
    "begin_checkpoint", "write_rows", "write_array", "commit_checkpoint", "remove_checkpoint", "rewrite_checkpoint",
    "drop_erasures", "commit", "poll",
)  # fmt: skip


def model(**changes: dict[str, object]) -> Settings:
    members = {"item_to_item": {"neighbours": 8}, "session_knn": {"enabled": True, "sessions": 512, "recent": 8}}
    return settings(evaluation={"sample_one_in": 1}, models=members, **changes)


def visits(n: int, start: int = 0) -> list[bytes | None]:
    return [
        event(i, f"user-{(5 * i + i // 3) % N_USERS}", f"item-{(3 * i + i // 7) % 40}", at_s=20.0 * i)
        for i in range(start, start + n)
    ]


def visited_by_bob(values: list[bytes | None]) -> list[str]:
    events = [json.loads(value) for value in values if value]
    return [one["item_id"] for one in events if one["user_id"] == BOB]


def new_world(n: int = 300) -> World:
    world = World(model())
    world.produce(visits(n))
    world.live()
    assert everywhere(world) == {"users", "sessions", "cases"}
    return world


def forget(world: World, *users: str) -> int:
    """As `freshrank forget-user` does."""
    end = world.cluster.logs(TOPIC)[0].end
    asked = erasures.erasure_of(users or (BOB,), {0: end}, 0)
    return FakeStore(world.disk).add_erasure(erasures.encode(asked))


def everywhere(world: World, user: str = BOB) -> set[str]:
    """Traces in any checkpoint."""
    return {table for stored in world.disk.complete.values() for table in traces(stored.arrays, user)}


def scores(world: World) -> dict[str, float]:
    rows = world.rows_of(world.manifests()[-1])["item-scores"]
    return {key.decode(): json.loads(value)["score"] for key, value in rows.items()}


def until_all_have_forgotten(world: World, number: int) -> Callable[[FakeInput], bool]:
    def is_so(_source: FakeInput) -> bool:
        return all(notes.forgotten >= number for _, notes in requests.readable(FakeStore(world.disk)))

    return is_so


def test_he_is_gone_from_the_state_and_from_every_kept_checkpoint_and_nobody_else_is() -> None:
    world = new_world()
    others = {name: history(world.newest_checkpoint(), name) for name in ("user-0", "user-1", "user-2")}
    assert len(world.disk.complete) > 1
    number = forget(world)
    world.live(should_stop=until_all_have_forgotten(world, number))
    assert everywhere(world) == set()
    assert {name: history(world.newest_checkpoint(), name) for name in others} == others
    assert others["user-1"]


@pytest.mark.neural
def test_the_examples_that_a_network_has_of_him_are_gone_too_and_it_goes_on() -> None:
    models = {**WITH_NEURAL, "neural": {**WITH_NEURAL["neural"], "replay_examples": 4_096}}
    world = World(settings(evaluation={"sample_one_in": 1}, models=models))
    world.produce(visits(300))
    world.live()
    assert "examples" in everywhere(world)
    number = forget(world)
    world.live(should_stop=until_all_have_forgotten(world, number))
    assert everywhere(world) == set()
    assert "examples" in everywhere(world, "user-1")
    world.produce(visits(100, start=300))
    world.live()
    assert world.telemetry.neural_steps["taken"] > 0
    assert world.telemetry.neural_steps["dropped"] == 0


def test_a_running_worker_does_it_without_any_input() -> None:
    world = new_world()
    asked: list[int] = []
    left = iter(range(40))

    def should_stop(source: FakeInput) -> bool:
        if not asked and next(left, None) is None:
            asked.append(forget(world))
        return bool(asked) and until_all_have_forgotten(world, asked[0])(source)

    world.live(should_stop=should_stop)
    assert everywhere(world) == set()


def test_what_items_have_learned_of_him_stays() -> None:
    world = new_world()
    before = scores(world)
    forget(world)
    world.live(should_stop=turns(60))
    assert scores(world) == before


def test_what_he_does_afterwards_begins_a_new_history() -> None:
    world = new_world()
    forget(world)
    world.live(should_stop=turns(60))
    world.produce([event(9_000 + n, BOB, f"item-{n}", at_s=6_000.0 + n) for n in range(3)])
    world.live()
    assert history(world.newest_checkpoint(), BOB) == ["item-0", "item-1", "item-2"]


def test_what_he_did_before_it_and_is_read_after_it_enters_no_history_and_counts_for_items() -> None:
    world = new_world()
    world.produce([event(9_000 + n, BOB, "rare", at_s=6_000.0 + 20 * n, event_type="purchase") for n in range(4)])
    forget(world)
    world.produce([event(9_100, BOB, "item-5", at_s=6_100.0)])
    world.live()
    assert history(world.newest_checkpoint(), BOB) == ["item-5"]
    assert scores(world)["rare"] > 0.01


@pytest.mark.parametrize("relearn", [True, False])
def test_a_rollback_does_not_bring_him_back(relearn: bool) -> None:
    world = new_world()
    learned = [notes for _, notes in requests.readable(FakeStore(world.disk)) if notes.input_positions[0]]
    old = dict(world.disk.complete)
    forget(world)
    world.live(should_stop=turns(60))
    world.disk.complete.update(old)  # as if they had not been rewritten
    name = requests.target_of(requests.readable(FakeStore(world.disk)), learned[0].version)
    world.disk.request = requests.encode(RollbackRequest(id="r1", checkpoint=name, relearn=relearn))
    world.live(should_stop=turns(120))
    assert traces(world.newest_checkpoint(), BOB) == set()
    assert history(world.newest_checkpoint(), "user-1")


def test_learning_again_from_the_beginning_does_not_bring_him_back() -> None:
    world = new_world()
    forget(world)
    world.live(should_stop=turns(60))
    world.produce(visits(40, start=300))
    after = visited_by_bob(visits(40, start=300))
    world.live(rebuild=True)
    assert history(world.newest_checkpoint(), BOB) == after[-10:]
    whole = World(model())
    whole.produce(visits(340))
    whole.live()
    assert set(scores(world)) == set(scores(whole))


def test_a_promotion_of_a_replay_that_knew_him_does_not_bring_him_back(tmp_path: Path) -> None:
    world = new_world()
    replay = ReplayWorld(world.settings, {0: visits(300)}, tmp_path, {0: 0})
    assert replay.live().is_complete
    world.disk.replays["again"] = replay.disk
    assert traces(replay.newest_checkpoint(), BOB)
    replay.disk.is_running = True  # so that nobody but its own process may rewrite it
    forget(world)
    ask_for_promotion(world)
    world.live(should_stop=turns(80))
    assert traces(world.newest_checkpoint(), BOB) == set()
    assert traces(replay.newest_checkpoint(), BOB)


def test_checkpoints_of_a_replay_that_nobody_goes_on_with_forget_him_too(tmp_path: Path) -> None:
    world = new_world()
    replay = ReplayWorld(world.settings, {0: visits(300)}, tmp_path, {0: 0})
    replay.live()
    world.disk.replays["again"] = replay.disk
    forget(world)
    world.live(should_stop=turns(60))
    assert {table for stored in replay.disk.complete.values() for table in traces(stored.arrays, BOB)} == set()


def test_a_replay_learns_nothing_of_his_past(tmp_path: Path) -> None:
    replay = ReplayWorld(model(), {0: visits(300)}, tmp_path, {0: 0})
    asked = erasures.erasure_of([BOB], {0: 250}, 0)
    FakeStore(replay.live_disk).add_erasure(erasures.encode(asked))
    assert replay.live().is_complete
    later = visited_by_bob(visits(50, start=250))
    assert history(replay.newest_checkpoint(), BOB) == later[-10:]


def test_many_are_forgotten_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consumer.forgetting.PIECE", 2)
    world = new_world()
    forget(world, *(f"user-{n}" for n in range(5)))
    number = forget(world, "user-5")
    world.live(should_stop=until_all_have_forgotten(world, number))
    assert [everywhere(world, f"user-{n}") for n in range(6)] == [set()] * 6
    assert everywhere(world, "user-6") == set()  # nobody of that name


def test_a_request_goes_once_nothing_reaches_back_behind_it() -> None:
    world = new_world()
    forget(world)
    forget(world, "user-1")
    world.live(should_stop=turns(60))
    assert len(world.disk.erasures) == 2
    world.cluster.delete_before(TOPIC, 0, 300)
    world.live(should_stop=turns(10))
    assert world.disk.erasures == {2: b""}


def test_a_kept_checkpoint_that_is_damaged_is_removed() -> None:
    world = new_world()
    oldest = min(world.disk.complete)
    world.disk.damage(oldest)
    forget(world)
    world.live(should_stop=turns(60))
    assert oldest not in world.disk.complete


def test_a_full_disk_is_told_and_tried_again() -> None:
    world = new_world()
    number = forget(world)
    calls = Calls()
    n_failed = 0

    def fail_once(name: str) -> None:
        nonlocal n_failed
        if name == "rewrite_checkpoint" and not n_failed:
            n_failed += 1
            raise OSError(28, "no space left on device")

    calls.before_call = fail_once
    world.live(calls, should_stop=until_all_have_forgotten(world, number))
    assert n_failed == 1
    assert everywhere(world) == set()


class CrashAt:
    def __init__(self, k: int | None) -> None:
        self.n_moments = 0
        self._k = k
        self.calls = Calls(before_call=self._pass, after_call=self._pass)

    def _pass(self, name: str) -> None:
        if name in EFFECTS:
            self.n_moments += 1
            if self.n_moments - 1 == self._k:
                raise Crash


def forgetting_world() -> tuple[World, int]:
    world = World(model())
    world.produce(visits(120))
    world.live()
    world.produce(visits(60, start=120))
    number = forget(world)
    world.produce(visits(30, start=180))
    return world, number


def test_a_crash_at_any_moment_never_brings_him_back() -> None:
    world, number = forgetting_world()
    whole = CrashAt(None)
    world.live(whole.calls)
    assert whole.n_moments > 50
    expected = history(world.newest_checkpoint(), BOB)
    assert expected
    for k in range(0, whole.n_moments, 7):
        world, number = forgetting_world()
        with contextlib.suppress(Crash, Fatal):
            world.live(CrashAt(k).calls)
        world.live()
        world.live(should_stop=until_all_have_forgotten(world, number))
        assert history(world.newest_checkpoint(), BOB) == expected, k
        rows = [stored for stored in world.disk.complete.values() if len(history(stored.arrays, BOB)) > len(expected)]
        assert rows == [], k
