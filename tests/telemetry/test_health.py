from __future__ import annotations

import pytest

from consumer.telemetry.health import Health, HealthPolicy
from tests.telemetry.scrape import ManualClock


def test_a_loop_that_moved_within_the_limit_is_alive(clock: ManualClock, health: Health) -> None:
    clock.advance(500)
    health.moved(clock.monotonic_s())
    clock.advance(30)
    assert health.liveness().is_alive


def test_a_loop_that_stands_still_longer_is_not(clock: ManualClock, health: Health) -> None:
    health.moved(clock.monotonic_s())
    clock.advance(30.1)
    assert not health.liveness().is_alive


def test_a_loop_that_moves_again_is_alive_again(clock: ManualClock, health: Health) -> None:
    health.moved(clock.monotonic_s())
    clock.advance(100)
    health.moved(clock.monotonic_s())
    assert health.liveness().is_alive


def test_starting_may_take_longer_than_a_turn_of_the_loop(clock: ManualClock, health: Health) -> None:
    clock.advance(119)
    assert health.liveness().is_alive


def test_starting_may_not_take_for_ever(clock: ManualClock, health: Health) -> None:
    clock.advance(121)
    assert not health.liveness().is_alive


def test_the_moment_of_the_last_move_is_told_in_wall_time(clock: ManualClock, health: Health) -> None:
    clock.advance(10)
    health.moved(clock.monotonic_s())
    moved_at_s = clock.wall_s()
    clock.advance(45)
    now = health.liveness()
    assert (now.since_s, now.silent_s) == (moved_at_s, 45)


def test_a_limit_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0 s"):
        HealthPolicy(max_silence_s=0)
