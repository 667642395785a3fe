"""`item_to_item` against the formulas of its docstring in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import item_to_item
from consumer.models.item_to_item import (
    COUNT_TOTAL,
    LANDMARK_MS,
    MAX_EXPONENT,
    N_PARTS,
    N_RANKED,
    ItemToItemArrays,
    Scratch,
)
from tests.models.reference import ItemToItemReference
from tests.streams import START_MS

DAY_S = 86_400.0
NEIGHBOURS = 8


class Learned:
    """The arrays of one `item_to_item` beside its reference; an item is live from its first event on."""

    def __init__(self, capacity: int = 20, neighbours: int = NEIGHBOURS, time_constant_s: float = DAY_S) -> None:
        self.arrays: ItemToItemArrays = item_to_item.allocate(capacity, neighbours, time_constant_s)
        self.scratch: Scratch = item_to_item.allocate_scratch(capacity)
        self.parts = np.zeros((N_RANKED, N_PARTS))
        self.is_live = np.zeros(capacity, np.uint8)
        self.dirty = np.zeros(capacity, np.uint8)
        self.reference = ItemToItemReference(neighbours, time_constant_s, START_MS)

    def learn(self, item: int, before: Sequence[int] = (), at_s: float = 0.0) -> float:
        """Returns how close the item was to the latest before it."""
        self.is_live[item] = 1
        time_ms = START_MS + round(at_s * 1000)
        before = [i for i in before if i < 0 or self.is_live[i]]
        closeness = item_to_item.learn_event(
            self.arrays, len(self.is_live), self.is_live, self.dirty, item, rows(before), len(before), time_ms
        )
        self.reference.learn(item, before, time_ms)
        return closeness

    def row(self, item: int) -> dict[int, float]:
        size = self.arrays.size[item]
        pairs = zip(self.arrays.neighbour[item, :size], self.arrays.weight[item, :size], strict=True)
        return {int(j): float(w) for j, w in pairs}

    def ranked(self, history: Sequence[int], at_s: float = 0.0) -> list[tuple[int, float]]:
        items, values = np.zeros(N_RANKED, np.int32), np.zeros(N_RANKED)
        n = item_to_item.rank(
            self.arrays,
            self.scratch,
            self.is_live,
            rows(history),
            len(history),
            START_MS + at_s * 1000.0,
            items,
            values,
            self.parts,
        )
        scratch = self.scratch
        assert not any(array.any() for array in (scratch.first, scratch.latest, scratch.total, scratch.mark))
        return list(zip(items[:n].tolist(), values[:n].tolist(), strict=True))

    def check_ranked(self, history: Sequence[int], at_s: float = 0.0) -> None:
        """The list is the reference's, best first, up to the order of what rounding makes equal."""
        ranked = self.ranked(history, at_s)
        expected = self.reference.scores(history, START_MS + round(at_s * 1000))
        values = [value for _, value in ranked]
        assert values == sorted(values, reverse=True)
        assert dict(ranked) == pytest.approx({j: expected[j] for j, _ in ranked}, rel=1e-9)
        assert values == pytest.approx(sorted(expected.values(), reverse=True)[:N_RANKED], rel=1e-9)


def rows(items: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([*items, *([-1] * (10 - len(items)))], np.int32)


ITEM = st.integers(0, 12)
SESSIONS = st.lists(st.lists(ITEM, max_size=12), max_size=12)


def learn_sessions(learned: Learned, sessions: Sequence[Sequence[int]], step_s: float = 0.0) -> float:
    """Every session event by event; gives the time of the last one."""
    at_s = 0.0
    for session in sessions:
        for place, item in enumerate(session):
            learned.learn(item, session[:place][::-1], at_s)
            at_s += step_s
    return at_s


@given(SESSIONS, st.sampled_from((3, 8, 11)))
def test_rows_hold_what_the_formula_gives_even_when_they_overflow(sessions: list[list[int]], neighbours: int) -> None:
    learned = Learned(neighbours=neighbours)
    learn_sessions(learned, sessions)
    for item in range(13):
        assert learned.row(item) == pytest.approx(learned.reference.weights(item, START_MS), rel=1e-6)
        assert learned.arrays.counts[item] == pytest.approx(learned.reference.count(item, START_MS))
    assert_nothing_behind_the_entries(learned.arrays)


def assert_nothing_behind_the_entries(arrays: ItemToItemArrays) -> None:
    """What the search in blocks and the reuse of places rely on."""
    in_use = np.arange(arrays.neighbour.shape[1]) < arrays.size[:, np.newaxis]
    assert np.array_equal(arrays.neighbour >= 0, in_use)
    assert np.array_equal(arrays.weight > 0, in_use)


def test_it_says_which_part_of_the_evidence_had_pointed_to_the_item() -> None:
    learned = Learned()
    assert learned.learn(0) == learned.learn(1, [0]) == learned.learn(2, [0]) == -1.0
    assert learned.learn(1, [0, 2]) == pytest.approx(1 / 2)
    assert learned.learn(1, [0]) == pytest.approx(2 / 3)
    assert learned.learn(1, [1, 0]) == -1.0


@given(SESSIONS, st.lists(st.integers(-1, 14), max_size=10))
def test_lists_are_scored_as_the_formula_says(sessions: list[list[int]], history: list[int]) -> None:
    learned = Learned(neighbours=24)
    at_s = learn_sessions(learned, sessions, step_s=3_600.0)
    learned.check_ranked(history, at_s)


def test_the_list_is_cut_at_its_length_and_hops_at_theirs() -> None:
    rng = np.random.default_rng(3)
    learned = Learned(capacity=300, neighbours=64)
    sessions = [rng.integers(0, 300, size=rng.integers(2, 9)).tolist() for _ in range(900)]
    at_s = learn_sessions(learned, sessions, step_s=7.0)
    assert len(learned.ranked([1, 2, 3, 4, 5], at_s)) == N_RANKED
    for history in ([1, 2, 3, 4, 5], [9], [7, 7, 8]):
        learned.check_ranked(history, at_s)


def test_a_link_is_learned_in_both_directions_the_way_back_a_little_weaker() -> None:
    learned = Learned()
    learned.learn(0)
    learned.learn(1, [0])
    assert learned.row(0) == pytest.approx({1: 1.0})
    assert learned.row(1) == pytest.approx({0: 0.85})


def test_links_fall_with_the_distance_and_end_after_ten_events() -> None:
    learned = Learned()
    for item in range(12):
        learned.learn(item)
    learned.learn(12, range(11, 1, -1))
    assert learned.row(11)[12] == pytest.approx(1.0)
    assert learned.row(9)[12] == pytest.approx(np.exp(-1.0))
    assert 12 not in learned.row(1)


def test_an_item_is_not_linked_to_itself_and_gone_items_to_nothing() -> None:
    learned = Learned()
    learned.learn(0)
    learned.learn(0, [0, -1])
    assert learned.row(0) == {}


def test_a_full_row_gives_its_smallest_entry_to_the_newcomer() -> None:
    learned = Learned()
    for item in range(1, 10):
        learned.learn(item)
    for other in range(1, 9):
        for _ in range(other):
            learned.learn(other, [0 if learned.is_live[0] else -1])
            learned.is_live[0] = 1
    learned.learn(1, [0])
    entries = learned.row(0)
    smallest = min(entries.values())
    learned.learn(9, [0])
    assert len(learned.row(0)) == NEIGHBOURS
    assert learned.row(0)[9] == pytest.approx(smallest + 1.0)


def test_an_old_event_counts_less_than_a_fresh_one() -> None:
    learned = Learned()
    for item in (0, 1, 2):
        learned.learn(item)
    learned.learn(1, [0], at_s=0.0)
    learned.learn(2, [0], at_s=DAY_S)
    assert learned.row(0)[2] / learned.row(0)[1] == pytest.approx(np.e)


def test_moving_the_landmark_changes_no_list() -> None:
    learned = Learned(time_constant_s=60.0)
    learn_sessions(learned, [[0, 1, 2, 3], [2, 0, 4]], step_s=5.0)
    later_s = 60.0 * MAX_EXPONENT * 1.01
    before = learned.ranked([0], later_s)
    learned.dirty[:] = 0
    learned.learn(9, at_s=later_s)
    learned.arrays.counts[9] = 0.0
    learned.arrays.totals[COUNT_TOTAL] -= 1.0
    assert learned.arrays.totals[LANDMARK_MS] == START_MS + round(later_s * 1000)
    after = learned.ranked([0], later_s)
    assert [item for item, _ in after] == [item for item, _ in before]
    assert dict(after) == pytest.approx(dict(before), rel=1e-6)
    assert learned.dirty.all(), "every row is in new units, so the next checkpoint needs them all"


def test_nothing_learned_gives_an_empty_list() -> None:
    assert Learned().ranked([0, 1]) == []


def test_an_unknown_history_gives_an_empty_list() -> None:
    learned = Learned()
    learn_sessions(learned, [[0, 1, 2]])
    assert learned.ranked([]) == []
    assert learned.ranked([-1, 15]) == []


def test_items_of_the_history_are_not_listed_however_far_back_they_stand() -> None:
    learned = Learned(capacity=40, neighbours=64)
    learn_sessions(learned, [list(range(30)), list(range(29, -1, -1)), [0, 29, 35]])
    history = list(range(30))
    items = np.zeros(N_RANKED, np.int32)
    n = item_to_item.rank(
        learned.arrays, learned.scratch, learned.is_live, np.array(history, np.int32), 30, float(START_MS), items,
        np.zeros(N_RANKED), learned.parts,
    )  # fmt: skip
    assert items[:n].tolist() == [35]


def test_an_item_that_is_no_longer_live_is_neither_listed_nor_a_hop() -> None:
    learned = Learned()
    learn_sessions(learned, [[0, 1], [1, 2]])
    assert [item for item, _ in learned.ranked([0])] == [1, 2]
    learned.is_live[1] = 0
    assert learned.ranked([0]) == []


def test_forgetting_an_item_clears_its_row_and_the_entries_that_point_to_it() -> None:
    learned = Learned()
    learn_sessions(learned, [[0, 1, 2], [2, 3]])
    learned.is_live[1] = 0
    item_to_item.forget_item(learned.arrays, 1)
    learned.dirty[:] = 0
    item_to_item.forget_items(learned.arrays, len(learned.is_live), learned.is_live, learned.dirty)
    assert learned.row(1) == {}
    assert [1 in learned.row(item) for item in range(4)] == [False] * 4
    assert learned.row(2).keys() == {0, 3}
    assert (learned.arrays.neighbour == 1).sum() == 0
    assert learned.dirty[:4].tolist() == [1, 0, 1, 0]
    assert learned.arrays.totals[COUNT_TOTAL] == pytest.approx(4.0)
    assert_nothing_behind_the_entries(learned.arrays)


def test_evidence_is_all_weight_ever_added_to_a_row() -> None:
    learned = Learned()
    learn_sessions(learned, [[0, 1], [0, 2], [0, 1]])
    assert learned.arrays.evidence[0] == pytest.approx(sum(learned.row(0).values()))
    assert learned.arrays.changed[0] == pytest.approx(learned.arrays.evidence[0] + 3.0)


def test_the_parts_say_what_share_of_the_evidence_came_from_the_latest_item_and_by_the_second_hop() -> None:
    learned = Learned()
    learn_sessions(learned, [[0, 1], [2, 3], [3, 4]])
    found = [item for item, _ in learned.ranked([2, 0])]
    parts = dict(zip(found, learned.parts.tolist(), strict=False))
    assert parts[3] == [1.0, 0.0]  # from 2, the latest
    assert parts[1] == [0.0, 0.0]  # from 0
    assert parts[4] == [0.0, 1.0]  # over 3


def test_the_latest_item_that_is_known_is_the_latest() -> None:
    learned = Learned()
    learn_sessions(learned, [[0, 1]])
    assert [item for item, _ in learned.ranked([-1, 0])] == [1]
    assert learned.parts[0].tolist() == [1.0, 0.0]
