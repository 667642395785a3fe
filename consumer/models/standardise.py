"""Features brought to mean 0 and spread 1, by a mean and variance that follow the stream.

Welford's recurrence with weights (West 1979, "Updating mean and variance estimates") under forward decay (Cormode et
al. 2009): an observation x at time t weighs g = e^((t − L)/τ) with a fixed landmark L, and

    W += g      δ = x − mean      mean += (g/W)·δ      M += g·δ·(x − mean)      variance = M / W

A long stream's statistics hardly move from one row to the next, so rows standardised today mean what they meant
yesterday to whoever learns weights from them; over a τ they follow the world. Late observations count with the weight
of their own time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array
from consumer.tables import Array

MAX_EXPONENT = 300.0
LIMIT = 10.0
"""Standardised values are cut off here: one absurd number must not move every weight."""
LEAST_SPREAD = 1e-9  # relative to the mean: below it the spread is rounding

LANDMARK_MS = 0
TIME_CONSTANT_MS = 1


class StandardiseArrays(NamedTuple):
    """Observed features; a missing one (NaN) says nothing and is standardised to 0."""

    weight: Float64Array  # (n,) W
    mean: Float64Array  # (n,)
    squares: Float64Array  # (n,) M
    times: Float64Array  # (2,) L (NaN before the first), τ (inf: nothing fades)


def allocate(n_features: int, time_constant_s: float) -> StandardiseArrays:
    return StandardiseArrays(
        np.zeros(n_features), np.zeros(n_features), np.zeros(n_features), np.array([np.nan, time_constant_s * 1000.0])
    )


@hot_kernel
def _gain(arrays: StandardiseArrays, time_ms: float) -> float:
    """What an observation at this time weighs; moves the landmark before that overflows."""
    if np.isnan(arrays.times[LANDMARK_MS]):
        arrays.times[LANDMARK_MS] = time_ms
    exponent = (time_ms - arrays.times[LANDMARK_MS]) / arrays.times[TIME_CONSTANT_MS]
    if exponent > MAX_EXPONENT:
        factor = np.exp(-exponent)
        for i in range(len(arrays.weight)):
            arrays.weight[i] *= factor
            arrays.squares[i] *= factor
        arrays.times[LANDMARK_MS] = time_ms
        exponent = 0.0
    return float(np.exp(exponent))


@hot_kernel
def observe(arrays: StandardiseArrays, row: Float64Array, time_ms: float) -> None:
    """Learn from one row; what isn't finite is passed over."""
    g = _gain(arrays, time_ms)
    if g == 0.0:
        return  # so late that it weighs nothing
    for i in range(len(row)):
        if np.isfinite(row[i]):
            _take(arrays, i, row[i], g)


@hot_kernel
def observe_one(arrays: StandardiseArrays, i: int, value: float, time_ms: float) -> None:
    """Learn from one finite value of feature i."""
    g = _gain(arrays, time_ms)
    if g > 0.0:
        _take(arrays, i, value, g)


@hot_kernel
def _take(arrays: StandardiseArrays, i: int, value: float, g: float) -> None:
    arrays.weight[i] += g
    delta = value - arrays.mean[i]
    arrays.mean[i] += g / arrays.weight[i] * delta
    arrays.squares[i] += g * delta * (value - arrays.mean[i])


@hot_kernel
def spread(arrays: StandardiseArrays, i: int) -> float:
    """Standard deviation of feature i; 0 where nothing varied yet."""
    if arrays.weight[i] <= 0.0:
        return 0.0
    value = np.sqrt(max(arrays.squares[i], 0.0) / arrays.weight[i])
    return float(value) if value > LEAST_SPREAD * abs(arrays.mean[i]) else 0.0


@hot_kernel
def standardise(arrays: StandardiseArrays, row: Float64Array, out: Float64Array) -> None:
    """out[i] = (row[i] − mean)/spread within ±LIMIT; 0 where the value is missing or nothing varied yet."""
    for i in range(len(row)):
        out[i] = standardised_one(arrays, i, row[i])


@hot_kernel
def standardised_one(arrays: StandardiseArrays, i: int, value: float) -> float:
    """The same of one value of feature i."""
    s = spread(arrays, i)
    if not (np.isfinite(value) and s > 0.0):
        return 0.0
    return float(max(-LIMIT, min(LIMIT, (value - arrays.mean[i]) / s)))


def add(arrays: StandardiseArrays, others: StandardiseArrays) -> None:
    """Take in what others observed beside (Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm")."""
    theirs_ms = others.times[LANDMARK_MS]
    if np.isnan(theirs_ms):
        return
    if np.isnan(arrays.times[LANDMARK_MS]):
        arrays.times[LANDMARK_MS] = theirs_ms
    landmark_ms = max(theirs_ms, arrays.times[LANDMARK_MS])
    ours, them = (
        np.exp((one.times[LANDMARK_MS] - landmark_ms) / arrays.times[TIME_CONSTANT_MS]) for one in (arrays, others)
    )
    arrays.times[LANDMARK_MS] = landmark_ms
    arrays.weight[:] *= ours
    arrays.squares[:] *= ours
    weight = arrays.weight + others.weight * them
    part = np.divide(others.weight * them, weight, out=np.zeros_like(weight), where=weight > 0.0)
    delta = others.mean - arrays.mean
    arrays.squares[:] += others.squares * them + delta * delta * arrays.weight * part
    arrays.mean[:] += delta * part
    arrays.weight[:] = weight


class OnlineStandardiser:
    """The same as an object, for one row at a time.

    >>> standardiser = OnlineStandardiser(num_features=1)
    >>> for price in (10.0, 20.0, 30.0):
    ...     standardiser.observe([price], time_ms=0)
    >>> standardiser.standardised([20.0]).tolist()
    [0.0]
    >>> round(float(standardiser.standardised([30.0])[0]), 3)
    1.225
    """

    def __init__(self, num_features: int, time_constant_s: float = math.inf) -> None:
        if num_features < 1:
            raise ValueError(f"num_features is {num_features}; it must be at least 1")
        if not time_constant_s > 0.0:
            raise ValueError(f"time_constant_s is {time_constant_s}; it must be above 0 (inf: nothing fades)")
        self.arrays = allocate(num_features, time_constant_s)

    def observe(self, features: ArrayLike, time_ms: int) -> None:
        """Learn from one row at this event time. NaN stands for a missing value; an infinite one is refused."""
        observe(self.arrays, self._checked(features), float(time_ms))

    def standardised(self, features: ArrayLike) -> Float64Array:
        """(n,) the row at mean 0 and spread 1. Changes nothing."""
        row = self._checked(features)
        out = np.zeros(len(row))
        standardise(self.arrays, row, out)
        return out

    def state(self) -> Mapping[str, Array]:
        """All state by name: the arrays themselves, not copies."""
        return {f"standardise.{name}": array for name, array in self.arrays._asdict().items()}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over copies of what `state` gave."""
        for name, array in self.state().items():
            if state[name].shape != array.shape:
                raise ValueError(f"{name} has shape {state[name].shape}, expected {array.shape}")
        for name, array in self.state().items():
            array[...] = state[name]

    def _checked(self, features: ArrayLike) -> Float64Array:
        row = np.ascontiguousarray(features, np.float64)
        if row.shape != self.arrays.mean.shape:
            raise ValueError(f"a row has shape {row.shape}, but there are {len(self.arrays.mean)} features")
        infinite = np.flatnonzero(np.isinf(row))
        if len(infinite):
            raise ValueError(f"feature {infinite[0]} is {row[infinite[0]]}; give finite numbers, or NaN where missing")
        return row
