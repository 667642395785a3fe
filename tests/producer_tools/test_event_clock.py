"""When records happen: evenly, or in the rhythm of a day."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer_tools.event_clock import EventClock

MIDNIGHT_MS = 1_767_225_600_000  # 2026-01-01
DAY_MS = 86_400_000


def by_hour(rhythm: float, start_ms: int = MIDNIGHT_MS, days: int = 1) -> np.ndarray:
    """Events in each hour of the day (UTC)."""
    times_ms = EventClock(start_ms, 1.0, rhythm).ms_at(np.arange(86_400 * days))
    return np.bincount(times_ms // 3_600_000 % 24, minlength=24)


def test_without_a_rhythm_every_hour_is_alike() -> None:
    assert by_hour(0.0).tolist() == [3_600] * 24


def test_the_evening_is_busy_and_the_morning_quiet() -> None:
    found = by_hour(0.8)
    assert set(np.argsort(found)[-2:]) == {19, 20}
    assert set(np.argsort(found)[:2]) == {7, 8}
    assert found.max() == pytest.approx(1.8 * 3_600, rel=0.01)
    assert found.min() == pytest.approx(0.2 * 3_600, rel=0.05)


@given(st.floats(0, 0.99), st.integers(0, DAY_MS))
def test_a_day_has_the_same_number_of_events_whatever_the_rhythm(rhythm: float, after_midnight_ms: int) -> None:
    clock = EventClock(MIDNIGHT_MS + after_midnight_ms, 2.0, rhythm)
    first, in_a_day, in_ten_days = clock.ms_at(np.array([0, 2 * 86_400, 20 * 86_400]))
    assert abs(first - MIDNIGHT_MS - after_midnight_ms) <= 1
    assert abs(in_a_day - first - DAY_MS) <= 2
    assert abs(in_ten_days - first - 10 * DAY_MS) <= 2


@given(st.floats(0, 0.99), st.integers(0, DAY_MS), st.floats(0.1, 1_000))
def test_time_never_goes_back(rhythm: float, after_midnight_ms: int, rate: float) -> None:
    times_ms = EventClock(MIDNIGHT_MS + after_midnight_ms, rate, rhythm).ms_at(np.arange(-1_000, 20_000))
    assert np.all(np.diff(times_ms) >= 0)


@given(st.floats(0, 0.99), st.integers(1, 1_000_000))
def test_a_stream_that_starts_so_many_places_before_a_moment_ends_there(rhythm: float, n: int) -> None:
    start_ms = int(EventClock(MIDNIGHT_MS, 5.0, rhythm).ms_at(np.array([-n]))[0])
    assert abs(EventClock(start_ms, 5.0, rhythm).ms_at(np.array([n]))[0] - MIDNIGHT_MS) <= 50
