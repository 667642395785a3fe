"""Online standardisation against the statistics of the whole list."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models.standardise import LIMIT, OnlineStandardiser, add

HOUR_MS = 3_600_000
OBSERVED = st.lists(st.tuples(st.floats(-100.0, 100.0), st.integers(0, 50)), min_size=2, max_size=40)


def taught(rows: list[tuple[float, int]], time_constant_s: float = math.inf) -> OnlineStandardiser:
    standardiser = OnlineStandardiser(1, time_constant_s)
    for x, hour in rows:
        standardiser.observe([x], hour * HOUR_MS)
    return standardiser


@given(OBSERVED, st.sampled_from([math.inf, 36_000.0]))
def test_mean_and_spread_are_those_of_the_weighted_list_in_any_order(
    rows: list[tuple[float, int]], time_constant_s: float
) -> None:
    arrays = taught(rows, time_constant_s).arrays
    x = np.array([value for value, _ in rows])
    weight = np.exp(np.array([hour for _, hour in rows]) * 3600.0 / time_constant_s)
    mean = np.average(x, weights=weight)
    assert arrays.mean[0] == pytest.approx(mean, abs=1e-9)
    assert arrays.squares[0] / arrays.weight[0] == pytest.approx(np.average((x - mean) ** 2, weights=weight), abs=1e-7)


@given(OBSERVED, OBSERVED, st.sampled_from([math.inf, 36_000.0]))
def test_what_two_observed_side_by_side_adds_up(
    rows: list[tuple[float, int]], others: list[tuple[float, int]], time_constant_s: float
) -> None:
    one, other, both = (taught(part, time_constant_s).arrays for part in (rows, others, rows + others))
    untouched = [array.copy() for array in other]
    add(one, other)
    assert one.mean[0] == pytest.approx(both.mean[0], abs=1e-7)
    assert one.squares[0] / one.weight[0] == pytest.approx(both.squares[0] / both.weight[0], abs=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(other, untouched, strict=True))


def test_adding_nothing_changes_nothing() -> None:
    one = taught([(1.0, 0), (5.0, 3)]).arrays
    before = [array.copy() for array in one]
    add(one, OnlineStandardiser(1).arrays)
    assert all(np.array_equal(a, b) for a, b in zip(one, before, strict=True))
    nobody = OnlineStandardiser(1).arrays
    add(nobody, one)
    assert (nobody.mean[0], nobody.squares[0]) == (one.mean[0], one.squares[0])


def test_a_long_stream_comes_out_with_mean_zero_and_spread_one() -> None:
    x = np.random.default_rng(1).normal(50.0, 7.0, 5_000)
    standardiser = taught([(value, 0) for value in x])
    z = np.array([standardiser.standardised([value])[0] for value in x])
    assert z.mean() == pytest.approx(0.0, abs=1e-9)
    assert z.std() == pytest.approx(1.0, abs=1e-9)


def test_with_a_time_constant_the_old_scale_fades() -> None:
    old = [(float(i % 10), 0) for i in range(1_000)]
    new = [(1_000.0 + i % 10, 1_000) for i in range(100)]
    assert taught(old + new, 3_600.0).standardised([1_004.5])[0] == pytest.approx(0.0, abs=1e-6)


def test_decades_later_nothing_overflows() -> None:
    rows = [(float(i % 7), 10_000 * i) for i in range(40)]
    arrays = taught(rows, 3_600.0).arrays
    assert all(np.isfinite(array).all() for array in arrays)
    assert arrays.mean[0] == pytest.approx(rows[-1][0])


def test_a_missing_value_teaches_nothing_and_comes_out_neutral() -> None:
    standardiser = OnlineStandardiser(2)
    for x in (1.0, 2.0, 3.0):
        standardiser.observe([x, math.nan], 0)
    assert standardiser.standardised([math.nan, 5.0]).tolist() == [0.0, 0.0]
    assert standardiser.arrays.weight.tolist() == [3.0, 0.0]


def test_a_feature_that_never_varied_comes_out_neutral() -> None:
    assert taught([(0.1, 0)] * 10).standardised([0.1 + 1e-13]).tolist() == [0.0]


def test_an_absurd_value_is_cut_off() -> None:
    assert taught([(1.0, 0), (2.0, 0)]).standardised([1e300]).tolist() == [LIMIT]


def test_restored_statistics_go_on_bit_for_bit() -> None:
    rows = [(math.sin(i), i) for i in range(100)]
    whole, first, second = taught(rows, 7_200.0), taught(rows[:41], 7_200.0), OnlineStandardiser(1)
    second.restore({name: array.copy() for name, array in first.state().items()})
    for x, hour in rows[41:]:
        second.observe([x], hour * HOUR_MS)
    assert [array.tobytes() for array in whole.arrays] == [array.tobytes() for array in second.arrays]


def test_wrong_lengths_and_infinite_values_are_refused() -> None:
    standardiser = OnlineStandardiser(2)
    with pytest.raises(ValueError, match=r"shape \(1,\), but there are 2 features"):
        standardiser.observe([1.0], 0)
    with pytest.raises(ValueError, match="feature 1 is inf"):
        standardiser.observe([1.0, math.inf], 0)
    with pytest.raises(ValueError, match="time_constant_s is 0"):
        OnlineStandardiser(1, 0.0)
