"""Byte strings in one piece of memory: what goes in comes out, whatever is null or empty."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.byte_column import PADDING, ByteColumn

STRINGS = st.lists(st.none() | st.binary(max_size=20), max_size=12)


@given(STRINGS)
def test_strings_come_out_as_they_went_in(strings: list[bytes | None]) -> None:
    column = ByteColumn.of(strings)
    assert list(column) == strings
    assert column.n_bytes == sum(len(string or b"") for string in strings)


@given(STRINGS)
def test_kernels_may_read_a_little_beyond_the_last_string(strings: list[bytes | None]) -> None:
    column = ByteColumn.of(strings)
    assert len(column.text) == column.n_bytes + PADDING
    assert column.text.flags.writeable


@given(st.lists(STRINGS, min_size=1, max_size=4))
def test_joined_columns_hold_all_strings_in_order(parts: list[list[bytes | None]]) -> None:
    column = ByteColumn.joined([ByteColumn.of(part) for part in parts])
    assert list(column) == [string for part in parts for string in part]
    assert len(column.text) == column.n_bytes + PADDING


def test_a_column_can_be_sliced_and_counted_from_its_end() -> None:
    column = ByteColumn.of([b"a", None, b"", b"dd"])
    assert (column[-1], column[1:3]) == (b"dd", [None, b""])


def test_an_index_beyond_the_column_is_refused() -> None:
    with pytest.raises(IndexError):
        ByteColumn.of([b"a"])[1]
