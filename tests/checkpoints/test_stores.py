"""What every checkpoint store promises, on the one in memory and on a real disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import CorruptCheckpoint, Fenced
from consumer.tables import Array
from tests.checkpoints.stores import InMemory, Medium, OnDisk, name_of, require_same, save

A = np.arange(12, dtype=np.int64)
B = np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2)


@pytest.fixture(params=["memory", "disk"])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Medium:
    return InMemory() if request.param == "memory" else OnDisk(tmp_path)


def test_what_was_committed_is_read_back_by_any_process(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"t.a": A, "t.b": B, "none": A[:0]}, b'{"version": 1}')
    other = medium.store()
    assert other.names() == [name_of(1)]
    assert other.notes(name_of(1)) == b'{"version": 1}'
    require_same(other.arrays(name_of(1)), {"t.a": A, "t.b": B, "none": A[:0]})


def test_nothing_is_visible_before_the_commit(medium: Medium) -> None:
    store = medium.store()
    store.begin(None)
    store.write_array("a", A)
    assert medium.store().names() == []


def test_an_unfinished_checkpoint_leaves_the_others_alone_and_is_dropped(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"a": A})
    crashed = medium.store()
    crashed.begin(name_of(1))
    crashed.write_rows("a", np.array([0]), np.array([99]))
    save(medium.store(), name_of(2), {"b": B})
    require_same(medium.store().arrays(name_of(1)), {"a": A})
    require_same(medium.store().arrays(name_of(2)), {"b": B})


def test_a_checkpoint_starts_from_its_base_and_leaves_that_as_it_is(medium: Medium) -> None:
    store = medium.store()
    save(store, name_of(1), {"a": A, "b": B})
    store.begin(name_of(1))
    store.write_rows("a", np.array([3, 1]), np.array([-3, -1]))
    store.commit(name_of(2), b"{}")
    changed = A.copy()
    changed[[3, 1]] = [-3, -1]
    require_same(store.arrays(name_of(2)), {"a": changed, "b": B})
    require_same(store.arrays(name_of(1)), {"a": A, "b": B})


@pytest.mark.parametrize("first", [np.array([4]), np.array([], np.int64)])
def test_rows_behind_the_end_make_an_array_longer_with_zeros_between(medium: Medium, first: Array) -> None:
    store = medium.store()
    store.begin(None)
    store.write_rows("b", first, np.ones((len(first), 2), np.float32))
    store.write_rows("b", np.array([6]), np.full((1, 2), 2, np.float32))
    store.commit(name_of(1), b"{}")
    expected = np.zeros((7, 2), np.float32)
    expected[first], expected[6] = 1, 2
    require_same(store.arrays(name_of(1)), {"b": expected})


@pytest.mark.parametrize("wider", [np.full((2, 5), 7, np.float32), np.full((2, 2), 7, np.float64)])
def test_rows_of_another_shape_or_type_begin_the_array_anew(medium: Medium, wider: Array) -> None:
    store = medium.store()
    save(store, name_of(1), {"b": B})
    store.begin(name_of(1))
    store.write_rows("b", np.array([0, 1]), wider)
    store.commit(name_of(2), b"{}")
    require_same(store.arrays(name_of(2)), {"b": wider})


def test_names_ascend_by_epoch_and_then_by_version(medium: Medium) -> None:
    store = medium.store()
    for epoch, version in ((1, 30), (1, 4), (2, 1)):
        save(store, name_of(version, epoch), {"a": A})
    assert store.names() == [name_of(4, 1), name_of(30, 1), name_of(1, 2)]


def test_beside_a_checkpoint_of_a_later_writer_none_of_an_older_one_appears(medium: Medium) -> None:
    save(medium.store(), name_of(4, 2), {"a": A})
    with pytest.raises(Fenced, match="later writer"):
        save(medium.store(), name_of(5, 1), {"a": A})
    assert medium.store().names() == [name_of(4, 2)]


def test_a_removed_checkpoint_is_gone(medium: Medium) -> None:
    store = medium.store()
    for version in (1, 2):
        save(store, name_of(version), {"a": A})
    store.remove(name_of(1))
    assert store.names() == [name_of(2)]
    with pytest.raises(CorruptCheckpoint):
        store.notes(name_of(1))


def test_damage_is_noticed_by_the_reader(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"a": A})
    medium.damage(name_of(1))
    with pytest.raises(CorruptCheckpoint, match="checksum"):
        medium.store().arrays(name_of(1))


def test_damage_of_the_base_is_an_error_of_the_medium_and_not_copied(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"a": A})
    medium.damage(name_of(1))
    with pytest.raises(OSError, match="checksum"):
        medium.store().begin(name_of(1))


@given(writes=st.lists(st.tuples(st.lists(st.integers(0, 30), unique=True), st.integers(-9, 9)), max_size=8))
def test_rows_written_in_any_order_are_those_of_an_array_in_memory(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[list[int], int]]
) -> None:
    expected = np.zeros((0, 2), np.int32)
    for medium in (InMemory(), OnDisk(tmp_path_factory.mktemp("checkpoints"))):
        store = medium.store()
        store.begin(None)
        expected = np.zeros((0, 2), np.int32)
        for rows, value in writes:
            longer = np.zeros((max(len(expected), max(rows, default=-1) + 1), 2), np.int32)
            longer[: len(expected)] = expected
            longer[rows] = value
            expected = longer
            store.write_rows("x", np.array(rows, np.int64), np.full((len(rows), 2), value, np.int32))
        store.commit(name_of(1), b"{}")
        require_same(store.arrays(name_of(1)), {"x": expected} if writes else {})


def test_one_that_is_rewritten_has_other_rows_and_notes_and_all_else_as_it_was(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"t.a": A, "t.b": B}, b"old")
    save(medium.store(), name_of(2), {"t.a": A}, b"other")
    rows = np.array([1, 4])
    medium.store().rewrite(name_of(1), {"t.a": (rows, np.array([-1, -4]))}, b"new")
    changed = A.copy()
    changed[rows] = [-1, -4]
    store = medium.store()
    assert store.names() == [name_of(1), name_of(2)]
    assert (store.notes(name_of(1)), store.notes(name_of(2))) == (b"new", b"other")
    require_same(store.arrays(name_of(1)), {"t.a": changed, "t.b": B})
    require_same(store.arrays(name_of(2)), {"t.a": A})


def test_a_damaged_array_is_not_rewritten_with_a_checksum_that_says_it_is_well(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"t.a": A})
    medium.damage(name_of(1))
    with pytest.raises(CorruptCheckpoint):
        medium.store().rewrite(name_of(1), {"t.a": (np.array([1]), np.array([-1]))}, b"new")


def test_a_single_array_can_be_read(medium: Medium) -> None:
    save(medium.store(), name_of(1), {"t.a": A, "none": A[:0]})
    found = medium.store().array(name_of(1), "t.a")
    assert found is not None
    assert found.tolist() == A.tolist()
    assert medium.store().array(name_of(1), "t.b") is None
    medium.damage(name_of(1))
    with pytest.raises(CorruptCheckpoint):
        medium.store().array(name_of(1), "t.a")
