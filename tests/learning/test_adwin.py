"""ADWIN gives River's verdicts, and says which way the mean went."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from river.drift import ADWIN

from consumer.kernels import kernel
from consumer.learning import adwin
from consumer.learning.adwin import FALLEN, RISEN, AdwinArrays
from consumer.messages import Float64Array, Int64Array

DELTA = 0.002
_ADWIN: Any = ADWIN  # it is not typed


@kernel
def _feed(arrays: AdwinArrays, d: int, numbers: Float64Array, clock: int, verdicts: Int64Array) -> None:
    for i in range(len(numbers)):
        verdicts[i] = adwin.update(arrays, d, numbers[i], DELTA, clock)


def fed(numbers: Float64Array, clock: int = 1, arrays: AdwinArrays | None = None, d: int = 0) -> Int64Array:
    """The verdict after each number."""
    verdicts = np.zeros(len(numbers), np.int64)
    _feed(adwin.allocate(1) if arrays is None else arrays, d, numbers, clock, verdicts)
    return verdicts


def stairs(seed: int) -> Float64Array:
    """Noise whose mean changes, or doesn't, at every 500 numbers."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.choice((0.0, 0.2, 0.5, 1.0), size=8), 500)
    return levels + rng.normal(size=4_000) * float(rng.choice((0.05, 0.3, 1.0)))


@pytest.mark.parametrize("clock", [1, 4, 32])
def test_verdicts_are_those_of_river(clock: int) -> None:
    n_found = 0
    for seed in range(12):
        river, expected = _ADWIN(delta=DELTA, clock=clock), []
        for number in stairs(seed).tolist():
            river.update(number)
            expected.append(river.drift_detected)
        found = fed(stairs(seed), clock) != 0
        assert found.tolist() == expected, f"seed {seed}"
        n_found += int(found.sum())
    assert n_found > 24


def test_a_rise_and_a_fall_are_told_apart() -> None:
    up_and_down = np.repeat((0.0, 1.0, 0.0), 300)
    verdicts = fed(up_and_down)
    assert verdicts[verdicts != 0].tolist() == [RISEN, FALLEN]
    first, second = np.flatnonzero(verdicts)
    assert 300 < first < 330
    assert 600 < second < 630


def test_the_means_around_a_change_are_told_however_long_the_time_before_it() -> None:
    arrays = adwin.allocate(1)
    numbers = np.repeat((-2.0, 2.0), (10_000, 30))
    changed_at = np.flatnonzero(fed(numbers))[0]
    assert fed(numbers[: changed_at + 1], arrays=arrays)[-1] == RISEN
    older, newer = arrays.around[0].tolist()
    assert older == pytest.approx(-2.0)
    assert 0.0 < newer <= 2.0


def test_detectors_side_by_side_know_nothing_of_each_other() -> None:
    arrays = adwin.allocate(2)
    fed(stairs(3), arrays=arrays, d=0)
    assert fed(stairs(4), arrays=arrays, d=1).tolist() == fed(stairs(4)).tolist()


def test_its_memory_grows_with_the_logarithm_of_the_window() -> None:
    arrays = adwin.allocate(1)
    fed(np.zeros(100_000), arrays=arrays)
    assert arrays.width[0] == 100_000
    assert arrays.n_buckets[0].max() <= adwin.MAX_BUCKETS
    assert np.count_nonzero(arrays.n_buckets[0]) <= 16
