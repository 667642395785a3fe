"""The merge of `repeat`'s proposals with the list outside the history, and how its chances are learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import fusion
from consumer.models.fusion import BUCKET_ENDS, BUCKET_OF_RANK, BUCKET_WIDTHS, N_BUCKETS, FusionArrays
from consumer.models.item_to_item import N_RANKED
from tests.models.reference import merged as reference_merged


def merged(
    arrays: FusionArrays, repeated: Sequence[tuple[int, float]], listed: Sequence[int], most: int, n_history: int = 1
) -> list[int]:
    out = np.zeros(most, np.int32)
    n = fusion.merge(
        arrays, n_history,
        np.array([item for item, _ in repeated], np.int32), np.array([chance for _, chance in repeated], np.float64),
        len(repeated), np.array(listed, np.int32), len(listed), out,
    )  # fmt: skip
    return [int(item) for item in out[:n]]


def test_buckets_are_one_rank_each_up_to_four_then_a_third_wider() -> None:
    assert BUCKET_ENDS[:6].tolist() == [1, 2, 3, 4, 6, 8]
    assert BUCKET_ENDS[-1] == N_RANKED
    assert BUCKET_WIDTHS.sum() == N_RANKED
    assert [int(BUCKET_OF_RANK[end]) for end in BUCKET_ENDS] == list(range(N_BUCKETS))


def test_the_prior_falls_with_the_rank() -> None:
    chance = fusion.allocate().chance
    assert chance[0, :4] == pytest.approx([0.1 / (r + 3) for r in (1, 2, 3, 4)])
    assert chance[0, 4] == pytest.approx((0.1 / 8 + 0.1 / 9) / 2)


CHANCES = st.floats(0.0, 1.0)


@given(
    st.lists(CHANCES, min_size=N_BUCKETS, max_size=N_BUCKETS),
    st.lists(CHANCES, max_size=20).map(lambda chances: sorted(chances, reverse=True)),
    st.integers(0, N_RANKED),
    st.integers(1, 130),
)
def test_both_lists_are_merged_by_falling_chance(
    buckets: list[float], repeats: list[float], n_listed: int, most: int
) -> None:
    arrays = fusion.allocate()
    arrays.chance[0] = buckets
    repeated = [(1_000 + b, chance) for b, chance in enumerate(repeats)]
    by_rank = [buckets[BUCKET_OF_RANK[rank]] for rank in range(1, N_RANKED + 1)]
    expected = reference_merged(repeated, range(n_listed), by_rank)
    assert merged(arrays, repeated, range(n_listed), most) == expected[:most]


def test_where_chances_are_equal_the_lists_item_goes_first() -> None:
    arrays = fusion.allocate()
    arrays.chance[0, :] = 1.0
    assert merged(arrays, [(9, 0.5)], [1, 2], most=5) == [1, 2, 9]


def test_the_surer_it_is_that_people_return_the_less_is_left_for_the_list() -> None:
    arrays = fusion.allocate()
    arrays.chance[0, :] = 0.5
    assert merged(arrays, [(8, 0.3), (9, 0.2)], [1], most=3) == [8, 1, 9]  # 0.3, 0.5 · 0.5, 0.2
    assert merged(arrays, [(8, 0.5), (9, 0.2)], [1], most=3) == [8, 9, 1]  # 0.5, 0.2, 0.5 · 0.3


def test_the_list_is_never_left_without_a_chance() -> None:
    arrays = fusion.allocate()
    arrays.chance[0, :] = 1.0
    assert merged(arrays, [(8, 1.0), (9, 0.01)], [1], most=3) == [8, 1, 9]


def test_a_sample_moves_the_bucket_it_fell_into_up_and_the_others_down() -> None:
    arrays = fusion.allocate()
    before = arrays.chance[0].copy()
    fusion.learn_sample(arrays, 1, 6, 1.0)
    step = 1 / 50
    expected = before * (1 - step)
    expected[4] += step / 2  # ranks 5 and 6 share the bucket
    assert arrays.chance[0] == pytest.approx(expected)
    assert arrays.n_samples.tolist() == [1, 0, 0, 0, 0, 0]


def test_a_sample_that_was_not_listed_moves_every_bucket_down() -> None:
    arrays = fusion.allocate()
    before = arrays.chance[5].copy()
    fusion.learn_sample(arrays, 17, 0, 1.0)
    assert arrays.chance[5] == pytest.approx(before * 0.98)


def test_a_shop_where_the_list_never_hits_learns_to_put_repeats_first() -> None:
    arrays = fusion.allocate()
    repeated = [(9, 0.01)]
    assert merged(arrays, repeated, [1, 2], most=3) == [1, 2, 9]
    for _ in range(1_000):
        fusion.learn_sample(arrays, 1, 0, 1.0)
    assert merged(arrays, repeated, [1, 2], most=3) == [9, 1, 2]
