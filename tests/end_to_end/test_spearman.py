"""The rank correlation that other tests rely on."""

from __future__ import annotations

import pytest

from tests.end_to_end.spearman import of_the_greatest, rank_correlation


def test_only_the_order_counts() -> None:
    assert rank_correlation([1, 2, 3, 4], [10, 200, 3_000, 40_000]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1.0)


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    # ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5
    assert rank_correlation([1, 2, 2, 4], [1, 2, 3, 4]) == pytest.approx(4.5 / (4.5 * 5) ** 0.5)


def test_what_was_not_found_is_last_and_what_is_rare_is_left_out() -> None:
    true = {"a": 0.4, "b": 0.3, "c": 0.2, "rare": 0.1}
    assert of_the_greatest(true, {"a": 5.0, "b": 4.0, "rare": 9.0}, 3) == pytest.approx(1.0)
    assert of_the_greatest(true, {"b": 4.0, "c": 3.0}, 3) == pytest.approx(-0.5)
