"""`OnlineRecommender`: a linear model that learns from one row of features after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from consumer.messages import Float64Array
from consumer.models import linear_kernels as kernels
from consumer.models.features import SparseRows
from consumer.models.learning_rate import Constant, Schedule, rate_of
from consumer.models.linear_kernels import LOGISTIC, SQUARED, LinearArrays, LinearRecipe
from consumer.models.optimisers import Optimiser, Sgd, recipe_of
from consumer.tables import Array


class Loss(StrEnum):
    SQUARED = "squared"
    LOGISTIC = "logistic"


Rows = ArrayLike | SparseRows
PerRow = ArrayLike


class OnlineRecommender:
    """Predicts a number (squared loss) or a chance (logistic loss) from features; every weight starts at zero.

    Features are `num_features` numbers a row, or `SparseRows` of as many columns; both give the same numbers. Many rows
    at once are learned in order, in one compiled pass, bit for bit as one by one. A call that raises learned nothing,
    but where a model diverges in the middle of many rows; the error says how many were learned.

    On 200 rows of y = 2·a − b + 1 it finds the weights:

    >>> rows = [[i % 5 - 2.0, i % 3 - 1.0] for i in range(200)]
    >>> labels = [2.0 * a - b + 1.0 for a, b in rows]
    >>> model = OnlineRecommender(num_features=2, learning_rate=0.1)
    >>> model.predict([1.0, 1.0])
    0.0
    >>> for row, label in zip(rows, labels):
    ...     model.update_weights(row, label)
    >>> [round(float(w), 3) for w in model.weights], round(model.intercept, 3)
    ([2.0, -1.0], 1.0)
    >>> round(model.predict([1.0, 1.0]), 3)
    2.0
    """

    def __init__(
        self,
        num_features: int,
        learning_rate: float = 0.05,
        *,
        loss: Loss | str = Loss.SQUARED,
        optimiser: Optimiser | None = None,
        schedule: Schedule | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip: float = math.inf,
        has_intercept: bool = True,
        first_intercept: float = 0.0,
    ) -> None:
        """Plain SGD at a constant rate, unless told otherwise. Raises ValueError for what is out of range.

        `first_intercept` is where the intercept starts: for rare events near their log-odds, if these are known.
        """
        if num_features < 1:
            raise ValueError(f"num_features is {num_features}; it must be at least 1")
        if not clip > 0.0:
            raise ValueError(f"clip is {clip}; it must be above 0 (inf: gradients of any length)")
        self.num_features = int(num_features)
        self.recipe = LinearRecipe(
            loss=LOGISTIC if Loss(loss) is Loss.LOGISTIC else SQUARED,
            has_intercept=int(has_intercept),
            clip=float(clip),
            rate=rate_of(learning_rate, schedule or Constant()),
            optimiser=recipe_of(optimiser or Sgd(), l1, l2),
        )
        self.arrays: LinearArrays = kernels.allocate(self.num_features)
        if first_intercept and not (has_intercept and math.isfinite(first_intercept)):
            raise ValueError(f"first_intercept is {first_intercept}; it must be finite, and needs has_intercept")
        self.arrays.weights.weight[-1] = first_intercept
        self._every_index = np.arange(self.num_features, dtype=np.int32)

    @property
    def weights(self) -> Float64Array:
        """(num_features,) a copy."""
        return self.arrays.weights.weight[:-1].copy()

    @property
    def intercept(self) -> float:
        return float(self.arrays.weights.weight[-1])

    @property
    def n_steps(self) -> int:
        """Rows learned."""
        return int(self.arrays.n_steps[0])

    def predict(self, features: Rows) -> float:
        """For one row. Changes nothing."""
        return float(self.predict_many(_one_row(features))[0])

    def predict_many(self, rows: Rows) -> Float64Array:
        """(n,) for many rows."""
        margins = self.margins(rows)
        predicted = np.empty(len(margins))
        kernels.predict_all(self.recipe, margins, predicted)
        return predicted

    def margins(self, rows: Rows) -> Float64Array:
        """(n,) weighted sums; under logistic loss the log-odds."""
        checked = self._checked(rows)
        margins = np.empty(len(checked))
        if isinstance(checked, SparseRows):
            kernels.margins_sparse(self.arrays, self.recipe, checked.start, checked.index, checked.value, margins)
        else:
            kernels.margins_dense(self.arrays, self.recipe, self._every_index, checked, margins)
        return margins

    def update_weights(self, features: Rows, label: float, *, importance: float = 1.0, offset: float = 0.0) -> None:
        """Learn one row: one step of every weight down the gradient of the loss.

        A row of importance 2 counts as two. `offset` is added to the margin here and not in `predict`.
        """
        self.update_many(_one_row(features), [label], importance=[importance], offsets=[offset])

    def update_many(
        self, rows: Rows, labels: PerRow, *, importance: PerRow | None = None, offsets: PerRow | None = None
    ) -> None:
        """Learn many rows in order."""
        checked = self._checked(rows)
        n = len(checked)
        label_each = self._labels(labels, n)
        importance_each = _per_row("importance", np.ones(n) if importance is None else importance, n)
        if np.any(importance_each < 0.0):
            r = int(np.argmax(importance_each < 0.0))
            raise ValueError(f"importance of row {r} is {importance_each[r]}; it must be at least 0")
        offset_each = _per_row("offset", np.zeros(n) if offsets is None else offsets, n)
        if isinstance(checked, SparseRows):
            n_learned = kernels.learn_sparse(
                self.arrays, self.recipe, checked.start, checked.index, checked.value,
                label_each, importance_each, offset_each,
            )  # fmt: skip
        else:
            n_learned = kernels.learn_dense(
                self.arrays, self.recipe, self._every_index, checked, label_each, importance_each, offset_each
            )
        if n_learned < n:
            raise ValueError(
                f"row {n_learned} was not learned ({n_learned} before it were): its prediction or gradient overflows. "
                f"Lower learning_rate ({self.recipe.rate.learning_rate}), set clip, or bring features to one scale"
            )

    def raise_rate(self, factor: float) -> None:
        """Multiply the scheduled learning rate by this from here on (1: as scheduled)."""
        if not (math.isfinite(factor) and factor > 0.0):
            raise ValueError(f"factor is {factor}; it must be a finite number above 0")
        self.arrays.rate_factor[0] = factor

    def state(self) -> Mapping[str, Array]:
        """All state by name: the arrays themselves, not copies; and the recipe, so that no other goes on with it."""
        weights, n_steps, rate_factor = self.arrays
        return {
            **{f"linear.{name}": array for name, array in weights._asdict().items()},
            "linear.n_steps": n_steps,
            "linear.rate_factor": rate_factor,
            "linear.recipe": _as_numbers(self.recipe),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over copies of what `state` gave; learning goes on bit for bit. Raises ValueError if it doesn't fit."""
        for name, array in self.state().items():
            if name not in state:
                raise ValueError(f"the state lacks {name}")
            saved = state[name]
            if saved.shape != array.shape or saved.dtype != array.dtype:
                raise ValueError(f"{name} is {saved.dtype}{saved.shape}, expected {array.dtype}{array.shape}")
        if not np.array_equal(state["linear.recipe"], _as_numbers(self.recipe)):
            raise ValueError("the state was learned with another loss, optimiser, schedule, penalty or clip")
        for name, array in self.state().items():
            array[...] = state[name]

    def _checked(self, rows: Rows) -> Float64Array | SparseRows:
        if isinstance(rows, SparseRows):
            self._check_sparse(rows)
            return rows
        dense = np.ascontiguousarray(rows, np.float64)
        if dense.ndim != 2 or dense.shape[1] != self.num_features:
            given = dense.shape[1] if dense.ndim == 2 else dense.shape
            raise ValueError(f"a row has {given} features, but the model has {self.num_features}")
        wrong = np.argwhere(~np.isfinite(dense))
        if len(wrong):
            r, i = wrong[0].tolist()
            raise ValueError(f"feature {i} of row {r} is {dense[r, i]}; give finite numbers (0 for what isn't known)")
        return dense

    def _check_sparse(self, rows: SparseRows) -> None:
        outside = np.flatnonzero((rows.index < 0) | (rows.index >= self.num_features))
        if len(outside):
            raise ValueError(
                f"entry {outside[0]} is about feature {rows.index[outside[0]]}, but the model has {self.num_features} "
                f"features, 0 … {self.num_features - 1}"
            )
        wrong = np.flatnonzero(~np.isfinite(rows.value))
        if len(wrong):
            raise ValueError(f"the value of entry {wrong[0]} is {rows.value[wrong[0]]}; leave out what isn't known")
        repeated = kernels.first_repeated(rows.start, rows.index, np.zeros(self.num_features, np.uint8))
        if repeated >= 0:
            raise ValueError(f"row {repeated} has the same feature twice; add their values up")

    def _labels(self, labels: PerRow, n: int) -> Float64Array:
        each = _per_row("label", labels, n)
        if self.recipe.loss == LOGISTIC and np.any((each < 0.0) | (each > 1.0)):
            r = int(np.argmax((each < 0.0) | (each > 1.0)))
            raise ValueError(f"label of row {r} is {each[r]}; under logistic loss labels lie between 0 and 1")
        return each


def _one_row(features: Rows) -> Rows:
    if isinstance(features, SparseRows):
        if len(features) != 1:
            raise ValueError(f"{len(features)} rows were given where one was expected")
        return features
    row = np.asarray(features, np.float64)
    if row.ndim != 1:
        raise ValueError(f"features have shape {row.shape}; one row of numbers was expected")
    return row[np.newaxis]


def _per_row(name: str, values: PerRow, n: int) -> Float64Array:
    each = np.ascontiguousarray(values, np.float64)
    if each.shape != (n,):
        raise ValueError(f"there are {n} rows, but {name} has shape {each.shape}")
    wrong = np.flatnonzero(~np.isfinite(each))
    if len(wrong):
        raise ValueError(f"{name} of row {wrong[0]} is {each[wrong[0]]}; give finite numbers")
    return each


def _as_numbers(recipe: LinearRecipe) -> Float64Array:
    return np.array([recipe.loss, recipe.has_intercept, recipe.clip, *recipe.rate, *recipe.optimiser], np.float64)
