from __future__ import annotations

import pytest

from consumer.replay.pace import Pace
from consumer.replay.progress import ProgressMeter


def seconds_for(pace: Pace, n_batches: int, n_records: int) -> float:
    """Taking batches as soon as they may be, at no time of their own."""
    now_s = 0.0
    for _ in range(n_batches):
        now_s += pace.wait_s(now_s)
        pace.took(n_records, now_s)
    return now_s + pace.wait_s(now_s)


def test_records_come_at_the_rate_however_they_are_cut() -> None:
    assert seconds_for(Pace(500.0, 0.0), 100, 50) == pytest.approx(10.0, abs=0.3)
    assert seconds_for(Pace(500.0, 0.0), 5_000, 1) == pytest.approx(10.0, abs=0.3)


def test_time_lost_is_not_made_up_by_a_burst() -> None:
    pace = Pace(100.0, 0.0)
    pace.took(10, 60.0)
    assert pace.wait_s(60.0) == pytest.approx(0.0, abs=0.11)
    pace.took(100, 60.0)
    assert pace.wait_s(60.0) > 0.8


def test_a_slow_pace_makes_small_batches_and_no_pace_leaves_them() -> None:
    assert Pace(100.0, 0.0).batch_of(10_000) == 20
    assert Pace(0.5, 0.0).batch_of(10_000) == 1
    assert Pace(None, 0.0).batch_of(10_000) == 10_000
    assert Pace(None, 0.0).wait_s(5.0) == 0.0


def test_share_rate_and_time_left_are_of_the_last_seconds() -> None:
    meter = ProgressMeter(n_offsets=2_000, n_left=1_500, now_s=0.0)  # an earlier process took 500
    for second in range(1, 41):
        progress = meter.read(10 * second, 1_500 - 10 * second, 77, float(second))
    assert progress.share == pytest.approx(0.45)
    assert progress.records_per_s == pytest.approx(10.0)
    assert progress.left_s == pytest.approx(110.0)
    assert progress.event_time_ms == 77
    for second in range(41, 80):
        progress = meter.read(400, 1_100, 77, float(second))
    assert progress.records_per_s == 0.0
    assert progress.left_s is None


def test_a_range_without_offsets_is_done() -> None:
    assert ProgressMeter(0, 0, 0.0).read(0, 0, None, 1.0).share == 1.0
