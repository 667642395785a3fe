"""Named features hashed into sparse rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from consumer.models.features import SparseRows, hashed
from consumer.models.linear import OnlineRecommender


def test_a_row_has_one_entry_a_feature_with_the_number_or_one_for_a_text() -> None:
    rows = hashed([{"price": 2.5, "colour": "red"}, {}], 1 << 20)
    assert rows.start.tolist() == [0, 2, 2]
    assert np.abs(rows.value).tolist() == [2.5, 1.0]


def test_the_same_name_is_the_same_feature_whatever_stands_beside_it() -> None:
    rows = hashed([{"a": 1.0}, {"b": 1.0, "a": 3.0}], 1 << 20)
    assert rows.index[0] == rows.index[2]
    assert rows.value[2] == 3.0 * rows.value[0]


def test_another_text_is_another_feature() -> None:
    rows = hashed([{"colour": "red"}, {"colour": "blue"}], 1 << 20)
    assert rows.index[0] != rows.index[1]


def test_features_that_share_an_index_are_added_up_with_their_signs() -> None:
    names = [f"name-{i}" for i in range(50)]
    together = hashed([dict.fromkeys(names, 1.0)], 1)
    apart = hashed([{name: 1.0} for name in names], 1)
    assert len(together.index) == 1
    assert together.value[0] == apart.value.sum()


def test_signs_are_even() -> None:
    rows = hashed([{f"name-{i}": 1.0 for i in range(10_000)}], 1 << 28)
    assert abs(rows.value.sum()) < 4 * math.sqrt(10_000)


def test_hashed_features_can_be_learned_in_far_fewer_columns_than_there_are_texts() -> None:
    rng = np.random.default_rng(5)
    shops = rng.integers(0, 200, 20_000)
    model = OnlineRecommender(1 << 12, 0.2)
    model.update_many(hashed([{"shop": f"shop-{shop}"} for shop in shops], 1 << 12), (shops % 2).astype(float))
    predicted = model.predict_many(hashed([{"shop": f"shop-{shop}"} for shop in range(200)], 1 << 12))
    assert np.mean((predicted > 0.5) == (np.arange(200) % 2 == 1)) > 0.95


def test_a_number_that_is_not_finite_names_row_and_feature() -> None:
    with pytest.raises(ValueError, match="row 1: feature 'price' is nan"):
        hashed([{}, {"price": math.nan}], 16)


def test_indices_and_values_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="row 0 has 2 indices and 1 values"):
        SparseRows.of([([1, 2], [1.0])])


def test_hashing_into_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="n_features is 0"):
        hashed([{}], 0)
