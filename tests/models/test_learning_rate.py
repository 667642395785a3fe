"""Learning-rate schedules against their formulas."""

from __future__ import annotations

import pytest

from consumer.models.learning_rate import Constant, CosineRestarts, InverseScaling, Schedule, rate_at, rate_of


def rates(schedule: Schedule, *steps: int) -> list[float]:
    return [rate_at(rate_of(0.2, schedule), step) for step in steps]


def test_a_constant_rate_stays() -> None:
    assert rates(Constant(), 0, 10**9) == [0.2, 0.2]


def test_inverse_scaling_falls_with_the_power_of_the_step() -> None:
    assert rates(InverseScaling(0.5), 0, 3, 99) == pytest.approx([0.2, 0.1, 0.02])


def test_cosine_falls_to_its_least_half_way_at_the_middle_and_starts_again() -> None:
    assert rates(CosineRestarts(period=10, growth=1, least=0.1), 0, 5, 10, 25) == pytest.approx([0.2, 0.15, 0.2, 0.15])


def test_each_cosine_cycle_is_longer_by_its_growth() -> None:
    schedule = CosineRestarts(period=10, growth=3, least=0.0)
    assert rates(schedule, 10, 25, 40, 85, 130) == pytest.approx([0.2, 0.1, 0.2, 0.1, 0.2])


def test_a_cosine_rate_never_leaves_its_range() -> None:
    found = rates(CosineRestarts(period=7, growth=2, least=0.05), *range(500))
    assert min(found) >= 0.05
    assert max(found) == 0.2
