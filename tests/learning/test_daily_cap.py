"""What one user may weigh on one item in a day: in the pass, and in the table that remembers it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events.hashing import hash_text
from consumer.kernels import kernel
from consumer.learning import daily_cap
from consumer.learning.daily_cap import DAY_MS, CapArrays
from consumer.settings import Settings
from tests.learning.states import World
from tests.streams import Event, admitted, small_settings

DAY_S = 86_400.0
SETTINGS = small_settings(users={"daily_item_weight": 3.0})
MOST = 30.0  # three events of the heaviest type


@kernel
def ask(cap: CapArrays, user: np.uint64, item: np.uint64, weight: float, most: float, time_ms: int) -> float:
    return daily_cap.allowed(cap, user, item, weight, most, time_ms)


def allowed(cap: CapArrays, weight: float, user: str = "ann", item: str = "lamp", at_ms: int = 0) -> float:
    first, second = (np.uint64(hash_text(text.encode())[0]) for text in (user, item))
    return float(ask(cap, first, second, weight, MOST, at_ms))


def counts(rows: list[Event], settings: Settings = SETTINGS) -> dict[str, float]:
    """Weight counted of each item, as far as decay lets it be seen."""
    world = World(settings).learn(admitted(rows))
    h = len(settings.models.popularity.half_lives_s) - 1
    arrays = world.model.popularity
    return {item: float(arrays.positive[row, h] - arrays.negative[row, h]) for item, row in world.live_items().items()}


def test_one_user_cannot_flood_an_item_but_many_can() -> None:
    flood = [Event("lamp", "ann", at_s=i * 0.1) for i in range(500)]
    trend = [Event("sofa", f"user-{i}", at_s=i * 0.1) for i in range(90)]
    weights = counts([*flood, *trend])
    assert weights["lamp"] == pytest.approx(MOST, rel=0.01)
    assert weights["sofa"] == pytest.approx(90, rel=0.01)


def test_an_event_beyond_the_cap_counts_with_what_is_left() -> None:
    bought = [Event("lamp", type="purchase", at_s=i) for i in range(2)]
    weights = counts([*bought, *(Event("lamp", at_s=i) for i in range(15))])
    assert weights["lamp"] == pytest.approx(MOST, rel=0.01)


def test_an_event_that_is_not_counted_links_no_items() -> None:
    world = World(SETTINGS).learn(admitted([Event(f"item-{i % 2}", at_s=i) for i in range(400)]))
    total = float(world.model.item_to_item.counts.sum())
    assert total == pytest.approx(60, rel=0.01)


def test_it_still_enters_the_history() -> None:
    rows = [Event("lamp", at_s=i) for i in range(50)] + [Event("sofa", at_s=60), Event("lamp", at_s=61)]
    assert World(SETTINGS).learn(admitted(rows)).history("ann") == ["lamp", "sofa", "lamp"]


def test_removals_are_capped_too() -> None:
    others = [Event("lamp", f"user-{i}", at_s=float(i)) for i in range(100)]
    weights = counts([*others, *(Event("lamp", type="remove_from_cart", at_s=200.0 + i) for i in range(500))])
    assert weights["lamp"] == pytest.approx(100 - MOST, rel=0.01)


def test_a_new_day_begins_anew_and_a_late_event_belongs_to_the_day_reached() -> None:
    cap = daily_cap.allocate(64)
    assert [allowed(cap, 20.0), allowed(cap, 20.0), allowed(cap, 1.0)] == pytest.approx([20.0, 10.0, 0.0], rel=1e-3)
    assert allowed(cap, 20.0, at_ms=DAY_MS) == 20.0
    assert allowed(cap, 20.0, at_ms=DAY_MS - 1) == pytest.approx(10.0, rel=1e-3)


def test_the_settings_cap_counts_in_events_of_the_heaviest_type() -> None:
    rows = [Event("lamp", at_s=i * 0.1) for i in range(500)]
    assert counts(rows, small_settings(users={"daily_item_weight": 7.0}))["lamp"] == pytest.approx(70, rel=0.01)


@given(st.lists(st.floats(-40.0, 40.0), max_size=50))
def test_a_user_never_weighs_more_than_the_cap_and_no_event_more_than_it_said(weights: list[float]) -> None:
    cap = daily_cap.allocate(64)
    counted = [allowed(cap, weight) for weight in weights]
    assert sum(map(abs, counted)) <= MOST * (1 + 1e-9)
    assert all(abs(c) <= abs(w) and c * w >= 0 for c, w in zip(counted, weights, strict=True))


@given(st.integers(0, 2**32), st.integers(1, 400))
def test_who_floods_is_remembered_however_many_others_pass(seed: int, n_others: int) -> None:
    cap = daily_cap.allocate(8)
    for _ in range(3):
        allowed(cap, 10.0, "flooder")
    for i in range(n_others):
        allowed(cap, 1.0, f"user-{seed}-{i}")
        assert allowed(cap, 1.0, "flooder") == 0.0


def test_memory_is_what_the_settings_say() -> None:
    assert daily_cap.allocate(1_000_000).entries.nbytes == 8 << 20
