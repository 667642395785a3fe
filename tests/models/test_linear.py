"""`linear`: what it finds, that it steps as the papers say, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.messages import Float64Array
from consumer.models.features import SparseRows
from consumer.models.learning_rate import Constant, CosineRestarts, InverseScaling, Schedule
from consumer.models.linear import Loss, OnlineRecommender
from consumer.models.optimisers import AdaGrad, Ftrl, Optimiser, Sgd
from tests.models.linear_reference import PlainLinear

OPTIMISERS: dict[str, Optimiser] = {"sgd": Sgd(), "adagrad": AdaGrad(), "ftrl": Ftrl(beta=1.0)}
SCHEDULES: list[Schedule] = [Constant(), InverseScaling(0.4), CosineRestarts(period=7, growth=2, least=0.01)]
N = 4
NUMBERS = st.one_of(st.just(0.0), st.floats(-3.0, 3.0, allow_subnormal=False))
ROWS = st.lists(st.tuples(st.lists(NUMBERS, min_size=N, max_size=N), st.integers(0, 1)), min_size=1, max_size=30)


def sparse(rows: Float64Array) -> SparseRows:
    return SparseRows.of((np.flatnonzero(row).tolist(), row[row != 0.0].tolist()) for row in rows)


def linear_world(n: int = 4_000, n_features: int = 5, noise: float = 0.1) -> tuple[Float64Array, Float64Array]:
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(n, n_features))
    return rows, rows @ np.arange(1.0, n_features + 1.0) - 2.0 + noise * rng.normal(size=n)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_known_weights_are_recovered_from_noisy_numbers(name: str) -> None:
    rows, labels = linear_world()
    rate = {"sgd": 0.05, "adagrad": 1.0, "ftrl": 1.0}[name]
    model = OnlineRecommender(5, rate, optimiser=OPTIMISERS[name], schedule=InverseScaling(0.3 if name == "sgd" else 0))
    model.update_many(rows, labels)
    assert model.weights == pytest.approx([1, 2, 3, 4, 5], abs=0.05)
    assert model.intercept == pytest.approx(-2.0, abs=0.05)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
def test_known_log_odds_are_recovered_from_labels(name: str) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(60_000, 3))
    truth = np.array([1.0, -0.5, 0.0])
    labels = (rng.random(len(rows)) < 1.0 / (1.0 + np.exp(-(rows @ truth - 1.0)))).astype(float)
    rate = {"sgd": 0.3, "adagrad": 0.2, "ftrl": 0.2}[name]
    schedule = InverseScaling(0.4) if name == "sgd" else Constant()
    model = OnlineRecommender(3, rate, loss="logistic", optimiser=OPTIMISERS[name], schedule=schedule)
    model.update_many(rows, labels)
    assert model.weights == pytest.approx(truth, abs=0.08)
    assert model.intercept == pytest.approx(-1.0, abs=0.08)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
@pytest.mark.parametrize("loss", list(Loss))
@given(
    rows=ROWS, l1=st.sampled_from([0.0, 0.02]), l2=st.sampled_from([0.0, 0.1]), clip=st.sampled_from([math.inf, 0.5])
)
def test_steps_are_those_of_the_papers(
    name: str, loss: Loss, rows: list[tuple[list[float], int]], l1: float, l2: float, clip: float
) -> None:
    model = OnlineRecommender(N, 0.1, loss=loss, optimiser=OPTIMISERS[name], l1=l1, l2=l2, clip=clip)
    plain = PlainLinear(N, name, 0.1, loss is Loss.LOGISTIC, l1, l2, clip=clip)
    for row, label in rows:
        model.update_weights(row, label)
        plain.learn(row, label)
    assert [*model.weights, model.intercept] == pytest.approx(plain.weights, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
@given(rows=ROWS, schedule=st.sampled_from(SCHEDULES))
def test_many_rows_at_once_or_one_by_one_dense_or_sparse_give_the_same_bits(
    name: str, rows: list[tuple[list[float], int]], schedule: Schedule
) -> None:
    features, labels = np.array([row for row, _ in rows]), np.array([label for _, label in rows], float)
    one, many, few = (
        OnlineRecommender(N, 0.1, loss="logistic", optimiser=OPTIMISERS[name], schedule=schedule, l1=0.01)
        for _ in range(3)
    )
    for row, label in zip(features, labels, strict=True):
        one.update_weights(row, label)
    many.update_many(features, labels)
    few.update_many(sparse(features), labels)
    assert one.weights.tobytes() == many.weights.tobytes() == few.weights.tobytes()
    assert one.predict_many(features).tolist() == [one.predict(row) for row in features]
    assert one.predict_many(features).tolist() == few.predict_many(sparse(features)).tolist()


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_restored_model_goes_on_bit_for_bit(name: str, schedule: Schedule) -> None:
    def make() -> OnlineRecommender:
        return OnlineRecommender(5, 0.1, optimiser=OPTIMISERS[name], schedule=schedule, l1=0.01, l2=0.01, clip=5.0)

    rows, labels = linear_world(300)
    whole, first, second = make(), make(), make()
    whole.raise_rate(1.5)
    first.raise_rate(1.5)
    whole.update_many(rows, labels)
    first.update_many(rows[:137], labels[:137])
    second.restore({key: array.copy() for key, array in first.state().items()})
    second.update_many(rows[137:], labels[137:])
    assert {key: array.tobytes() for key, array in whole.state().items()} == {
        key: array.tobytes() for key, array in second.state().items()
    }


@pytest.mark.parametrize("name", sorted(OPTIMISERS))
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_step_moves_the_prediction_towards_the_label(name: str, label: float) -> None:
    model = OnlineRecommender(2, 0.01, loss="logistic", optimiser=OPTIMISERS[name])
    row = [1.0, -3.0]
    assert model.predict(row) == 0.5
    model.update_weights(row, label)
    assert abs(model.predict(row) - label) < 0.5


def test_l1_leaves_features_that_say_nothing_at_exactly_zero() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(3_000, 20))
    model = OnlineRecommender(20, 0.1, optimiser=Ftrl(), l1=30.0)
    model.update_many(rows, rows[:, 0] + 0.1 * rng.normal(size=3_000))
    assert np.flatnonzero(model.weights).tolist() == [0]


def test_l2_keeps_weights_small() -> None:
    rows, labels = linear_world(1_000)
    free, held = OnlineRecommender(5, 0.01), OnlineRecommender(5, 0.01, l2=1.0)
    for model in (free, held):
        model.update_many(rows, labels)
    assert np.linalg.norm(held.weights) < 0.7 * np.linalg.norm(free.weights)


def test_a_clipped_step_is_no_longer_than_rate_times_clip() -> None:
    model = OnlineRecommender(2, 0.1, clip=2.0)
    model.update_weights([300.0, 400.0], 1e6)
    assert np.hypot(*model.weights) == pytest.approx(0.1 * 2.0, rel=1e-4)


def test_a_row_of_importance_three_pulls_three_times_as_far() -> None:
    light, heavy = OnlineRecommender(1, 0.01), OnlineRecommender(1, 0.01)
    light.update_weights([1.0], 1.0)
    heavy.update_weights([1.0], 1.0, importance=3.0)
    assert heavy.weights == pytest.approx(3.0 * light.weights)


def test_a_raised_rate_takes_longer_steps_until_it_is_lowered_again() -> None:
    model = OnlineRecommender(1, 0.01, has_intercept=False)
    model.raise_rate(10.0)
    model.update_weights([1.0], 1.0)
    assert model.weights.tolist() == [pytest.approx(0.1)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_ftrl_without_gradient_stays_where_it_is_whatever_the_rate_does(schedule: Schedule) -> None:
    model = OnlineRecommender(1, 0.5, optimiser=Ftrl(), schedule=schedule, l1=0.01, l2=0.1, has_intercept=False)
    model.update_weights([1.0], 3.0)
    learned = float(model.weights[0])
    for _ in range(20):
        model.update_weights([1.0], model.predict([1.0]))
    assert model.weights[0] == pytest.approx(learned, rel=1e-12)


@pytest.mark.parametrize("features", [[1.0], [1.0, 2.0, 3.0]])
def test_a_wrong_number_of_features_names_both_lengths(features: list[float]) -> None:
    model = OnlineRecommender(2)
    message = f"a row has {len(features)} features, but the model has 2"
    with pytest.raises(ValueError, match=message):
        model.predict(features)
    with pytest.raises(ValueError, match=message):
        model.update_weights(features, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_by_name_and_nothing_is_learned(bad: float) -> None:
    model = OnlineRecommender(2)
    with pytest.raises(ValueError, match=f"feature 1 of row 1 is {bad}"):
        model.update_many([[1.0, 1.0], [1.0, bad]], [1.0, 1.0])
    with pytest.raises(ValueError, match=f"the value of entry 0 is {bad}"):
        model.update_weights(SparseRows.of([([1], [bad])]), 1.0)
    with pytest.raises(ValueError, match=f"label of row 0 is {bad}"):
        model.update_weights([1.0, 1.0], bad)
    with pytest.raises(ValueError, match=f"importance of row 0 is {bad}"):
        model.update_weights([1.0, 1.0], 1.0, importance=bad)
    with pytest.raises(ValueError, match=f"offset of row 0 is {bad}"):
        model.update_weights([1.0, 1.0], 1.0, offset=bad)
    assert model.n_steps == 0
    assert not model.weights.any()


def test_sparse_rows_with_unknown_or_repeated_features_are_refused() -> None:
    model = OnlineRecommender(3)
    with pytest.raises(ValueError, match="entry 1 is about feature 3, but the model has 3 features, 0 … 2"):
        model.predict(SparseRows.of([([0, 3], [1.0, 1.0])]))
    with pytest.raises(ValueError, match="row 1 has the same feature twice"):
        model.predict_many(SparseRows.of([([0], [1.0]), ([2, 2], [1.0, 1.0])]))


def test_a_model_that_diverges_says_so_and_stays_finite() -> None:
    model = OnlineRecommender(1, learning_rate=10.0)
    with pytest.raises(ValueError, match=r"overflows\. Lower learning_rate"):
        model.update_many(np.full((1_000, 1), 10.0), np.ones(1_000))
    assert math.isfinite(model.weights[0])


@pytest.mark.parametrize("label", [-0.1, 2.0])
def test_logistic_loss_refuses_labels_that_are_no_chances(label: float) -> None:
    with pytest.raises(ValueError, match="labels lie between 0 and 1"):
        OnlineRecommender(1, loss="logistic").update_weights([1.0], label)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_features": 0}, "num_features is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"l1": -1.0}, "l1 is -1"),
        ({"l2": math.inf}, "l2 is inf"),
        ({"clip": 0.0}, "clip is 0"),
        ({"optimiser": Ftrl(beta=-1.0)}, "beta is -1"),
        ({"schedule": InverseScaling(-1.0)}, "power is -1"),
        ({"schedule": CosineRestarts(period=0)}, "period is 0"),
        ({"schedule": CosineRestarts(least=1.0)}, "least is 1"),
        ({"loss": "hinge"}, "hinge"),
        ({"first_intercept": math.nan}, "first_intercept is nan"),
        ({"first_intercept": 1.0, "has_intercept": False}, "needs has_intercept"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"num_features": 2, **wrong}
    with pytest.raises(ValueError, match=message):
        OnlineRecommender(**arguments)  # type: ignore[arg-type] # each value is wrong on purpose


def test_another_recipes_state_is_refused() -> None:
    with pytest.raises(ValueError, match="another loss, optimiser"):
        OnlineRecommender(2, optimiser=AdaGrad()).restore(OnlineRecommender(2).state())
    with pytest.raises(ValueError, match=r"linear.weight is float64\(4,\), expected float64\(3,\)"):
        OnlineRecommender(2).restore(OnlineRecommender(3).state())
