"""Most negatives thrown away, and the chances right all the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

from consumer.messages import Float64Array
from consumer.models.linear import OnlineRecommender
from consumer.models.negative_sampling import corrected_chance, drawn, is_kept, rate_of_uniform, sampling_offset
from consumer.models.optimisers import AdaGrad

RATE = 0.02
N = 1_500_000


def rare_events() -> tuple[Float64Array, Float64Array, Float64Array]:
    """Rows, true chances of about 1 in 1000, labels."""
    rng = np.random.default_rng(11)
    rows = rng.normal(size=(N, 2))
    chances = 1.0 / (1.0 + np.exp(-(rows @ [0.6, -0.4] - 7.15)))
    return rows, chances, (rng.random(N) < chances).astype(float)


ROWS, CHANCES, LABELS = rare_events()


def predicted_before_learning(rate: Float64Array, *, with_offset: bool) -> Float64Array:
    """(N,) each thousand rows is predicted whole, then what is kept of it is learned."""
    kept = (LABELS > 0.0) | np.array([is_kept(np.uint64(i), r) for i, r in enumerate(rate)])
    first = -sampling_offset(RATE) if with_offset else 0.0  # even odds in the sample
    model = OnlineRecommender(2, 0.1, loss="logistic", optimiser=AdaGrad(), first_intercept=first)
    predicted = np.empty(N)
    for start in range(0, N, 1_000):
        part = slice(start, start + 1_000)
        predicted[part] = model.predict_many(ROWS[part])
        chosen = start + np.flatnonzero(kept[part])
        offsets = [sampling_offset(r) if with_offset else 0.0 for r in rate[chosen]]
        model.update_many(ROWS[chosen], LABELS[chosen], offsets=offsets)
    return predicted


def assert_calibrated(predicted: Float64Array) -> None:
    """Once the intercept has come down from even odds: in sum, and among the rows of lower and of higher chances."""
    learned = np.arange(N) >= N // 3
    assert predicted[learned].sum() == pytest.approx(LABELS[learned].sum(), rel=0.1)
    for half in np.array_split(np.flatnonzero(learned)[np.argsort(CHANCES[learned])], 2):
        assert predicted[half].sum() == pytest.approx(CHANCES[half].sum(), rel=0.1)


def test_one_event_in_a_thousand_is_calibrated_with_the_offset_while_learning() -> None:
    assert 900 < N / LABELS.sum() < 1_100
    assert_calibrated(predicted_before_learning(np.full(N, RATE), with_offset=True))


def test_one_event_in_a_thousand_is_calibrated_by_the_shift_afterwards() -> None:
    predicted = predicted_before_learning(np.full(N, RATE), with_offset=False)
    assert predicted.sum() > 20 * LABELS.sum()
    assert_calibrated(np.array([corrected_chance(chance, RATE) for chance in predicted]))


def test_a_rate_that_changes_along_the_stream_leaves_no_trace() -> None:
    assert_calibrated(predicted_before_learning(np.where(np.arange(N) < N // 2, 0.05, 0.01), with_offset=True))


@pytest.mark.parametrize("rate", [0.001, 0.25, 1.0])
def test_as_many_are_kept_as_the_rate_says(rate: float) -> None:
    n_kept = sum(is_kept(np.uint64(i << 7), rate) for i in range(100_000))
    assert abs(n_kept - 100_000 * rate) <= 4 * math.sqrt(100_000 * rate * (1.0 - rate))


def test_draws_are_uniform_and_the_same_in_every_run() -> None:
    counts = np.zeros((7, 7))
    for key in range(7_000):
        first, second = (drawn(np.uint64(key << 40), counter, 7) for counter in (0, 1))
        counts[first, second] += 1
    expected = 7_000 / 49
    assert ((counts - expected) ** 2 / expected).sum() < 100.0  # 48 degrees of freedom: above in 1 of 60,000
    assert [drawn(np.uint64(5), counter, 1_000) for counter in range(4)] == [
        drawn(np.uint64(5), counter, 1_000) for counter in range(4)
    ]


@pytest.mark.parametrize("chance", [1e-6, 0.3, 0.999])
def test_the_correction_shifts_the_log_odds_by_the_logarithm_of_the_rate(chance: float) -> None:
    corrected = corrected_chance(chance, 0.01)
    shift = math.log(corrected / (1.0 - corrected)) - math.log(chance / (1.0 - chance))
    assert shift == pytest.approx(math.log(0.01))
    assert sampling_offset(0.01) == pytest.approx(-shift)


def test_drawing_some_of_the_candidates_is_a_rate() -> None:
    assert rate_of_uniform(5, 1_000) == 0.005
    assert rate_of_uniform(5, 3) == 1.0
    assert rate_of_uniform(5, 0) == 1.0
