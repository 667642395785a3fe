"""What the members do beyond the laws: refusals, and how close their updates come where they cannot be exact."""

from __future__ import annotations

import doctest
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.messages import Float64Array
from consumer.models import (
    item_to_item_member,
    linear,
    popularity_member,
    repeat_member,
    session_knn_member,
    standardise,
)
from consumer.models.base import Interactions, Law
from consumer.models.item_to_item_member import ItemToItemMember
from consumer.models.popularity_member import PopularityMember
from consumer.models.registry import MEMBERS
from consumer.models.repeat_member import RepeatMember
from consumer.tables import Array
from tests.models.interactions import INTERACTIONS, history, interactions
from tests.streams import START_MS, Event, busy_stream, small_settings

SETTINGS = small_settings().models
N_ROWS = 40


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_members_are_registered_under_their_own_names(name: str) -> None:
    assert MEMBERS[name](SETTINGS, N_ROWS).name == name


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_every_opt_out_is_from_a_law_and_says_why(name: str) -> None:
    for law, why in MEMBERS[name](SETTINGS, N_ROWS).opt_outs.items():
        assert law in Law
        assert len(why) > 20


DOCUMENTED = (popularity_member, item_to_item_member, repeat_member, session_knn_member, linear, standardise)


@pytest.mark.parametrize("module", DOCUMENTED)
def test_examples_in_docstrings_are_true(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", ["item_to_item", "popularity", "session_knn"])
@pytest.mark.parametrize("row", [N_ROWS, N_ROWS + 7])
def test_an_item_without_a_row_is_refused_and_nothing_is_learned(name: str, row: int) -> None:
    member = MEMBERS[name](SETTINGS, N_ROWS)
    with pytest.raises(ValueError, match=f"entry 1 is about item row {row}, but there are rows 0 … {N_ROWS - 1}"):
        member.learn(interactions([Event("item-1"), Event(f"item-{row}")]))
    assert member.score(history(1), 10, START_MS).items.tolist() == []


@pytest.mark.parametrize("name", ["item_to_item", "popularity", "session_knn"])
def test_an_update_about_rows_that_are_not_there_is_refused(name: str) -> None:
    wide, narrow = MEMBERS[name](SETTINGS, 100), MEMBERS[name](SETTINGS, 50)
    wide.learn(interactions([Event("item-1"), Event("item-99")]))
    with pytest.raises(ValueError, match="row 99"):
        narrow.apply_update(wide.take_update())


def shares(member: PopularityMember) -> Float64Array:
    state = member.state()
    net = np.maximum(0.0, state["learned.positive"] - state["learned.negative"])
    total = net.sum(axis=0)
    of_all: Float64Array = np.divide(net, total, out=np.zeros_like(net), where=total > 0)
    return of_all


@given(INTERACTIONS, INTERACTIONS)
def test_popularitys_counts_commute_even_if_its_mixture_does_not(first: Interactions, second: Interactions) -> None:
    one, other, alone = (PopularityMember(SETTINGS, N_ROWS) for _ in range(3))
    one.learn(first)
    other.learn(second)
    other.apply_update(one.take_update())
    alone.learn(first)
    alone.learn(second)
    assert np.allclose(shares(other), shares(alone), rtol=1e-6, atol=1e-6)


@given(st.integers(0, 20))
def test_a_row_that_overflows_is_off_by_no_more_than_its_class_says(seed: int) -> None:
    exact = ItemToItemMember(small_settings(models={"item_to_item": {"neighbours": 200}}).models, N_ROWS)
    sender, receiver = ItemToItemMember(SETTINGS, N_ROWS), ItemToItemMember(SETTINGS, N_ROWS)
    rows = [row._replace(at_s=0.0) for row in busy_stream(seed, n=300, n_items=N_ROWS, n_users=10)]
    learned, told = interactions(rows[:150]), interactions(rows[150:])
    receiver.learn(learned)
    sender.learn(told)
    exact.learn(learned)
    exact.learn(told)
    update = sender.take_update()
    smallest_told = dict(zip(update["items"].tolist(), smallest(update["neighbour"], update["weight"]), strict=True))
    receiver.apply_update(update)
    truth, found = entries(exact), entries(receiver)
    smallest_found = smallest(receiver.state()["learned.neighbour"], receiver.state()["learned.weight"])
    for row in range(N_ROWS):
        most = smallest_found[row] + smallest_told.get(row, 0.0) + 1e-4
        for other, weight in found[row].items():
            assert abs(weight - truth[row].get(other, 0.0)) <= most
        assert all(weight <= most for other, weight in truth[row].items() if other not in found[row])


def entries(member: ItemToItemMember) -> list[dict[int, float]]:
    state = member.state()
    return [
        {j: w for j, w in zip(neighbours, weights, strict=True) if j >= 0}
        for neighbours, weights in zip(
            state["learned.neighbour"].tolist(), state["learned.weight"].tolist(), strict=True
        )
    ]


def smallest(neighbour: Array, weight: Array) -> list[float]:
    """The smallest entry of each full row, 0 for one with room."""
    least: list[float] = np.where((neighbour >= 0).all(axis=1), weight.min(axis=1), 0.0).tolist()
    return least


def test_repeats_updates_come_close_where_two_learned_side_by_side() -> None:
    rows = busy_stream(seed=2, n=4_000, n_items=12, n_users=20)
    one, other, alone = (RepeatMember(SETTINGS, N_ROWS) for _ in range(3))
    for start in range(0, 4_000, 200):
        lessons = interactions(rows[start : start + 100]), interactions(rows[start + 100 : start + 200])
        one.learn(lessons[0])
        other.learn(lessons[1])
        of_one, of_other = one.take_update(), other.take_update()
        one.apply_update(of_other)
        other.apply_update(of_one)
        for lesson in lessons:
            alone.learn(lesson)
    for member in (one, other):
        state, expected = member.state(), alone.state()
        assert np.array_equal(state["learned.n_events"], expected["learned.n_events"])
        assert np.allclose(state["learned.chance"], expected["learned.chance"], atol=0.02)
