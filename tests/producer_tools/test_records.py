"""Columns of byte strings: what goes in comes out, and changing some of them leaves the others alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producer_tools.records import RecordBlock, Strings

GIVEN = st.lists(st.none() | st.binary(max_size=10), max_size=20)


@given(GIVEN)
def test_strings_are_what_was_given(strings: list[bytes | None]) -> None:
    assert list(Strings.of(strings)) == strings
    assert Strings.of(strings)[:3] == strings[:3]


@given(GIVEN, st.data())
def test_new_values_take_their_places_only(strings: list[bytes | None], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.sampled_from(range(len(strings))), unique=True)) if strings else []
    values = [b"new-%d" % place for place in places]
    found = list(Strings.of(strings).with_values(places, values))
    assert [found[place] for place in places] == values
    assert [found[i] for i in range(len(strings)) if i not in places] == [
        string for i, string in enumerate(strings) if i not in places
    ]


def test_nulls_are_no_empty_strings() -> None:
    assert list(Strings.of([b"", b"a", b"b"]).without(np.array([1]))) == [b"", None, b"b"]


def test_a_block_in_columns_is_the_same_block() -> None:
    block = RecordBlock([b"a", b"b"], [b"1", None], np.array([1, 2]))
    columns = block.in_columns()
    assert (list(columns.keys), list(columns.values)) == ([b"a", b"b"], [b"1", None])
    assert columns.in_columns().values is columns.values
