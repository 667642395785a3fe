"""From a history to a list: what fills it, and what never stands in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import fusion, item_to_item, logit, recommend, repeat
from consumer.models.logit import RISING
from consumer.models.recommend import LISTED, MERGED, REPEATED, Lists, Readable
from tests.streams import START_MS

N_ITEMS = 15


class Shop:
    """Members that learned a few sessions; item 14 was never seen."""

    def __init__(self, sessions: Sequence[Sequence[int]]) -> None:
        self.i2i = item_to_item.allocate(N_ITEMS, 16, 86_400.0)
        self.scratch = item_to_item.allocate_scratch(N_ITEMS)
        self.is_live = np.ones(N_ITEMS, np.uint8)
        self.is_live[14] = 0
        self.repeat, self.logit, self.fusion = repeat.allocate(), logit.allocate(), fusion.allocate()
        self.scores = np.full(N_ITEMS, 1.0 / N_ITEMS)
        dirty = np.zeros(N_ITEMS, np.uint8)
        for session in sessions:
            for place, item in enumerate(session):
                before = np.full(10, -1, np.int32)
                before[:place] = session[:place][::-1]
                item_to_item.learn_event(self.i2i, N_ITEMS, self.is_live, dirty, item, before, place, START_MS)

    def lists(self, history: Sequence[int], popular: Sequence[int] = (), most: int = 10) -> Lists:
        lists, pool = recommend.allocate_lists(30, most), logit.allocate_pool()
        known = Readable(
            self.i2i, self.repeat, self.logit, self.fusion, self.scores, np.array([*popular, -1], np.int32)
        )
        recommend.recommend(
            known, self.scratch, self.is_live, np.array([*history, -1], np.int32), len(history), float(START_MS),
            pool, lists,
        )  # fmt: skip
        return lists

    def merged(self, history: Sequence[int], popular: Sequence[int] = (), most: int = 10) -> list[int]:
        lists = self.lists(history, popular, most)
        return [int(item) for item in lists.merged[: lists.lengths[MERGED]]]


SHOP = Shop([[0, 1, 2], [0, 1, 3], [4, 5]])
HISTORIES = st.lists(st.integers(-1, 14), max_size=10)


def test_an_empty_history_gets_the_popular_items() -> None:
    assert SHOP.merged([], popular=[3, 1, 2], most=2) == [3, 1]


def test_an_unknown_history_gets_the_popular_items() -> None:
    assert SHOP.merged([-1, -1], popular=[3, 1]) == [3, 1]


def test_what_the_members_leave_open_is_filled_with_popular_items() -> None:
    filled = SHOP.merged([4], popular=[1, 5, 4, 2])
    assert (sorted(filled[:2]), filled[2:]) == ([4, 5], [1, 2])


def test_neighbours_come_before_popular_items() -> None:
    assert set(SHOP.merged([0], popular=[5], most=4)) == {0, 1, 2, 3}


@given(HISTORIES, st.lists(st.integers(-1, 13), max_size=12), st.integers(1, 12))
def test_a_list_has_no_item_twice_and_none_that_is_unknown(history: list[int], popular: list[int], most: int) -> None:
    live_history = [item if item != 14 else -1 for item in history]
    items = SHOP.merged(live_history, popular, most)
    assert len(set(items)) == len(items) <= most
    assert set(items) <= set(range(14))


@given(HISTORIES)
def test_items_of_the_history_are_proposed_by_repeat_alone(history: list[int]) -> None:
    lists = SHOP.lists(history)
    listed = set(lists.listed[: lists.lengths[LISTED]].tolist())
    repeated = set(lists.repeated[: lists.lengths[REPEATED]].tolist())
    assert not listed & set(history)
    assert repeated == {item for item in history if item >= 0}


def _outside(shop: Shop, history: Sequence[int]) -> list[int]:
    lists = shop.lists(history)
    return [int(item) for item in lists.listed[: lists.lengths[LISTED]]]


def test_where_a_stream_taught_that_rising_items_are_taken_they_come_first() -> None:
    shop = Shop([[0, 1, 2], [0, 1, 3]])
    assert _outside(shop, [0, 1]) == [2, 3]  # alike, by row
    shop.scores[3] = 0.9
    assert _outside(shop, [0, 1]) == [2, 3]
    shop.logit.weights[RISING] = 0.1
    assert _outside(shop, [0, 1]) == [3, 2]


def test_an_item_whose_score_is_not_known_is_taken_as_neither_rising_nor_falling() -> None:
    shop = Shop([[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    shop.logit.weights[RISING] = 0.1
    shop.scores[2:5] = (1e-9, np.nan, 0.9)
    assert _outside(shop, [0, 1]) == [4, 3, 2]
