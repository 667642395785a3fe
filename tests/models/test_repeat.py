"""`repeat` against its running means in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import repeat
from consumer.models.repeat import (
    EARLIER_RETURN,
    LATEST_IS_RETURN,
    MIN_STEP,
    N_BACK,
    N_HABITS,
    N_LENGTHS,
    NO_RETURN,
    PRIOR_EVENTS,
    RepeatArrays,
)
from tests.models.reference import RepeatReference

HISTORIES = st.lists(st.integers(-1, 5), min_size=1, max_size=25)


def learn(arrays: RepeatArrays, history: Sequence[int], item: int, factor: float = 1.0) -> int:
    """Returns how many places back the item stood."""
    return repeat.learn_event(arrays, np.array(history, np.int32), len(history), item, factor)


def ranked(arrays: RepeatArrays, history: Sequence[int]) -> list[tuple[int, float]]:
    items, values = np.zeros(30, np.int32), np.zeros(30)
    n = repeat.rank(arrays, np.array(history, np.int32), len(history), items, values)
    return list(zip(items[:n].tolist(), values[:n].tolist(), strict=True))


@given(st.lists(st.tuples(HISTORIES, st.integers(0, 5)), max_size=20), HISTORIES)
def test_chances_and_their_order_are_those_of_the_running_means(
    stream: list[tuple[list[int], int]], history: list[int]
) -> None:
    arrays, reference = repeat.allocate(), RepeatReference()
    for before, item in stream:
        learn(arrays, before, item)
        reference.learn(before, item)
    expected = reference.ranked(history)
    assert [item for item, _ in ranked(arrays, history)] == [item for item, _ in expected]
    assert [chance for _, chance in ranked(arrays, history)] == pytest.approx([chance for _, chance in expected])


def test_before_the_first_event_the_nearest_item_is_the_likeliest() -> None:
    assert ranked(repeat.allocate(), [7, 8]) == [(7, 0.05), (8, 0.025)]


def test_a_shop_where_people_go_back_and_forth_is_learned() -> None:
    arrays = repeat.allocate()
    for _ in range(100):
        learn(arrays, [1, 2], 2)
    assert [item for item, _ in ranked(arrays, [8, 9])] == [9, 8]


def test_history_lengths_are_learned_apart_up_to_six() -> None:
    arrays = repeat.allocate()
    learn(arrays, [1, 2, 3], 3)
    learn(arrays, range(9), 0)
    assert arrays.n_events.reshape(N_LENGTHS, N_HABITS)[:, NO_RETURN].tolist() == [0, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("history", "habit"),
    [
        ([1], NO_RETURN),
        ([1, 2, 3], NO_RETURN),
        ([1, 2, 1], LATEST_IS_RETURN),
        ([3, 1, 2, 1], EARLIER_RETURN),
        ([1, 1 + 64, 2], NO_RETURN),  # alike modulo the bits of the filter
        ([1, 1 + 64, 1], LATEST_IS_RETURN),
        ([1, 2, 3, 2, 1], LATEST_IS_RETURN),
        ([-1, 1, -1], NO_RETURN),  # what is gone says nothing
        ([7, *range(8, 27), 7], NO_RETURN),  # too long ago
    ],
)
def test_a_history_shows_whether_its_owner_returns(history: list[int], habit: int) -> None:
    context, _ = repeat.look_at(np.array(history, np.int32), len(history))
    assert context == (min(len(history), N_LENGTHS) - 1) * N_HABITS + habit


def test_who_has_just_returned_is_told_apart_from_who_never_did() -> None:
    arrays = repeat.allocate()
    for _ in range(500):
        learn(arrays, [1, 2, 1], 2)
        learn(arrays, [3, 4, 5], 6)
    assert dict(ranked(arrays, [8, 9, 8]))[9] > 0.9
    assert dict(ranked(arrays, [7, 9, 8]))[9] < 0.01


def test_an_item_stands_at_its_last_occurrence_only() -> None:
    assert [item for item, _ in ranked(repeat.allocate(), [4, 5, 4, 4])] == [4, 5]


def test_it_says_how_many_places_back_the_item_stood() -> None:
    arrays = repeat.allocate()
    assert [learn(arrays, [4, 5, 4, 6], item) for item in (4, 5, 6, 7)] == [1, 2, 4, 0]


def test_longer_steps_go_further_but_never_beyond_the_first_one() -> None:
    usual, longer, young = (repeat.allocate() for _ in range(3))
    usual.n_events[:] = longer.n_events[:] = 10_000
    learn(usual, [1], 1)
    learn(longer, [1], 1, 10.0)
    learn(young, [1], 1, 10.0)
    gained = [float(arrays.chance[0, 0]) - 0.05 for arrays in (usual, longer, young)]
    assert gained == pytest.approx([0.95 * step for step in (MIN_STEP, 10 * MIN_STEP, 1 / PRIOR_EVENTS)])


def test_places_of_items_that_are_gone_are_passed_over() -> None:
    arrays = repeat.allocate()
    before = arrays.chance.copy()
    learn(arrays, [-1, -1], 3)
    assert np.array_equal(arrays.chance, before)
    assert ranked(arrays, [-1, 3, -1]) == [(3, 0.025)]


def test_an_empty_history_proposes_nothing() -> None:
    assert ranked(repeat.allocate(), []) == []


def test_only_the_nearest_places_count() -> None:
    assert len(ranked(repeat.allocate(), range(25))) == N_BACK


def test_the_step_never_falls_below_its_least() -> None:
    assert repeat.step_after(0, 1.0) == 1 / PRIOR_EVENTS
    assert repeat.step_after(10**9, 1.0) == MIN_STEP
