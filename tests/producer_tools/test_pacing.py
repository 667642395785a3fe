"""Due times of open-loop schedules, and the record of the sender's own lateness."""

from __future__ import annotations

import numpy as np
import pytest

from producer_tools.pacing import AsFastAsPossible, FixedRate, Lateness, OriginalPace


def test_without_a_pace_everything_is_due_at_once() -> None:
    assert AsFastAsPossible().due_s(5, np.array([1, 2])).tolist() == [0, 0]


def test_a_fixed_rate_goes_on_from_block_to_block() -> None:
    assert FixedRate(4).due_s(8, np.zeros(3, dtype=np.int64)).tolist() == [2.0, 2.25, 2.5]


def test_the_original_pace_is_that_of_the_event_times_times_the_speed() -> None:
    pace = OriginalPace(speed=60)
    assert pace.due_s(0, np.array([5_000, 65_000])).tolist() == [0, 1]
    assert pace.due_s(2, np.array([125_000])).tolist() == [2]


def test_an_event_time_that_goes_back_behind_the_first_is_due_at_once() -> None:
    pace = OriginalPace(speed=1)
    assert pace.due_s(0, np.array([5_000, 4_000])).tolist() == [0, 0]


def test_lateness_knows_its_quantiles_within_a_fifth() -> None:
    late_s = np.linspace(0.001, 1.0, 1_000)
    lateness = Lateness()
    lateness.add(late_s[:300])
    lateness.add(late_s[300:])
    assert lateness.max_s == 1.0
    for share in (0.5, 0.99):
        assert share <= lateness.quantile_s(share) <= share * 1.19


def test_no_quantile_is_beyond_the_greatest_lateness() -> None:
    lateness = Lateness()
    lateness.add(np.array([0.4626]))
    assert lateness.quantile_s(0.99) == 0.4626


def test_lateness_of_nothing_is_nothing() -> None:
    lateness = Lateness()
    lateness.add(np.array([]))
    assert lateness.quantile_s(0.99) == lateness.max_s == 0


def test_hours_of_lateness_are_counted_too() -> None:
    lateness = Lateness()
    lateness.add(np.array([1e6]))
    assert lateness.quantile_s(0.5) > 1_000
    assert lateness.max_s == pytest.approx(1e6)
