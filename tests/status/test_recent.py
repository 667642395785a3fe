"""Rates, ages and series over the last minutes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consumer.status.figures import Ages, Figures
from consumer.status.recent import N_STEPS, Recent
from tests.page.states import NOW_S, at

BOUNDS_S = (0.1, 0.5, 1.0)


def ages(*counts: int) -> Ages:
    """So many in each bucket, the last one beyond all bounds."""
    return Ages(BOUNDS_S, np.cumsum(counts))


def recent(*readings: tuple[float, Figures, int]) -> Recent:
    """Told (second, figures, records behind)."""
    made = Recent()
    for now_s, figures, n_behind in readings:
        made.note(figures, n_behind, now_s, NOW_S + now_s)
    return made


def learned(n: int, **more: object) -> Figures:
    return replace(Figures(to_update=ages(0, 0, 0, 0), to_publish=ages(0, 0, 0, 0)), n_learned=n, **more)  # type: ignore[arg-type] # by name


def steady(seconds: int, per_second: int) -> Recent:
    return recent(*((float(s), learned(s * per_second), s) for s in range(seconds + 1)))


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    readings = [(float(s), learned(100 * min(s, 20) + 700 * max(s - 20, 0)), 0) for s in range(31)]
    assert recent(*readings).throughput(readings[-1][1]).events_per_s == pytest.approx(700)


def test_a_first_reading_has_no_rate_yet() -> None:
    assert recent((5.0, learned(900), 0)).throughput(learned(900)).events_per_s == 0.0


def test_outcomes_that_never_occurred_are_left_out() -> None:
    figures = learned(3, outcomes={"admitted": 3, "late": 0})
    assert recent((0.0, figures, 0)).throughput(figures).outcomes == {"admitted": 3}


def test_ages_are_those_of_the_last_minute() -> None:
    before, after = learned(0, to_publish=ages(0, 0, 90, 0)), learned(0, to_publish=ages(10, 0, 90, 0))
    freshness = recent((0.0, learned(0), 0), (5.0, before, 0), (64.0, after, 0)).freshness()
    assert freshness.to_publish is not None
    assert freshness.to_publish.p50_s == pytest.approx(0.05)
    assert freshness.to_publish.p99_s == pytest.approx(0.099)


def test_without_events_there_are_no_ages() -> None:
    freshness = recent((0.0, learned(0), 0), (1.0, learned(0), 0)).freshness()
    assert (freshness.to_update, freshness.to_publish) == (None, None)


def test_an_age_beyond_all_bounds_counts_as_the_last_bound() -> None:
    freshness = recent((0.0, learned(0), 0), (1.0, learned(0, to_update=ages(0, 0, 0, 7)), 0)).freshness()
    assert freshness.to_update is not None
    assert freshness.to_update.p95_s == 1.0


def test_the_series_has_a_point_every_five_seconds_that_ends_now() -> None:
    series = steady(30, per_second=40).series()
    assert (series.step_s, series.ends_at) == (5.0, at(30))
    assert series.values["events_per_s"] == [40.0] * 6
    assert series.values["lag_records"] == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    assert series.values["to_publish_p95_s"] == [None] * 6


def test_a_day_takes_no_more_room_than_ten_minutes() -> None:
    series = steady(86_400 // 20, per_second=1).series()
    assert [len(values) for values in series.values.values()] == [N_STEPS] * 3
