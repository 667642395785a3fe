"""The gate in the loop: what is held never reaches a reader, says so, and goes on learning."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from consumer.checkpoints import contents
from consumer.checkpoints.contents import UNPROVEN
from consumer.settings import Settings
from consumer.tables import Array
from consumer.worker import Ended
from tests.fakes.kafka import FakeInput
from tests.worker.world import World, event, settings

HOUR_S = 3_600
N_ITEMS = 40
TURNS = 60


def model(**gate: float) -> Settings:
    """Every event sampled, so that a few hundred tell."""
    return settings(evaluation={"sample_one_in": 1}, publish={"heartbeat_s": 0.2, "gate": {"young_s": HOUR_S, **gate}})


def walks(n: int, *, start: int = 0, seed: int = 1, step_s: float = 30.0) -> list[bytes | None]:
    """Shoppers who go from each item to the one after it, mostly: what comes next can be learned."""
    rng = random.Random(seed)
    at = [rng.randrange(N_ITEMS) for _ in range(20)]
    values: list[bytes | None] = []
    for i in range(start + n):
        user = rng.randrange(len(at))
        at[user] = (at[user] + 1) % N_ITEMS if rng.random() < 0.95 else rng.randrange(N_ITEMS)
        values.append(event(i, f"user-{user}", f"item-{at[user]}", at_s=i * step_s))
    return values[start:]


def turns(n: int = TURNS) -> Callable[[FakeInput], bool]:
    """Stops after so many turns of the loop."""
    left = iter(range(n))
    return lambda _source: next(left, None) is None


def learned_world(chosen: Settings | None = None, n: int = 1_000) -> World:
    world = World(chosen or model())
    world.produce(walks(n))
    assert world.live() is Ended.STOPPED
    assert set(world.telemetry.judgements) == {None}
    return world


def spoil(world: World, change: Callable[[dict[str, Array]], None]) -> None:
    """The newest checkpoint, and with it the model that the next run starts with; no version has shown it."""
    name = max(world.disk.complete)
    stored = world.disk.complete[name]
    change(stored.arrays)
    notes = contents.decode(name, stored.notes)
    stored.notes = contents.encode(msgspec.structs.replace(notes, verdict=UNPROVEN))


def shuffle_labels(arrays: dict[str, Array]) -> None:
    """Each item's neighbours become those of another item."""
    others = np.random.default_rng(0).permutation(N_ITEMS)
    for name in ("items.neighbour", "items.weight", "items.size", "items.counts", "items.evidence"):
        arrays[name][:N_ITEMS] = arrays[name][others]


def assert_held(world: World, reason: str, versions: Sequence[int]) -> None:
    assert reason in world.telemetry.judgements
    assert [m.version for m in world.manifests()] == list(versions)


def versions(world: World) -> list[int]:
    return [m.version for m in world.manifests()]


@pytest.mark.parametrize("array", ["items.positive", "items.counts", "items.evidence", "repeat.chance"])
def test_a_number_that_is_not_finite_never_reaches_a_reader(array: str) -> None:
    world = learned_world()
    before = versions(world)
    spoil(world, lambda arrays: arrays[array].__setitem__((0,) * arrays[array].ndim, np.nan))
    world.produce(walks(100, start=1_000))
    world.live(should_stop=turns())
    assert_held(world, "not_finite", before)
    assert world.telemetry.outcome_totals["admitted"] == 1_100


def test_shuffled_labels_never_reach_a_reader() -> None:
    world = learned_world()
    before = versions(world)
    spoil(world, shuffle_labels)
    world.produce(walks(200, start=1_000))
    world.live(should_stop=turns())
    assert_held(world, "worse", before)


def test_a_restart_does_not_let_a_held_version_out() -> None:
    world = learned_world()
    before = versions(world)
    spoil(world, shuffle_labels)
    for n in range(3):
        world.produce(walks(50, start=1_000 + 50 * n))
        world.live(should_stop=turns())
        assert_held(world, "worse", before)


def test_dead_letters_go_out_while_versions_are_held() -> None:
    world = learned_world()
    spoil(world, shuffle_labels)
    world.produce([*walks(50, start=1_000), b"{broken"])
    world.live(should_stop=turns())
    assert world.dead_letter_coordinates() == [(0, 1_050)]


def test_what_was_learned_while_versions_were_held_is_saved_by_a_stop() -> None:
    world = learned_world()
    spoil(world, shuffle_labels)
    world.produce(walks(75, start=1_000))
    world.live(should_stop=turns())
    assert world.cluster.group_offsets["group"] == {0: 1_075}


def flood(n: int, start: int) -> list[bytes | None]:
    """Ever new users, all of them for one item, within a minute."""
    return [event(start + i, f"bot-{i}", "item-3", at_s=start * 30.0 + i * 0.01) for i in range(n)]


def test_a_flood_by_many_users_is_held_until_enough_event_time_has_passed() -> None:
    world = learned_world(n=300)
    left = turns(300)

    def then_comes_the_flood(source: FakeInput) -> bool:
        if source.positions == {0: 300} and len(world.telemetry.judgements) > n_before + 2:
            world.produce(flood(2_000, start=300))
        return left(source)

    n_before = len(world.telemetry.judgements)
    world.live(should_stop=then_comes_the_flood)
    assert set(world.telemetry.judgements[-10:]) == {"share"}
    held_at = versions(world)
    world.live(should_stop=turns(100))
    assert versions(world) == held_at  # a restart does not let it out
    world.produce([event(9_000 + i, f"user-{i}", "item-7", at_s=10_000.0 + 300 * i) for i in range(40)])
    world.live(should_stop=turns(100))
    assert len(versions(world)) > len(held_at)
    assert world.telemetry.judgements[-1] is None


def test_a_young_model_may_move_as_it_likes() -> None:
    world = World(model(young_s=1e9))
    world.produce(walks(100))
    world.produce(flood(2_000, start=100))
    world.live()
    assert set(world.telemetry.judgements) == {None}


def test_the_gate_can_be_left_open() -> None:
    world = learned_world(settings(evaluation={"sample_one_in": 1}, publish={"gate": {"enabled": False}}))
    before = versions(world)
    spoil(world, shuffle_labels)
    world.produce(walks(100, start=1_000))
    world.live()
    assert len(versions(world)) > len(before)
