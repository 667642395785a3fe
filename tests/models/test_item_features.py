"""What is remembered of an item's features: the latest value of each name, within K slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumer.messages import FeatureEntries
from consumer.models import item_features
from consumer.models.item_features import NO_SLOT, ItemFeatures

K = 3
Entry = tuple[int, int, float]


def entries(found: Sequence[Entry]) -> FeatureEntries:
    names, texts, values = zip(*found, strict=True) if found else ((), (), ())
    return FeatureEntries(np.array(names, np.uint32), np.array(texts, np.uint32), np.array(values, np.float64))


def slots(features: ItemFeatures, item: int) -> dict[int, tuple[int, float]]:
    columns = zip(*(column[item].tolist() for column in features), strict=True)
    return {name: (text, value) for name, text, value in columns if name}


EVENTS = st.lists(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 3), st.floats(-100.0, 100.0)), max_size=5, unique_by=lambda e: e[0]
    ),
    max_size=6,
)


@given(EVENTS)
def test_the_latest_value_of_the_first_names_is_kept(events: list[list[Entry]]) -> None:
    features = item_features.allocate(2, K)
    expected: dict[int, tuple[int, float]] = {}
    for event in events:
        item_features.remember(features, 1, entries([(9, 9, 9.0), *event]), 1, len(event))
        for name, text, value in event:
            if name in expected or len(expected) < K:
                expected[name] = (text, float(np.float32(np.arcsinh(value))))
    assert slots(features, 1) == expected
    assert slots(features, 0) == {}


def test_no_number_is_too_large() -> None:
    features = item_features.allocate(1, K)
    item_features.remember(features, 0, entries([(1, 0, 1.7e308), (2, 0, -1.7e308), (3, 0, 0.01)]), 0, 3)
    assert np.isfinite(features.value).all()
    assert features.value[0, 0] == -features.value[0, 1] > 700
    assert np.float32(0.009999) < features.value[0, 2] < np.float32(0.01)


def test_a_name_is_found_wherever_it_stands() -> None:
    features = item_features.allocate(1, K)
    item_features.remember(features, 0, entries([(5, 1, 0.0), (6, 2, 0.0)]), 0, 2)
    for guess in range(K):
        found = [item_features.slot_of(features, 0, np.uint32(name), guess) for name in (5, 6, 7)]
        assert found == [0, 1, NO_SLOT]


def test_nothing_is_left_of_a_forgotten_item() -> None:
    features = item_features.allocate(2, K)
    for item in (0, 1):
        item_features.remember(features, item, entries([(1, 4, 0.0), (2, 0, 8.0)]), 0, 2)
    item_features.forget_item(features, 0)
    assert not any(column[0].any() for column in features)
    assert len(slots(features, 1)) == 2
