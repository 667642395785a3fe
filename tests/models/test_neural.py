"""`neural`: the kernel against JAX, what a step changes and what it leaves, and what the examples remember."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import gradient_step
from consumer.errors import Fatal
from consumer.messages import Float64Array, Int32Array
from consumer.models import item_to_item, neural, neural_encoder, neural_examples, neural_training
from consumer.models.neural import (
    LENGTH,
    LOSS,
    N_ABSORBED,
    N_ASKED,
    N_DROPPED,
    N_LEFT_OUT,
    N_OVER_BUDGET,
    N_PENDING,
    N_STEPS,
    N_UNASKED,
    NONE,
    Encoder,
    NeuralArrays,
)
from consumer.settings import Neural

N_ITEMS = 40
SMALL = {
    "enabled": True, "dimensions": 12, "examples_per_step": 8, "replay": 1, "replay_examples": 64, "negatives": 16,
    "steps_per_thousand": 1_000, "queries_per_thousand": 1_000,
}  # fmt: skip
USER = np.uint64(7)


class World:
    """The member's kernels on a table of their own, every item live."""

    def __init__(self, **changes: Any) -> None:
        self.settings = Neural.model_validate({**SMALL, **changes})
        self.plan = neural.plan_of(self.settings)
        self.arrays = neural.allocate(self.settings, N_ITEMS)
        self.moments = neural.allocate_moments(self.settings)
        self.scratch = neural_encoder.allocate_scratch(self.settings, N_ITEMS)
        self.neighbours = item_to_item.allocate(N_ITEMS, 8, 1e6)
        self.is_live = np.ones(N_ITEMS, np.uint8)
        self.dirty = np.zeros(N_ITEMS, np.uint8)

    def see(self, history: Sequence[int], item: int, user: np.uint64 = USER, session: int = 1) -> None:
        """An event; a step before it, if one is due."""
        if neural_examples.is_step_due(self.arrays, self.plan):
            self.step()
        neural_examples.note_event(self.arrays, self.plan)
        rows = np.array(history, np.int32)
        neural_examples.learn_event(
            self.arrays, self.plan, rows, len(rows), item, 1.0, user, np.uint64(session)
        )  # fmt: skip

    def step(self) -> None:
        neural_training.take_step(
            self.arrays, self.moments, self.settings, self.is_live, self.dirty, self.neighbours, factor=1.0
        )

    def ranked(self, *history: int) -> list[int]:
        return self.scored(history)[0]

    def scored(self, history: Sequence[int]) -> tuple[list[int], Float64Array]:
        items, values = np.zeros(100, np.int32), np.zeros(100)
        rows = np.array(history, np.int32)
        n = neural_encoder.rank(self.arrays, self.scratch, self.is_live, rows, len(rows), items, values)
        return items[:n].tolist(), values[:n]

    def count(self, which: int) -> int:
        return int(self.arrays.counts[which])

    def bits(self) -> dict[str, bytes]:
        """All that a step may move."""
        parts = {"items": self.arrays.items, "encoder": self.arrays.encoder}
        parts |= {"mean": self.moments.mean, "square": self.moments.square}
        return {f"{name}.{k}": array.tobytes() for name, arrays in parts.items() for k, array in enumerate(arrays)}


def fill(arrays: NeuralArrays, seed: int) -> None:
    """Any vectors, any weights."""
    rng = np.random.default_rng(seed)
    arrays.items.vector[:] = rng.normal(size=arrays.items.vector.shape)
    arrays.items.scale[:] = neural_training.scales(arrays.items.vector, np.arange(N_ITEMS))
    for array in arrays.encoder:
        array[...] = rng.normal(size=array.shape)


def walks(world: World, n: int, seed: int = 0) -> None:
    """After an even item comes the next one, after an odd one any."""
    rng = np.random.default_rng(seed)
    for k in range(n):
        even = int(rng.integers(N_ITEMS // 2)) * 2
        world.see([even, int(rng.integers(N_ITEMS))], even + 1, session=k)


@pytest.mark.neural
@given(st.integers(0, 2**31), st.lists(st.integers(0, N_ITEMS - 1), min_size=1, max_size=30))
def test_the_kernel_encodes_a_history_as_the_step_does(seed: int, history: list[int]) -> None:
    world = World()
    fill(world.arrays, seed)
    rows = np.array(history, np.int32)
    neural_encoder.encode(world.arrays, world.scratch, world.is_live, rows, len(rows))
    padded = np.full((1, LENGTH), NONE, np.int32)
    padded[0, : min(len(rows), LENGTH)] = rows[:LENGTH]
    made = gradient_step.encoded(world.arrays.encoder, world.arrays.items.vector, padded)
    assert world.scratch.query == pytest.approx(np.asarray(made)[0], abs=2e-5)


@given(st.integers(0, 2**31), st.lists(st.integers(-1, N_ITEMS + 3), max_size=30), st.integers(0, N_ITEMS - 1))
def test_items_are_listed_by_their_angle_to_the_query_without_those_of_the_history(
    seed: int, history: list[int], unknown: int
) -> None:
    world = World()
    fill(world.arrays, seed)
    world.arrays.items.scale[unknown] = 0.0
    rows = [row if row < N_ITEMS else NONE for row in history]
    items, values = world.scored(rows)
    if not set(rows) - {NONE, unknown}:
        assert items == []
        return
    cosine = (world.arrays.items.vector @ world.scratch.query) * world.arrays.items.scale
    expected = sorted(set(range(N_ITEMS)) - set(rows) - {unknown}, key=lambda item: -cosine[item])
    assert cosine[items] == pytest.approx(cosine[expected], abs=1e-5)
    assert set(items) == set(expected)
    assert values == pytest.approx(np.exp(neural.SHARPNESS * cosine[items]), rel=1e-4)


def test_an_item_that_is_gone_is_neither_listed_nor_looked_at() -> None:
    world = World()
    fill(world.arrays, 3)
    without = world.scored([5])
    world.is_live[6] = 0
    items, values = world.scored([6, 5])
    assert 6 not in items
    assert dict(zip(items, values, strict=True)) == {
        item: value for item, value in zip(*without, strict=True) if item != 6
    }


def test_who_has_no_vectors_yet_lists_nothing() -> None:
    assert World().ranked(1, 2, 3) == []


def test_a_query_that_is_no_number_is_called_nonsense() -> None:
    world = World()
    fill(world.arrays, 3)
    world.arrays.encoder.latest[0, 0] = np.nan
    items, values = np.zeros(100, np.int32), np.zeros(100)
    found = neural_encoder.rank(world.arrays, world.scratch, world.is_live, np.zeros(1, np.int32), 1, items, values)
    assert found == neural_encoder.NONSENSE


@pytest.mark.neural
def test_it_learns_what_comes_next() -> None:
    world = World(learning_rate=0.02)
    walks(world, 300)
    first = float(world.arrays.figures[LOSS])
    walks(world, 4_000, seed=1)
    assert world.count(N_DROPPED) == 0
    assert world.arrays.figures[LOSS] < first - 1.0
    assert [world.ranked(even)[0] for even in range(0, N_ITEMS, 2)] == list(range(1, N_ITEMS, 2))


@pytest.mark.neural
def test_the_same_events_give_the_same_bits() -> None:
    one, other = World(), World()
    for world in (one, other):
        walks(world, 500)
    assert one.count(N_STEPS) > 50
    assert one.bits() == other.bits()


@pytest.mark.neural
def test_a_step_moves_the_rows_that_it_touches_and_no_other() -> None:
    world = World(negatives=2)
    walks(world, 200)
    world.step()
    before = world.arrays.items.vector.copy()
    for _ in range(8):
        world.see([2], 3)
    world.dirty[:] = 0
    world.step()
    moved = (world.arrays.items.vector != before).any(axis=1)
    assert moved[[2, 3]].all()
    assert not moved.all()
    assert np.array_equal(world.dirty == 1, moved)


@pytest.mark.neural
@pytest.mark.parametrize("where", ["vector", "attention", "mean"])
def test_a_step_that_is_not_finite_is_dropped_whole_and_what_made_it_so_begins_anew(where: str) -> None:
    world = World()
    walks(world, 200)
    held = {"vector": world.arrays.items.vector, "mean": world.arrays.items.mean,
            "attention": world.arrays.encoder.attention}[where]  # fmt: skip
    for k in range(8):
        world.see([2], 3, session=k)
    held[2] = np.nan
    before = world.bits()
    after_step = _dropped(world)
    same = {name for name, bits in after_step.items() if bits == before[name]}
    assert world.count(N_DROPPED) == 1
    assert np.isfinite(held).all()
    if where == "attention":
        assert {name for name in before if name.startswith("items")} <= same
    else:
        assert {name for name in before if not name.startswith("items")} <= same
    walks(world, 100, seed=2)
    assert world.count(N_DROPPED) == 1


def _dropped(world: World) -> dict[str, bytes]:
    world.step()
    return world.bits()


def test_a_target_that_repeats_the_history_is_no_example_and_neither_is_one_after_nothing() -> None:
    world = World()
    world.see([1, 2, 3], 3)
    world.see([], 3)
    world.see([NONE, NONE], 3)
    assert world.count(N_PENDING) == 0
    world.see([1, NONE], 3)
    assert world.count(N_PENDING) == 1


def test_the_share_of_sessions_is_chosen_whole_and_what_is_left_out_is_counted() -> None:
    world = World(session_share=0.25, examples_per_step=4_096)
    for k in range(2_000):
        world.see([1], 2, session=k // 2)
    kept = world.count(N_PENDING)
    assert kept % 2 == 0
    assert 400 < kept < 600
    assert kept + world.count(N_LEFT_OUT) == 2_000


@pytest.mark.neural
def test_no_more_steps_are_taken_than_allowed_and_what_finds_no_place_is_counted() -> None:
    world = World(steps_per_thousand=10)
    for k in range(1_000):
        world.see([k % 7], 20, session=k)
    assert world.count(N_STEPS) == 9  # each costs a hundred events
    assert world.count(N_OVER_BUDGET) == 1_000 - 9 * 8 - world.count(N_PENDING)


def test_no_more_queries_are_answered_than_allowed_and_the_others_are_counted() -> None:
    world = World(queries_per_thousand=50, examples_per_step=4_096)
    n_answered = 0
    for k in range(2_000):
        world.see([1], 2, session=k)
        n_answered += neural_examples.may_ask(world.arrays)
    assert n_answered == world.count(N_ASKED) == 100
    assert world.count(N_UNASKED) == 1_900


@pytest.mark.neural
def test_the_reservoir_has_the_latest_and_more_of_the_rare_than_their_share() -> None:
    world = World(replay_examples=128)
    for k in range(4_000):
        is_rare = k % 50 == 0
        if neural_examples.is_step_due(world.arrays, world.plan):
            neural_examples.absorb(world.arrays, world.plan.n_pending)
            neural_examples.clear_pending(world.arrays)
        neural_examples.note_event(world.arrays, world.plan)
        neural_examples.learn_event(
            world.arrays, world.plan, np.array([k % 7], np.int32), 1, 20 if is_rare else 10,
            1.0 if is_rare else 50.0, np.uint64(k), np.uint64(k),
        )  # fmt: skip
    kept = world.arrays.examples
    latest, rare = kept.user[8 : 8 + 64], kept.target[8 + 64 :]
    last = world.count(N_ABSORBED)
    assert sorted(latest.tolist()) == list(range(last - 64, last))
    assert (rare == 20).mean() > 0.2


def test_a_forgotten_item_is_taken_out_of_all_examples() -> None:
    world = World()
    for k in range(6):
        world.see([1, 2, k], 3 if k % 2 else 9)
    neural_examples.absorb(world.arrays, world.plan.n_pending)
    world.is_live[[2, 3]] = 0
    neural_examples.forget_items(world.arrays.examples, world.is_live)
    assert not np.isin(world.arrays.examples.history, [2, 3]).any()
    assert not np.isin(world.arrays.examples.target, [3]).any()
    assert (world.arrays.examples.target == 9).any()


@pytest.mark.neural
def test_what_is_gone_from_an_example_says_nothing_in_a_step() -> None:
    one, other = World(replay=0), World(replay=0)
    for k in range(8):
        one.see([2, 5, 4], k + 10, session=k)
        other.see([2, 4], k + 10, session=k)
    one.is_live[5] = other.is_live[5] = 0
    for world in (one, other):
        world.step()
    assert one.bits() == other.bits()
    assert one.arrays.items.scale[5] == 0.0


@pytest.mark.neural
def test_a_row_that_is_given_to_another_inherits_nothing() -> None:
    world, fresh = World(), World()
    walks(world, 500)
    neural.forget_item(world.arrays.items, 4)
    for each in (world, fresh):
        neural_training.begin(each.arrays.items, np.array([4]), each.neighbours)
    for array, first in zip(map(np.asarray, world.arrays.items), map(np.asarray, fresh.arrays.items), strict=True):
        assert array[4].tobytes() == first[4].tobytes()


@pytest.mark.neural
def test_a_new_item_begins_near_its_neighbours_and_without_any_in_a_direction_of_its_own() -> None:
    world = World()
    fill(world.arrays, 1)
    world.arrays.items.scale[[7, 8]] = 0.0
    world.neighbours.neighbour[7, :2], world.neighbours.weight[7, :2], world.neighbours.size[7] = [3, 8], [2.0, 1.0], 2
    neural_training.begin(world.arrays.items, np.array([7, 8]), world.neighbours)
    unit = world.arrays.items.vector * world.arrays.items.scale[:, None]
    assert np.linalg.norm(unit, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert 0.4 < unit[7] @ unit[3] < 0.95
    assert abs(unit[8] @ unit[7]) < 0.9


def test_steps_begin_small_fall_later_and_are_longer_after_drift() -> None:
    settings = Neural(learning_rate=0.01)
    rates = [neural_training.rate_of(settings, number, 1.0) for number in (0, 99, 199, 10_000, 80_000, 10**9)]
    assert rates == pytest.approx([0.01 / 200, 0.005, 0.01, 0.01, 0.005, 0.003], rel=1e-3)
    assert neural_training.rate_of(settings, 10_000, 10.0) == pytest.approx(0.03)


def test_without_its_packages_a_step_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jax", None)
    gradient_step._jax.cache_clear()
    try:
        with pytest.raises(Fatal, match=r"pip install 'freshrank\[neural\]'"):
            gradient_step.require()
    finally:
        gradient_step._jax.cache_clear()


def test_the_encoder_begins_with_the_latest_item_and_some_of_the_others() -> None:
    encoder: Encoder = neural.new_encoder(8)
    world = World(dimensions=8)
    world.arrays.items.vector[:3] = np.eye(8, dtype=np.float32)[:3]
    world.arrays.items.scale[:3] = 1.0
    history: Int32Array = np.array([0, 1, 2], np.int32)
    neural_encoder.encode(world.arrays, world.scratch, world.is_live, history, 3)
    heed = np.exp(encoder.recency[:3]) / np.exp(encoder.recency[:3]).sum()
    expected = np.eye(8)[0] + 0.5 * np.array([*heed, *[0.0] * 5])
    assert world.scratch.query == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


@pytest.mark.neural
@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_a_step_is_the_same_however_many_rows_it_has_room_for(size: int) -> None:
    one, other = World(), World()
    for world, room in ((one, None), (other, neural_training.rooms(one.settings)[size])):
        for k in range(8):
            world.see([2, 4], 3, session=k)
        neural_training.take_step(
            world.arrays, world.moments, world.settings, world.is_live, world.dirty, world.neighbours, 1.0, room
        )
    for array, again in zip(one.arrays.items, other.arrays.items, strict=True):
        assert array == pytest.approx(again, abs=1e-6)
