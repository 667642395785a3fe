"""`session_knn`: the kernels against plain Python, what its rings hold, and what they give up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import item_to_item, session_knn, session_knn_ranking, session_ring
from consumer.models.session_knn_ranking import NONSENSE
from consumer.models.session_ring import MAX_ITEMS, NONE
from tests.models.reference import SessionKnnReference
from tests.streams import START_MS

N_ITEMS = 30
TAU_S = 1_000.0


class Step(NamedTuple):
    item: int
    key: int
    at_s: int


class Kernels:
    """The arrays with what they need around them."""

    def __init__(self, n_sessions: int = 8, recent: int = 4, n_items: int = N_ITEMS) -> None:
        self.knn = session_knn.allocate(n_items, recent, TAU_S)
        self.sessions = session_ring.allocate(n_sessions)
        self.scratch = session_knn_ranking.allocate_scratch(n_sessions, recent)
        self.of_items = item_to_item.allocate_scratch(n_items)
        self.is_live, self.dirty = np.zeros(n_items, np.uint8), np.zeros(n_items, np.uint8)

    def learn(self, *steps: Step) -> Kernels:
        for item, key, at_s in steps:
            self.is_live[item] = 1
            session_knn.learn_event(
                self.knn, self.sessions, self.is_live, self.dirty, item, np.uint64(key), START_MS + 1000 * at_s
            )
        return self

    def forget(self, item: int, *, sweep: bool = True) -> None:
        self.is_live[item] = 0
        session_knn.forget_item(self.knn, item)
        if sweep:
            session_knn.forget_items(self.sessions, self.is_live)

    def ranked(self, history: Sequence[int], at_s: int = 0) -> dict[int, float]:
        items, values = np.zeros(100, np.int32), np.zeros(100)
        n = session_knn_ranking.rank(
            self.knn, self.sessions, self.scratch, self.of_items, self.is_live,
            np.array([*history, NONE], np.int32), len(history), START_MS + 1000.0 * at_s, items, values,
        )  # fmt: skip
        assert not self.scratch.similarity.any()
        assert not self.scratch.matched.any()
        assert not any(array.any() for array in (self.of_items.first, self.of_items.total, self.of_items.mark))
        return dict(zip(items[:n].tolist(), values[:n].tolist(), strict=True))

    def session(self, key: int) -> list[int] | None:
        """Its items, oldest first; None: it is gone."""
        row = session_ring.find(self.sessions, np.uint64(key))
        return None if row == NONE else self.sessions.items[row, : self.sessions.n_items[row]].tolist()


STEPS = st.lists(st.builds(Step, st.integers(0, 9), st.integers(0, 20), st.integers(0, 3_000)), max_size=80)
HISTORIES = st.lists(st.integers(-1, 9), max_size=8)


@given(STEPS, st.lists(st.integers(0, 9), max_size=3), HISTORIES, st.integers(2, 8), st.integers(2, 4))
def test_scores_are_those_of_the_plain_formulas(
    steps: list[Step], forgotten: list[int], history: list[int], n_sessions: int, recent: int
) -> None:
    kernels, reference = Kernels(n_sessions, recent), SessionKnnReference(n_sessions, recent, TAU_S)
    for place, (item, key, at_s) in enumerate(steps):
        if place == len(steps) // 2:
            for gone in forgotten:
                kernels.forget(gone)
                reference.forget(gone)
        kernels.learn(Step(item, key, at_s))
        reference.learn(item, key, START_MS + 1000 * at_s)
    known = [item if item >= 0 and kernels.is_live[item] else NONE for item in history]
    assert kernels.ranked(known, at_s=3_000) == pytest.approx(
        reference.scores(known, START_MS + 3_000_000), rel=1e-9, abs=1e-300
    )


@given(STEPS, st.integers(2, 8))
def test_spreads_and_keys_are_those_of_the_sessions_kept(steps: list[Step], n_sessions: int) -> None:
    kernels, reference = Kernels(n_sessions), SessionKnnReference(n_sessions, 4, TAU_S)
    for step in steps:
        kernels.learn(step)
        reference.learn(step.item, step.key, step.at_s)
    assert kernels.knn.spread[:10].tolist() == [reference.spread(item) for item in range(10)]
    assert kernels.knn.spread_total[0] == kernels.knn.spread.sum()
    assert [kernels.session(key) for key in range(21)] == [reference.sessions.get(key) for key in range(21)]


@given(STEPS)
def test_slots_made_again_find_the_same_sessions(steps: list[Step]) -> None:
    kernels = Kernels().learn(*steps)
    before = [kernels.session(key) for key in range(21)]
    kernels.sessions.slots[:] = 5
    session_ring.rebuild(kernels.sessions)
    assert [kernels.session(key) for key in range(21)] == before


def test_a_new_session_takes_the_place_of_the_one_opened_first() -> None:
    kernels = Kernels(n_sessions=2).learn(Step(1, 11, 0), Step(2, 12, 1), Step(3, 11, 2), Step(4, 13, 3))
    assert [kernels.session(key) for key in (11, 12, 13)] == [None, [2], [4]]


def test_a_session_keeps_its_latest_items_each_at_its_last_place() -> None:
    kernels = Kernels().learn(*(Step(item, 1, 0) for item in range(MAX_ITEMS + 3)), Step(5, 1, 0))
    assert kernels.session(1) == [3, 4, *range(6, MAX_ITEMS + 3), 5]
    assert kernels.knn.spread[:6].tolist() == [0, 0, 0, 1, 1, 1]


def test_of_an_item_the_latest_sessions_are_remembered() -> None:
    rows = [Step(item, key, 0) for key in range(6) for item in (0, key + 1)]
    kernels = Kernels(recent=2).learn(*rows)
    assert set(kernels.ranked([0])) == {5, 6}


def test_what_came_after_counts_more_than_what_came_before_and_near_more_than_far() -> None:
    others = [Step(20 + key, key, 0) for key in range(2, 6)]
    kernels = Kernels().learn(*(Step(item, 1, 0) for item in (1, 2, 3, 4, 5)), *others)
    assert list(kernels.ranked([3])) == [4, 2, 5, 1]


def test_an_older_session_says_less() -> None:
    others = [Step(20 + key, key, 0) for key in range(3, 6)]
    kernels = Kernels().learn(Step(1, 1, 0), Step(2, 1, 0), Step(1, 2, 500), Step(3, 2, 500), *others)
    scores = kernels.ranked([1], at_s=500)
    assert scores[2] / scores[3] == pytest.approx(np.exp(-0.5))


def test_an_item_that_is_gone_speaks_for_nothing_even_before_its_row_is_recycled() -> None:
    others = [Step(20 + key, key, 0) for key in range(3, 6)]
    kernels = Kernels().learn(Step(1, 1, 0), Step(2, 1, 0), Step(3, 1, 0), *others)
    kernels.forget(2, sweep=False)
    assert set(kernels.ranked([1])) == {3}
    assert kernels.ranked([2]) == {}


def test_sessions_of_items_not_swept_yet_close_without_counting_them_twice() -> None:
    kernels = Kernels(n_sessions=2).learn(Step(1, 1, 0), Step(2, 1, 0))
    kernels.forget(2, sweep=False)
    kernels.learn(Step(3, 2, 0), Step(4, 3, 0))
    assert kernels.knn.spread[:5].tolist() == [0, 0, 0, 1, 1]
    assert kernels.knn.spread_total[0] == 2


@pytest.mark.parametrize("n_before", [2**32 - 3, 2**33 - 1])
def test_serial_numbers_may_wrap_around(n_before: int) -> None:
    kernels = Kernels(n_sessions=7, recent=8)
    kernels.sessions.n_opened[0] = n_before  # as if so many had come and gone
    for row in range(7):  # rows that were never entered would not be found when they are left
        kernels.sessions.keys[row] = 100 + row
    session_ring.rebuild(kernels.sessions)
    kernels.learn(*(Step(item, key, 0) for key in range(7) for item in (0, key + 1)), Step(20, 3, 0))
    assert set(kernels.ranked([0])) == {*range(1, 8), 20}
    assert set(kernels.ranked([1])) == {0}
    assert set(kernels.ranked([4])) == {0, 20}


def test_a_score_that_is_not_a_number_is_called_nonsense() -> None:
    kernels = Kernels().learn(Step(1, 1, 0), Step(2, 1, 0), Step(3, 2, 0))
    kernels.knn.time_constant_ms[0] = np.nan
    items, values = np.zeros(100, np.int32), np.zeros(100)
    n = session_knn_ranking.rank(
        kernels.knn, kernels.sessions, kernels.scratch, kernels.of_items, kernels.is_live,
        np.array([1], np.int32), 1, float(START_MS), items, values,
    )  # fmt: skip
    assert n == NONSENSE
    assert not kernels.of_items.total.any()
