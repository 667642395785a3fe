"""The kernel that writes related rows, against json and Python's own formatting."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.models import item_to_item
from consumer.models.state import ItemText
from consumer.snapshots.related_text import around, related_values

MOST = 8


def texts_of(ids: list[str]) -> ItemText:
    encoded = [item.encode() for item in ids]
    text = np.zeros((len(ids), max(map(len, encoded)) or 1), np.uint8)
    for row, item in enumerate(encoded):
        text[row, : len(item)] = np.frombuffer(item, np.uint8)
    return ItemText(text, np.array([len(item) for item in encoded], np.int32))


def value_of(ids: list[str], weights: list[float], mass: float, most: int = MOST, dead: int | None = None) -> str:
    """The text of row 0, whose neighbours are rows 1, 2, …"""
    i2i = item_to_item.allocate(len(ids), MOST, 3_600.0)
    i2i.neighbour[0, : len(weights)] = np.arange(1, len(weights) + 1)
    i2i.weight[0, : len(weights)] = weights
    i2i.size[0] = len(weights)
    i2i.counts[0] = mass
    is_live = np.ones(len(ids), np.uint8)
    if dead is not None:
        is_live[dead] = 0
    rows = np.zeros(1, np.int64)
    [value] = related_values(i2i, is_live, texts_of(ids), rows, 1.0, most, around("2026-11-23T10:15:00.123Z", 417))
    return value.decode()


@given(
    ids=st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=2, max_size=9, unique=True),
    mass=st.floats(1e-12, 1e14),
    data=st.data(),
)
@settings(deadline=None)
def test_a_row_says_what_json_would_say(ids: list[str], mass: float, data: st.DataObject) -> None:
    n = len(ids) - 1
    weights = data.draw(st.lists(st.floats(2.0**-30, 2.0**30, width=32), min_size=n, max_size=n))
    row = json.loads(value_of(ids, weights, mass))
    order = sorted(range(n), key=lambda i: (-weights[i], i))
    assert [item for item, _ in row["related"]] == [ids[i + 1] for i in order]
    assert [weight for _, weight in row["related"]] == [pytest.approx(weights[i], rel=5.1e-6) for i in order]
    assert row["mass"] == pytest.approx(mass, rel=5.1e-6)
    assert (row["as_of"], row["version"]) == ("2026-11-23T10:15:00.123Z", 417)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1"), (10.0, "10"), (0.5, "0.5"), (31.5, "31.5"), (123456.0, "123456"), (1e-5, "0.00001"),
        (999999.6, "1000000"), (0.99999996, "1"), (1234567.0, "1234570"), (1e-7, "1e-007"), (2.5e12, "2.5e012"),
        (0.000123456789, "0.000123457"), (9.999999e-6, "0.00001"), (1e8, "100000000"),
    ],
)  # fmt: skip
def test_numbers_are_short_and_plain_where_they_can_be(value: float, text: str) -> None:
    assert f'"mass":{text},' in value_of(["a", "b"], [], value)
    assert float(text) == pytest.approx(value, rel=5.1e-6)


def test_the_list_is_cut_and_ties_go_to_the_item_known_longer() -> None:
    row = json.loads(value_of(["x", "a", "b", "c", "d"], [1.0, 2.0, 1.0, 2.0], 1.0, most=3))
    assert row["related"] == [["b", 2], ["d", 2], ["a", 1]]


def test_items_that_are_gone_and_weights_of_nothing_are_left_out() -> None:
    row = json.loads(value_of(["x", "a", "b", "c"], [1.0, 2.0, 0.0], 1.0, dead=2))
    assert row["related"] == [["a", 1]]
