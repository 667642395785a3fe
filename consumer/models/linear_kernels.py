"""`linear`, compiled: one row of features at a time, or many in one pass with the same numbers.

The margin is m = Σ w_i·x_i + intercept. Squared loss ½·(m − y)² predicts m, logistic loss predicts 1/(1 + e^(−m)) for
labels from 0 to 1; both have the gradient (prediction − y)·x, and weights move down it. A row's gradient is clipped to
a greatest length (L2) before the step.

An `offset` is added to the margin in learning only: what is known about the sample and must not be learned, such as
−ln(rate) where negatives were thinned out (`consumer.models.negative_sampling`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import optimisers
from consumer.models.learning_rate import Rate, rate_at
from consumer.models.optimisers import Recipe, Weights, move

SQUARED = 0
LOGISTIC = 1

LEARNED = 0
NOT_FINITE = 1


class LinearArrays(NamedTuple):
    """All that is learned; the last entry of `weights` belongs to the intercept."""

    weights: Weights  # of n_features + 1 entries
    n_steps: Int64Array  # (1,) rows learned
    rate_factor: Float64Array  # (1,) times the scheduled learning rate; raised for a while when the world changes


class LinearRecipe(NamedTuple):
    """What doesn't change while it learns."""

    loss: int
    has_intercept: int
    clip: float  # greatest length of a row's gradient; inf: any
    rate: Rate
    optimiser: Recipe


def allocate(n_features: int) -> LinearArrays:
    """Everything zero."""
    return LinearArrays(optimisers.allocate(n_features + 1), np.zeros(1, np.int64), np.ones(1))


@hot_kernel
def margin(linear: LinearArrays, recipe: LinearRecipe, index: Int32Array, value: Float64Array) -> float:
    """m of a row that has feature index[k] = value[k] and zeros elsewhere."""
    weight = linear.weights.weight
    total = weight[len(weight) - 1] if recipe.has_intercept else 0.0
    for k in range(len(index)):
        total += weight[index[k]] * value[k]
    return float(total)


@hot_kernel
def sigmoid(x: float) -> float:
    """1/(1 + e^(−x)) without overflow."""
    if x >= 0.0:
        return float(1.0 / (1.0 + np.exp(-x)))
    e = np.exp(x)
    return float(e / (1.0 + e))


@hot_kernel
def prediction_of(recipe: LinearRecipe, margin: float) -> float:
    """What is predicted at a margin."""
    return sigmoid(margin) if recipe.loss == LOGISTIC else margin


@hot_kernel
def learn_row(
    linear: LinearArrays,
    recipe: LinearRecipe,
    index: Int32Array,
    value: Float64Array,
    label: float,
    importance: float,
    offset: float,
) -> int:
    """One step. Indices within a row are distinct. NOT_FINITE, with nothing learned, where a number isn't finite or the
    row's gradient would overflow; else LEARNED."""
    error = prediction_of(recipe, margin(linear, recipe, index, value) + offset) - label
    squares = 1.0 if recipe.has_intercept else 0.0
    for k in range(len(value)):
        squares += value[k] * value[k]
    length_squared = error * error * importance * importance * squares
    if not (np.isfinite(length_squared) and np.isfinite(error) and np.isfinite(squares) and np.isfinite(importance)):
        return NOT_FINITE
    gain = error * importance
    length = np.sqrt(length_squared)
    if length > recipe.clip:
        gain *= recipe.clip / length
    rate = rate_at(recipe.rate, linear.n_steps[0]) * linear.rate_factor[0]
    linear.n_steps[0] += 1
    if rate > 0.0:  # a schedule may touch zero
        _step(linear.weights, recipe, index, value, gain, rate)
    return LEARNED


@hot_kernel
def _step(
    weights: Weights, recipe: LinearRecipe, index: Int32Array, value: Float64Array, gain: float, rate: float
) -> None:
    l1, l2 = recipe.optimiser.l1, recipe.optimiser.l2
    for k in range(len(index)):
        if value[k] != 0.0:
            move(weights, recipe.optimiser, index[k], gain * value[k], rate, l1, l2)
    if recipe.has_intercept:
        move(weights, recipe.optimiser, len(weights.weight) - 1, gain, rate, 0.0, 0.0)


@hot_kernel
def learn_dense(
    linear: LinearArrays,
    recipe: LinearRecipe,
    every_index: Int32Array,
    rows: Float64Array,
    labels: Float64Array,
    importance: Float64Array,
    offsets: Float64Array,
) -> int:
    """Learn rows (n, n_features) in order; stops at the first that cannot be learned and returns its number, else n."""
    for r in range(len(rows)):
        if learn_row(linear, recipe, every_index, rows[r], labels[r], importance[r], offsets[r]) != LEARNED:
            return r
    return len(rows)


@hot_kernel
def learn_sparse(
    linear: LinearArrays,
    recipe: LinearRecipe,
    start: Int64Array,
    index: Int32Array,
    value: Float64Array,
    labels: Float64Array,
    importance: Float64Array,
    offsets: Float64Array,
) -> int:
    """The same for sparse rows: entries start[r] … start[r + 1] belong to row r."""
    for r in range(len(labels)):
        a, b = start[r], start[r + 1]
        if learn_row(linear, recipe, index[a:b], value[a:b], labels[r], importance[r], offsets[r]) != LEARNED:
            return r
    return len(labels)


@hot_kernel
def margins_dense(
    linear: LinearArrays, recipe: LinearRecipe, every_index: Int32Array, rows: Float64Array, out: Float64Array
) -> None:
    """out[r] = margin of row r."""
    for r in range(len(rows)):
        out[r] = margin(linear, recipe, every_index, rows[r])


@hot_kernel
def margins_sparse(
    linear: LinearArrays,
    recipe: LinearRecipe,
    start: Int64Array,
    index: Int32Array,
    value: Float64Array,
    out: Float64Array,
) -> None:
    """out[r] = margin of row r."""
    for r in range(len(out)):
        out[r] = margin(linear, recipe, index[start[r] : start[r + 1]], value[start[r] : start[r + 1]])


@hot_kernel
def predict_all(recipe: LinearRecipe, margins: Float64Array, out: Float64Array) -> None:
    """out[r] = what is predicted at margins[r]."""
    for r in range(len(margins)):
        out[r] = prediction_of(recipe, margins[r])


@hot_kernel
def first_repeated(start: Int64Array, index: Int32Array, seen: UInt8Array) -> int:
    """The first row in which an index stands twice, or -1. `seen` has an entry a feature, zero between calls."""
    found = -1
    for r in range(len(start) - 1):
        for k in range(start[r], start[r + 1]):
            if seen[index[k]] and found < 0:
                found = r
            seen[index[k]] = 1
        for k in range(start[r], start[r + 1]):
            seen[index[k]] = 0
    return found
