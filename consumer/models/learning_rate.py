"""How large a step is: learning-rate schedules, as functions of the number of steps taken and nothing else.

    constant          η(t) = η
    inverse scaling   η(t) = η / (t + 1)^power
    cosine restarts   η(t) = m + (η − m) · (1 + cos(π·s/T)) / 2, s steps into a cycle of T (Loshchilov, Hutter 2017,
                      "SGDR: stochastic gradient descent with warm restarts"); each cycle is `growth` times the last one

A schedule holds no state, so a model that resumes at step t goes on as if it had never stopped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel

CONSTANT = 0
INVERSE_SCALING = 1
COSINE_RESTARTS = 2


@dataclass(frozen=True, slots=True)
class Constant:
    """The same step for ever: never stops following the stream."""


@dataclass(frozen=True, slots=True)
class InverseScaling:
    """Ever smaller steps: converges where the world stands still. With 0.5 < power ≤ 1 SGD is sure to."""

    power: float = 0.5


@dataclass(frozen=True, slots=True)
class CosineRestarts:
    """From the learning rate down to `least`, then up again at once."""

    period: int = 10_000
    """Steps of the first cycle."""
    growth: int = 2
    least: float = 0.0


Schedule = Constant | InverseScaling | CosineRestarts


class Rate(NamedTuple):
    """A learning rate with its schedule, as kernels take it."""

    learning_rate: float
    kind: int
    power: float
    period: int
    growth: int
    least: float


def rate_of(learning_rate: float, schedule: Schedule) -> Rate:
    """Raises ValueError naming what is out of range."""
    if not (math.isfinite(learning_rate) and learning_rate > 0.0):
        raise ValueError(f"learning_rate is {learning_rate}; it must be a finite number above 0")
    if isinstance(schedule, InverseScaling):
        if not (math.isfinite(schedule.power) and schedule.power >= 0.0):
            raise ValueError(f"power is {schedule.power}; it must be a finite number of at least 0")
        return Rate(float(learning_rate), INVERSE_SCALING, float(schedule.power), 1, 1, 0.0)
    if isinstance(schedule, CosineRestarts):
        if schedule.period < 1 or schedule.growth < 1:
            raise ValueError(f"period is {schedule.period} and growth {schedule.growth}; both must be at least 1")
        if not 0.0 <= schedule.least <= learning_rate:
            raise ValueError(f"least is {schedule.least}; it must lie between 0 and learning_rate, {learning_rate}")
        return Rate(
            float(learning_rate),
            COSINE_RESTARTS,
            0.0,
            int(schedule.period),
            int(schedule.growth),
            float(schedule.least),
        )
    return Rate(float(learning_rate), CONSTANT, 0.0, 1, 1, 0.0)


@hot_kernel
def rate_at(rate: Rate, step: int) -> float:
    """The learning rate after so many steps (the first step is taken at `step` 0)."""
    if rate.kind == INVERSE_SCALING:
        return float(rate.learning_rate / (step + 1.0) ** rate.power)
    if rate.kind == COSINE_RESTARTS:
        into, period = _within_cycle(rate, step)
        return float(
            rate.least + (rate.learning_rate - rate.least) * 0.5 * (1.0 + np.cos(np.pi * (float(into) / float(period))))
        )
    return float(rate.learning_rate)


@hot_kernel
def _within_cycle(rate: Rate, step: int) -> tuple[int, int]:
    """Steps into the current cycle, and its length."""
    period = rate.period
    if rate.growth == 1:
        return step % period, period
    while step >= period:
        step -= period
        period *= rate.growth
    return step, period
