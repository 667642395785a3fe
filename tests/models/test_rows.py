"""Arrays side by side: rows that share cache lines, and no memory counted twice."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.models.rows import LINE_BYTES, aligned, memory_of, side_by_side

FIELDS = (("key", np.uint64, (2,)), ("time", np.int64), ("place", np.int32))


def address(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]], row: int) -> int:
    return array.ctypes.data + row * array.strides[0]


def test_arrays_begin_with_a_cache_line() -> None:
    for shape in ((3,), (1000, 7)):
        array = aligned(shape, np.float32)
        assert array.shape == shape
        assert array.ctypes.data % LINE_BYTES == 0
        assert not array.any()


@pytest.mark.parametrize("row", [0, 1, 2, 99])
def test_the_fields_of_a_row_lie_on_one_line(row: int) -> None:
    arrays = side_by_side(100, FIELDS)
    lines = {address(array, row) // LINE_BYTES for array in arrays.values()}
    last = max(address(array, row) + array[row].nbytes - 1 for array in arrays.values())
    assert lines == {last // LINE_BYTES}


def test_fields_and_rows_do_not_overlap() -> None:
    arrays = side_by_side(50, FIELDS)
    for n, array in enumerate(arrays.values()):
        array[...] = 100 * n + np.arange(50).reshape((50, *[1] * (array.ndim - 1)))
    for n, array in enumerate(arrays.values()):
        assert (array == 100 * n + np.arange(50).reshape((50, *[1] * (array.ndim - 1)))).all()


def test_entries_of_a_place_lie_next_to_each_other() -> None:
    arrays = side_by_side(10, (("item", np.int32), ("session", np.uint32)), 20)
    assert {array.shape for array in arrays.values()} == {(10, 20)}
    assert arrays["session"].ctypes.data - arrays["item"].ctypes.data == 4
    assert arrays["item"].strides == (160, 8)


def test_shared_memory_is_counted_once() -> None:
    arrays = side_by_side(1000, FIELDS)
    assert 32 * 1000 <= memory_of(arrays.values()) <= 32 * 1000 + LINE_BYTES
    alone = np.zeros(10)
    assert memory_of([alone, alone[:5]]) == alone.nbytes
