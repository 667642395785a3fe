"""The compiled index of ids against an ordered dictionary."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import recency_index
from consumer.models.recency_index import N_FREE, N_LIVE, N_RETIRED, N_USED, NEWEST, NONE, OLDEST, IndexArrays

Key = tuple[int, int]

# Few distinct slots: runs that wrap around the end, and ids that share one half of their hash.
KEYS: list[Key] = [(low, high) for low in (0, 1, 15, 16, 31, 2**63 + 15) for high in (7, 2**64 - 1)]


def find(index: IndexArrays, key: Key) -> int:
    return recency_index.find(index, np.uint64(key[0]), np.uint64(key[1]))


def see(index: IndexArrays, key: Key, time_ms: int = 0) -> int:
    """What the learning pass does with an id."""
    row = find(index, key)
    if row == NONE:
        row = recency_index.insert(index, np.uint64(key[0]), np.uint64(key[1]))
    recency_index.touch(index, row, time_ms)
    return int(row)


def by_age(index: IndexArrays) -> list[int]:
    """Live rows, least recently touched first, as the links have them; checked in both directions."""
    rows, row = [], int(index.counts[OLDEST])
    while row != NONE:
        rows.append(row)
        row = int(index.newer[row])
    back, row = [], int(index.counts[NEWEST])
    while row != NONE:
        back.append(row)
        row = int(index.older[row])
    assert back == rows[::-1]
    return rows


class Model:
    """The same index as a dictionary from id to (row, greatest time), in order of touches."""

    def __init__(self) -> None:
        self.live: OrderedDict[Key, tuple[int, int]] = OrderedDict()
        self.retired: list[int] = []

    def check(self, index: IndexArrays) -> None:
        assert by_age(index) == [row for row, _ in self.live.values()]
        assert [find(index, key) for key in KEYS] == [self.live.get(key, (NONE, 0))[0] for key in KEYS]
        assert [int(index.seen_ms[row]) for row, _ in self.live.values()] == [t for _, t in self.live.values()]
        assert index.counts[N_LIVE] == len(self.live) == index.is_live.sum()
        assert index.retired[: index.counts[N_RETIRED]].tolist() == self.retired
        free = index.free[: index.counts[N_FREE]].tolist()
        used = sorted([*free, *self.retired, *(row for row, _ in self.live.values())])
        assert used == list(range(index.counts[N_USED]))


OPERATIONS = st.one_of(
    st.tuples(st.just("see"), st.sampled_from(KEYS), st.integers(0, 5)),
    st.tuples(st.sampled_from(("remove", "retire")), st.sampled_from(KEYS)),
    st.tuples(st.sampled_from(("remove oldest", "retire oldest", "release retired", "grow", "rebuild"))),
)


@given(st.lists(OPERATIONS, max_size=60))
def test_the_index_behaves_like_an_ordered_dictionary(operations: list[tuple[str, Key, int]]) -> None:
    index, model = recency_index.allocate(4), Model()
    for name, *given_ in operations:
        if name == "grow":
            index = recency_index.grown(index, len(index.touched) + 3)
        elif name == "rebuild":
            recency_index.rebuild(index)
        elif name == "release retired":
            recency_index.release_retired(index)
            model.retired.clear()
        elif name == "see":
            key, time_ms = given_
            assert isinstance(key, tuple)
            assert isinstance(time_ms, int)
            if key not in model.live and not recency_index.has_room(index):
                index = recency_index.grown(index, len(index.touched) + 1)
            row = see(index, key, time_ms)
            assert row not in model.retired
            model.live[key] = (row, max(time_ms, model.live.get(key, (row, 0))[1]))
            model.live.move_to_end(key)
        else:
            oldest = next(iter(model.live), None)
            chosen = oldest if name.endswith("oldest") else given_[0]
            if chosen is None or chosen not in model.live:
                continue
            assert isinstance(chosen, tuple)
            row, _ = model.live.pop(chosen)
            if name.startswith("remove"):
                recency_index.remove(index, row)
                recency_index.release(index, row)
            else:
                recency_index.retire(index, row)
                model.retired.append(row)
        model.check(index)


def test_an_id_is_found_only_under_both_halves_of_its_hash() -> None:
    index = recency_index.allocate(4)
    see(index, (5, 6))
    assert find(index, (5, 7)) == NONE


def test_finding_changes_nothing() -> None:
    index = recency_index.allocate(4)
    see(index, (5, 6))
    before = {name: array.copy() for name, array in index._asdict().items()}
    find(index, (5, 6))
    find(index, (9, 9))
    for name, array in before.items():
        assert np.array_equal(getattr(index, name), array), name


def test_a_retired_row_is_not_given_out_before_it_is_released() -> None:
    index = recency_index.allocate(2)
    retired = see(index, (1, 1))
    recency_index.retire(index, retired)
    assert see(index, (2, 2)) != retired
    assert not recency_index.has_room(index)
    recency_index.release_retired(index)
    assert see(index, (3, 3)) == retired


def test_a_row_that_is_reused_forgets_when_its_last_owner_was_seen() -> None:
    index = recency_index.allocate(1)
    row = see(index, (1, 1), time_ms=1_000)
    recency_index.remove(index, row)
    recency_index.release(index, row)
    see(index, (2, 2), time_ms=10)
    assert index.seen_ms[row] == 10


@pytest.mark.parametrize("change", ["touch", "remove"])
def test_every_change_of_a_row_marks_it_for_the_next_checkpoint(change: str) -> None:
    index = recency_index.allocate(2)
    row = see(index, (1, 1))
    index.dirty[:] = 0
    if change == "touch":
        recency_index.touch(index, row, 5)
    else:
        recency_index.remove(index, row)
    assert index.dirty.tolist() == [1, 0]
