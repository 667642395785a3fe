"""`linear` in the pipeline: what it has learned, what it obeys, and its working memory.

It tells how likely an item is to come next from a row of features known beforehand (`linear_rows`), learns from the
item that came and some that didn't (`linear_learning`), and judges what others propose: it proposes nothing itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import item_features, learning_rate, linear_kernels, optimisers, standardise
from consumer.models.item_features import ItemFeatures
from consumer.models.learning_rate import Constant, CosineRestarts, InverseScaling, Schedule
from consumer.models.linear_kernels import LOGISTIC, LinearArrays, LinearRecipe
from consumer.models.optimisers import AdaGrad, Ftrl, Optimiser, Sgd
from consumer.models.standardise import StandardiseArrays
from consumer.settings import Linear
from consumer.tables import Array

# Features that every row has, by index: numbers that are standardised, then flags. Hashed ones follow.
MAX_HALF_LIVES = 8
COUNT = MAX_HALF_LIVES
EVIDENCE = COUNT + 1
N_EVIDENCE = 3  # from the latest item; from the latest ones; over one item in between
N_NUMERIC = EVIDENCE + N_EVIDENCE
N_BUILT_IN = N_NUMERIC + 2

N_NAMES = 256  # numbers of named features, by hash of the name
NUMBERS_TIME_CONSTANT_S = 30 * 86_400.0
N_RECENT = 5  # latest items whose features are compared
N_SPREAD = 10  # latest items from which evidence comes
N_BRIDGES = 10  # items in between
ENTRIES_A_SLOT = 7  # most that one feature of an item adds to a row
ENTRIES_BEFORE = N_BUILT_IN + 8


# Entries of `LinearScratch.counts`.
N_TOUCHED = 0  # rows with a mark
N_DISTINCT = 1  # live items of the history
N_ROWS = 2  # rows learned of the last event; 0: none
N_CANDIDATES = 3  # items that might have come instead, from which the others were drawn


class LinearModel(NamedTuple):
    """All that is learned."""

    learned: LinearArrays  # of N_BUILT_IN and the hashed features
    numbers: StandardiseArrays  # (N_NUMERIC + N_NAMES,) means and spreads
    features: ItemFeatures  # no rows where the member is off
    last_kind: UInt8Array  # (users,) type of each user's last event + 1; 0: not known


class LinearPlan(NamedTuple):
    """What doesn't change while it learns."""

    recipe: LinearRecipe
    n_negatives: int
    learn_one_in: int


class LinearScratch(NamedTuple):
    """Working memory; `evidence` and `mark` are zero between calls."""

    evidence: Float64Array  # (items, N_EVIDENCE)
    mark: UInt8Array  # (items,) TOUCHED or IN_HISTORY
    touched: Int32Array  # (any,) rows with a mark
    recent: Int32Array  # (N_RECENT,) latest distinct items
    bridges: Int32Array  # (N_BRIDGES,)
    bridge_values: Float64Array  # (N_BRIDGES,)
    items: Int32Array  # (1 + negatives,) of the event learned last: the one that came first
    margins: Float64Array  # (1 + negatives,) before they were learned, without ln(candidates)
    raw: Float64Array  # (1 + negatives, N_NUMERIC)
    scaled: Float64Array  # (N_NUMERIC,)
    indices: Int32Array  # (1 + negatives, any)
    values: Float64Array  # (1 + negatives, any)
    length: Int64Array  # (1 + negatives,)
    counts: Int64Array  # (4,) as below


def allocate(settings: Linear, n_items: int, n_users: int) -> LinearModel:
    """Nothing learned; nothing at all, where the member is off."""
    is_on = settings.enabled
    return LinearModel(
        learned=linear_kernels.allocate(N_BUILT_IN + settings.weights if is_on else 0),
        numbers=standardise.allocate(N_NUMERIC + N_NAMES if is_on else 0, NUMBERS_TIME_CONSTANT_S),
        features=item_features.allocate(n_items if is_on else 0, settings.item_features),
        last_kind=np.zeros(n_users if is_on else 0, np.uint8),
    )


def allocate_scratch(settings: Linear, n_items: int, history: int, neighbours: int) -> LinearScratch:
    n_items = n_items if settings.enabled else 0
    n_rows = 1 + settings.negatives
    n_entries = ENTRIES_BEFORE + ENTRIES_A_SLOT * settings.item_features
    return LinearScratch(
        evidence=np.zeros((n_items, N_EVIDENCE)),
        mark=np.zeros(n_items, np.uint8),
        touched=np.zeros(history + (N_SPREAD + N_BRIDGES) * neighbours, np.int32),
        recent=np.zeros(N_RECENT, np.int32),
        bridges=np.zeros(N_BRIDGES, np.int32),
        bridge_values=np.zeros(N_BRIDGES),
        items=np.zeros(n_rows, np.int32),
        margins=np.zeros(n_rows),
        raw=np.zeros((n_rows, N_NUMERIC)),
        scaled=np.zeros(N_NUMERIC),
        indices=np.zeros((n_rows, n_entries), np.int32),
        values=np.zeros((n_rows, n_entries)),
        length=np.zeros(n_rows, np.int64),
        counts=np.zeros(4, np.int64),
    )


def small(model: LinearModel) -> Mapping[str, Array]:
    """Everything but what belongs to items and users, by name."""
    weights, n_steps, rate_factor = model.learned
    return {
        **weights._asdict(),
        "n_steps": n_steps,
        "rate_factor": rate_factor,
        **{f"numbers_{name}": array for name, array in model.numbers._asdict().items()},
    }


def of_items(model: LinearModel) -> Mapping[str, Array]:
    """What is row-aligned with the items' index, by name."""
    return {f"feature_{name}": array for name, array in model.features._asdict().items()}


def plan_of(settings: Linear) -> LinearPlan:
    optimisers_by_name: Mapping[str, Optimiser] = {"sgd": Sgd(), "adagrad": AdaGrad(), "ftrl": Ftrl()}
    schedules_by_name: Mapping[str, Schedule] = {
        "constant": Constant(),
        "inverse_scaling": InverseScaling(settings.schedule_power),
        "cosine_restarts": CosineRestarts(settings.schedule_period),
    }
    return LinearPlan(
        recipe=LinearRecipe(
            loss=LOGISTIC,
            has_intercept=1,
            clip=settings.clip,
            rate=learning_rate.rate_of(settings.learning_rate, schedules_by_name[settings.schedule]),
            optimiser=optimisers.recipe_of(optimisers_by_name[settings.optimiser], settings.l1, settings.l2),
        ),
        n_negatives=settings.negatives,
        learn_one_in=settings.learn_one_in,
    )


@hot_kernel
def is_on(model: LinearModel) -> bool:
    return len(model.features.name) > 0


@hot_kernel
def note_kind(model: LinearModel, user: int, event_type: int) -> None:
    """Remember the type of the user's last event (-1: he had none)."""
    if is_on(model):
        model.last_kind[user] = min(event_type + 1, 255)


@hot_kernel
def last_kind_of(model: LinearModel, user: int) -> int:
    """Type of the user's last event + 1; 0: not known."""
    return int(model.last_kind[user]) if is_on(model) else 0


@hot_kernel
def begin_anew(model: LinearModel) -> None:
    """Forget all weights, means and spreads: one that has gone astray would stay there."""
    weights = model.learned.weights
    weights.weight[:] = 0.0
    weights.squares[:] = 0.0
    weights.pull[:] = 0.0
    weights.stiffness[:] = 0.0
    model.learned.n_steps[0] = 0
    model.numbers.weight[:] = 0.0
    model.numbers.mean[:] = 0.0
    model.numbers.squares[:] = 0.0
