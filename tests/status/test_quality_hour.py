"""Hits of the last hour, told apart from those before it."""

from __future__ import annotations

import pytest

from consumer.learning import quality
from consumer.learning.quality import OFF, WINDOW, QualityArrays
from consumer.status.quality_hour import QualityHour
from tests.page.states import NOW_S, at


def sample(arrays: QualityArrays, n: int, ensemble: int = 0, popularity: int = 0, linear: int = OFF) -> None:
    """So many samples with the next item at these places; the other members never list it."""
    for _ in range(n):
        quality.record(arrays, ensemble, 0, 0, popularity, OFF, linear, OFF)


def test_each_member_has_its_share_of_hits_and_its_mean_reciprocal_rank() -> None:
    arrays = quality.allocate()
    hour = QualityHour(arrays, 0.0)
    sample(arrays, 3, ensemble=2, popularity=0)
    sample(arrays, 1, ensemble=0, popularity=1)
    hour.note(1.0)
    shown = hour.quality(1.0)
    assert shown.members["ensemble"].hit_ratio == pytest.approx(0.75)
    assert shown.members["ensemble"].mrr == pytest.approx(0.375)
    assert shown.members["popularity"].hit_ratio == pytest.approx(0.25)
    assert {member.samples for member in shown.members.values()} == {4}
    assert (shown.window_s, shown.cutoff) == (1.0, 20)


def test_a_member_that_was_not_asked_is_left_out() -> None:
    arrays = quality.allocate()
    hour = QualityHour(arrays, 0.0)
    sample(arrays, 2)
    hour.note(1.0)
    assert list(hour.quality(1.0).members) == ["ensemble", "item_to_item", "repeat", "popularity"]


def test_what_was_sampled_before_is_not_of_this_hour() -> None:
    arrays = quality.allocate()
    sample(arrays, 5, ensemble=1)
    hour = QualityHour(arrays, 0.0)
    hour.note(1.0)
    assert hour.quality(1.0).members == {}


def test_after_an_hour_the_first_minutes_are_forgotten() -> None:
    arrays = quality.allocate()
    hour = QualityHour(arrays, 0.0)
    sample(arrays, 10, ensemble=1)
    hour.note(30.0)
    sample(arrays, 10, ensemble=0)
    hour.note(59 * 60.0)
    assert hour.quality(59 * 60.0).members["ensemble"].hit_ratio == 0.5
    hour.note(60 * 60.0)
    assert hour.quality(3_600.0).members["ensemble"].hit_ratio == 0.0
    assert hour.quality(7_200.0).window_s == 3_600.0


def test_after_a_long_silence_nothing_is_left() -> None:
    arrays = quality.allocate()
    hour = QualityHour(arrays, 0.0)
    sample(arrays, 10, ensemble=1)
    hour.note(10.0)
    hour.note(100_000.0)
    assert hour.quality(100_000.0).members == {}


def test_of_more_samples_than_the_window_keeps_the_last_ones_count() -> None:
    arrays = quality.allocate()
    hour = QualityHour(arrays, 0.0)
    sample(arrays, 10, ensemble=1)
    sample(arrays, WINDOW, ensemble=0)
    hour.note(1.0)
    assert hour.quality(1.0).members["ensemble"].samples == WINDOW
    assert hour.quality(1.0).members["ensemble"].hit_ratio == 0.0


def test_the_series_has_a_value_a_minute_and_gaps_where_nothing_was_sampled() -> None:
    arrays = quality.allocate()
    hour = QualityHour(arrays, 0.0)
    sample(arrays, 4, ensemble=1)
    hour.note(10.0)
    sample(arrays, 4, ensemble=1, popularity=3)
    sample(arrays, 4)
    hour.note(130.0)
    series = hour.series(NOW_S)
    assert series.values == {"ensemble": [1.0, None, 0.5], "popularity": [0.0, None, 0.5]}
    assert (series.step_s, series.ends_at) == (60.0, at(0))


def test_the_series_never_grows_beyond_an_hour() -> None:
    hour = QualityHour(quality.allocate(), 0.0)
    hour.note(10_000.0)
    assert [len(values) for values in hour.series(NOW_S).values.values()] == [60, 60]
