"""What is forgotten, and that nobody inherits from it."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.events.hashing import hash_text
from consumer.learning.rows import MIN_RETIRED
from consumer.models.recency_index import N_FREE, NONE
from consumer.models.state import MIN_CAPACITY
from consumer.settings import Settings
from tests.learning.plain_trainer import PlainTrainer
from tests.learning.states import World
from tests.streams import WITH_NEURAL, Event, admitted, busy_stream, small_settings

FOREVER_S = 1e15


def undecayed(**changes: object) -> Settings:
    """Settings under which an event counts the same for ever and no row overflows."""
    models = {
        "popularity": {"half_lives_s": [FOREVER_S]},
        "item_to_item": {"time_constant_s": FOREVER_S, "neighbours": 1_000},
    }
    return small_settings(models=models, **changes)


@pytest.mark.parametrize(
    "settings",
    [
        undecayed(),
        undecayed(catalogue={"item_ttl_s": 700.0}, users={"user_ttl_s": 500.0}),
        undecayed(catalogue={"max_items": 150, "item_ttl_s": 2_000.0}, users={"max_users": 5_000}),
    ],
    ids=["by number", "by age", "by both"],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_recycled_rows_hold_what_was_learned_since_and_nothing_else(settings: Settings, seed: int) -> None:
    rows = busy_stream(seed, n=4_000, n_items=900, n_users=300)
    plain = PlainTrainer(settings)
    plain.learn(rows)
    world = World(settings).learn(admitted(rows))
    live, model = world.live_items(), world.model
    assert live.keys() == plain.items.keys()
    for name, item in plain.items.items():
        row = live[name]
        assert world.row(name) == row
        assert model.popularity.positive[row, 0] == pytest.approx(item.positive)
        assert model.popularity.negative[row, 0] == pytest.approx(item.negative)
        assert model.item_to_item.counts[row] == pytest.approx(item.n_events)
        assert world.neighbours(name) == pytest.approx(item.links, rel=1e-5)
    assert model.n_users == len(plain.users)
    for user, their in plain.users.items():
        assert world.history(user) == [item for item, _ in their.places]


@pytest.mark.neural
def test_of_an_evicted_item_a_network_keeps_nothing() -> None:
    world = World(small_settings(models=WITH_NEURAL)).learn(admitted(busy_stream(7, n=3_000, n_items=900, n_users=300)))
    model, vectors = world.model, world.model.neural.items
    gone = np.flatnonzero(model.items.is_live[: model.n_item_rows] == 0)
    assert len(gone) > 5
    assert not any(array[gone].any() for array in vectors)
    assert (vectors.scale[model.items.is_live == 1] > 0.0).sum() > 50
    reusable = model.items.free[: model.items.counts[N_FREE]]
    assert len(reusable) > 0
    for column in (model.neural.examples.history, model.neural.examples.target):
        assert not np.isin(reusable, column).any()


def ever_new(n: int) -> list[Event]:
    return [Event(f"item-{i}", f"user-{i}", at_s=float(i), session=f"s-{i // 3}") for i in range(n)]


def test_memory_is_bounded_while_ids_are_ever_new() -> None:
    world = World(small_settings()).learn(admitted(ever_new(2_000)))
    n_bytes = world.model.n_bytes
    world.learn(admitted(ever_new(20_000)))
    assert world.model.n_bytes == n_bytes
    assert (world.model.n_items, world.model.n_users) == (100, 100)
    assert world.model.n_item_rows <= 100 + MIN_RETIRED + 1


def test_tables_grow_up_to_the_limits_and_no_further() -> None:
    limit = 2 * MIN_CAPACITY - 100
    settings = small_settings(catalogue={"max_items": limit}, users={"max_users": limit})
    world = World(settings).learn(admitted(ever_new(4 * limit)))
    assert (world.model.n_items, world.model.n_users) == (limit, limit)
    assert len(world.model.users.touched) == limit
    assert limit < len(world.model.items.touched) <= limit + max(MIN_RETIRED, limit // 16) + 2


def test_the_item_not_seen_for_longest_makes_room() -> None:
    rows = [Event(f"item-{i}") for i in range(100)]
    world = World(small_settings()).learn(admitted([*rows, Event("item-0"), Event("new")]))
    assert world.row("item-1") == NONE
    assert world.row("item-0") != NONE


def test_the_user_not_seen_for_longest_makes_room() -> None:
    rows = [Event("shoe", user=f"user-{i}") for i in range(100)]
    world = World(small_settings()).learn(admitted([*rows, Event("hat", user="user-0"), Event("hat", user="new")]))
    users = {tuple(key) for key in world.model.users.keys[world.model.users.is_live == 1].tolist()}
    assert hash_text(b"user-1") not in users
    assert world.history("user-0") == ["hat", "shoe"]


def test_an_item_lives_for_its_time_to_live_in_event_time() -> None:
    world = World(small_settings(catalogue={"item_ttl_s": 100.0}))
    world.learn(admitted([Event("old", at_s=0.0), Event("other", at_s=100.0)]))
    assert world.row("old") != NONE
    world.learn(admitted([Event("other", at_s=100.001)]))
    assert world.row("old") == NONE


def test_an_item_that_comes_back_starts_from_nothing() -> None:
    world = World(small_settings(catalogue={"item_ttl_s": 100.0}))
    world.learn(admitted([Event("hat", session="s"), Event("old", session="s", type="purchase")]))
    world.learn(admitted([Event("shoe", user="bob", at_s=500.0), Event("old", user="bob", at_s=500.0)]))
    assert world.neighbours("old").keys() == {"shoe"}
    assert world.score("old") == pytest.approx(0.5)
    assert world.history("ann") == [None, None]


def test_gone_items_are_recommended_to_nobody_even_before_their_rows_are_recycled() -> None:
    world = World(small_settings(catalogue={"item_ttl_s": 100.0}))
    world.learn(admitted([Event("old"), Event("hat"), Event("old"), Event("hat", at_s=90.0)]))
    world.learn(admitted([Event("shoe", user="bob", at_s=150.0)]))
    assert world.history("ann") == ["hat", None, "hat", None]
    assert "old" not in world.merged(world.history("ann"), 0)


def test_rows_are_named_once_before_they_are_recycled_while_their_ids_are_still_known() -> None:
    named: list[str] = []
    world = World(small_settings(), lambda rows: named.extend(world.model.item_id(int(r)).decode() for r in rows))
    world.learn(admitted(ever_new(1_000)))
    waiting = [world.model.item_id(int(row)).decode() for row in world.model.retired_items()]
    assert [*named, *waiting] == [f"item-{i}" for i in range(900)]


@pytest.mark.parametrize("n_items", [1_000, 2_048])
def test_limits_lowered_by_the_settings_are_kept_from_the_next_event_on(n_items: int) -> None:
    wide = small_settings(catalogue={"max_items": n_items}, users={"max_users": n_items})
    saved = World(wide).learn(admitted(ever_new(n_items))).saved()
    world = World(small_settings()).restore(saved)
    world.learn(admitted([Event(f"new-{i}", user=f"new-{i}", at_s=float(n_items)) for i in range(2)]))
    assert (world.model.n_items, world.model.n_users) == (100, 100)
    assert world.row("new-1") != NONE


def test_an_event_older_than_every_time_to_live_does_no_harm() -> None:
    world = World(small_settings(catalogue={"item_ttl_s": 100.0}, users={"user_ttl_s": 100.0}))
    world.learn(admitted([Event("shoe", at_s=1_000.0), Event("old", user="bob", at_s=0.0)]))
    assert world.live_items().keys() == {"shoe", "old"}
    world.learn(admitted([Event("shoe", at_s=1_050.0)]))
    assert np.isfinite(world.score("shoe"))
