"""Users' histories: rings, sessions by name and by gap, and what is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.messages import UInt8Array
from consumer.models import histories, recency_index
from consumer.models.histories import HistoryArrays
from consumer.models.recency_index import NONE

USER = 1
GAP_MS = 1_800_000
LENGTH = 4
ALL_LIVE = np.ones(100, np.uint8)


@pytest.fixture
def rings() -> HistoryArrays:
    """Three users with room for LENGTH places."""
    return histories.allocate(3, LENGTH)


def session_of(rings: HistoryArrays, time_ms: int, name: int = 0) -> int:
    return int(histories.session_of(rings, USER, np.uint64(name), time_ms, GAP_MS))


def learn(rings: HistoryArrays, item: int, time_ms: int = 0, name: int = 0) -> int:
    """Push an event as the learning pass does; gives its session."""
    session = histories.session_of(rings, USER, np.uint64(name), time_ms, GAP_MS)
    histories.push(rings, USER, item, np.uint32(session), name != 0, time_ms)
    return int(session)


def latest_first(rings: HistoryArrays, is_live: UInt8Array = ALL_LIVE) -> list[int]:
    items = np.zeros(LENGTH, np.int32)
    n = histories.latest_first(rings, USER, is_live, items)
    return [int(item) for item in items[:n]]


def predecessors(rings: HistoryArrays, session: int, most: int = 10) -> list[int]:
    items = np.zeros(most, np.int32)
    n = histories.predecessors(rings, USER, np.uint32(session), items)
    return [int(item) for item in items[:n]]


def test_a_new_user_has_an_empty_history(rings: HistoryArrays) -> None:
    assert latest_first(rings) == []


def without_runs(items: Sequence[int]) -> list[int]:
    return [item for i, item in enumerate(items) if i == 0 or items[i - 1] != item]


@given(st.lists(st.integers(0, 5), max_size=30))
def test_a_history_is_the_last_items_without_runs_of_the_same(items: list[int]) -> None:
    rings = histories.allocate(3, LENGTH)
    for item in items:
        learn(rings, item)
    assert latest_first(rings) == without_runs(items)[::-1][:LENGTH]


def test_users_do_not_share_places(rings: HistoryArrays) -> None:
    learn(rings, 7)
    assert rings.n_events.tolist() == [0, 1, 0]
    assert (rings.items[[0, 2]] == 0).all()


def test_an_item_that_is_no_longer_live_leaves_a_blank_place(rings: HistoryArrays) -> None:
    for item in (1, 2, 3):
        learn(rings, item)
    is_live = ALL_LIVE.copy()
    is_live[2] = 0
    assert latest_first(rings, is_live) == [3, NONE, 1]


def test_forgetting_items_blanks_their_places_and_marks_their_users(rings: HistoryArrays) -> None:
    users = recency_index.allocate(3)
    for item in (1, 2, 3):
        learn(rings, item)
    is_live = ALL_LIVE.copy()
    is_live[2] = 0
    histories.forget_items(rings, users, 3, is_live)
    assert latest_first(rings) == [3, NONE, 1]
    assert users.dirty.tolist() == [0, 1, 0]


def test_clearing_a_row_leaves_nothing_of_its_last_owner(rings: HistoryArrays) -> None:
    for item in range(9):
        learn(rings, item, time_ms=item * GAP_MS * 2)
    histories.clear(rings, USER)
    empty = histories.allocate(3, LENGTH)
    histories.clear(empty, USER)
    for name, array in empty._asdict().items():
        assert np.array_equal(getattr(rings, name), array), name


def test_a_pause_longer_than_the_gap_opens_a_new_session(rings: HistoryArrays) -> None:
    first = learn(rings, 1, 0)
    assert learn(rings, 2, GAP_MS) == first
    assert learn(rings, 3, 2 * GAP_MS + 1) != first


def test_an_event_out_of_order_never_opens_a_session(rings: HistoryArrays) -> None:
    learn(rings, 1, 0)
    current = learn(rings, 2, 10 * GAP_MS)
    assert session_of(rings, 0) == current


def test_an_event_out_of_order_does_not_turn_the_users_clock_back(rings: HistoryArrays) -> None:
    current = learn(rings, 1, 10 * GAP_MS)
    learn(rings, 2, 0)
    assert session_of(rings, 11 * GAP_MS) == current


def test_an_event_that_names_its_session_belongs_to_it_whatever_its_time(rings: HistoryArrays) -> None:
    named = learn(rings, 1, 0, name=77)
    assert learn(rings, 2, 50 * GAP_MS, name=77) == named
    assert learn(rings, 3, 50 * GAP_MS, name=78) != named


@given(st.integers(1, 2**64 - 1), st.integers(0, 5))
def test_a_named_session_is_never_one_of_those_by_gap(name: int, n_gaps: int) -> None:
    rings = histories.allocate(3, LENGTH)
    by_gap = {learn(rings, 1, i * 2 * GAP_MS) for i in range(n_gaps)}
    assert session_of(rings, 0, name) not in by_gap


def test_named_sessions_leave_the_one_by_gap_alone(rings: HistoryArrays) -> None:
    by_gap = learn(rings, 1, 0)
    learn(rings, 2, 1, name=77)
    assert session_of(rings, 2) == by_gap


def test_predecessors_are_those_of_the_session_latest_first(rings: HistoryArrays) -> None:
    for item, name in ((1, 77), (2, 90), (3, 77), (4, 90)):
        learn(rings, item, 0, name)
    assert predecessors(rings, session_of(rings, 0, 77)) == [3, 1]
    assert predecessors(rings, session_of(rings, 0, 90), most=1) == [4]
    assert predecessors(rings, session_of(rings, 0, 111)) == []


def test_a_repeated_item_moves_with_its_last_event_into_that_session(rings: HistoryArrays) -> None:
    learn(rings, 1, 0, name=77)
    learn(rings, 1, 0, name=78)
    assert predecessors(rings, session_of(rings, 0, 77)) == []
    assert predecessors(rings, session_of(rings, 0, 78)) == [1]


def test_times_are_kept_in_seconds_and_stay_inside_their_column(rings: HistoryArrays) -> None:
    for place, (time_ms, seconds) in enumerate(((-5_000, 0), (1_999, 1), (2**50, 2**32 - 1))):
        learn(rings, place, time_ms)
        assert rings.times_s[USER, place] == seconds
