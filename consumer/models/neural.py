"""`neural`: what the encoder of histories and its training keep, all of it in arrays.

An item is a vector, a history a query vector made of its items' (`neural_encoder`); the items whose vectors lie nearest
are proposed. Vectors and weights are learned in steps (`neural_training`) from examples that the learning pass puts
aside (`neural_examples`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models.item_to_item import Float32Array
from consumer.settings import Neural
from consumer.tables import Array, Table

LENGTH = 20
"""Latest items of a history that are looked at."""
SHARPNESS = 11.0
"""How much of its odds an item loses by the angle between it and the query (`neural_encoder`)."""
NONE = -1

# Entries of `NeuralArrays.counts`.
N_PENDING = 0  # examples put aside since the last step
N_ABSORBED = 1  # examples that went into the reservoir so far
N_STEPS = 2  # begun, those that were dropped too
N_DROPPED = 3  # of these, since something was not finite
N_LEFT_OUT = 4  # examples of sessions that are not trained on
N_OVER_BUDGET = 5  # examples that found no place, since no step was allowed yet
N_ASKED = 6  # queries answered
N_UNASKED = 7  # queries that were too many
STEP_CREDIT = 8  # thousandths of a step that may be taken
QUERY_CREDIT = 9  # thousandths of a query that may be answered
N_COUNTS = 10

# Entries of `NeuralArrays.figures`.
LOSS = 0  # running mean over steps, in nats
RATE = 1  # learning rate of the last step
N_FIGURES = 2


class ItemVectors(NamedTuple):
    """Row-aligned with the items' index; no rows where the member is off."""

    vector: Float32Array  # (capacity, D) of any length; what counts is its direction
    mean: Float32Array  # (capacity, D) of its gradients
    square: Float32Array  # (capacity, D) mean of their squares
    n_steps: Int32Array  # (capacity,) steps that moved it
    scale: Float32Array  # (capacity,) 1/length of the vector; 0: nothing is known of the item
    is_given: UInt8Array  # (capacity,) 1: a warm start brought the vector
    is_moved: UInt8Array  # (capacity,) 1: the vector has changed since it was last looked at to be published


class Encoder(NamedTuple):
    attention: Float32Array  # (D, D)
    latest: Float32Array  # (D, D)
    value: Float32Array  # (D, D)
    position: Float32Array  # (LENGTH, D)
    recency: Float32Array  # (LENGTH,)


class Examples(NamedTuple):
    """Histories and what came next. The first P places are pending, the rest is the reservoir: half of it a ring of the
    latest, half for the rare (`neural_examples`)."""

    history: Int32Array  # (places, LENGTH) item rows, latest first; NONE: gone
    target: Int32Array  # (places,) item row; NONE: no example
    user: UInt64Array  # (places,) first half of the user's hash, so that he can be forgotten
    priority: Float64Array  # (places,) to be kept among the rare: greater stays
    dirty: UInt8Array  # (places,) 1: changed since the last checkpoint copy


class NeuralArrays(NamedTuple):
    """What the learning pass sees."""

    items: ItemVectors
    encoder: Encoder
    examples: Examples
    counts: Int64Array  # (N_COUNTS,)
    figures: Float64Array  # (N_FIGURES,)


class Moments(NamedTuple):
    """Of the encoder's weights; those of vectors lie beside them."""

    mean: Encoder
    square: Encoder
    n_steps: Int32Array  # (1,)


class NeuralPlan(NamedTuple):
    """What doesn't change while it learns."""

    n_pending: int
    """Examples that make a step."""
    session_end: np.uint64
    """Sessions whose hash lies below are trained on."""
    steps_a_thousand: int
    queries_a_thousand: int
    """Most of each, in a thousand events."""


def allocate(settings: Neural, n_items: int) -> NeuralArrays:
    """Nothing learned; nothing at all, where the member is off."""
    n_places = n_examples(settings) if settings.enabled else 0
    return NeuralArrays(
        items=allocate_items(settings, n_items),
        encoder=new_encoder(settings.dimensions if settings.enabled else 0),
        examples=Examples(
            history=np.full((n_places, LENGTH), NONE, np.int32),
            target=np.full(n_places, NONE, np.int32),
            user=np.zeros(n_places, np.uint64),
            priority=np.zeros(n_places),
            dirty=np.ones(n_places, np.uint8),
        ),
        counts=np.zeros(N_COUNTS, np.int64),
        figures=np.zeros(N_FIGURES),
    )


def n_examples(settings: Neural) -> int:
    """Places for examples, pending ones and the reservoir."""
    return settings.examples_per_step + 2 * (settings.replay_examples // 2)


def allocate_items(settings: Neural, n_items: int) -> ItemVectors:
    capacity = n_items if settings.enabled else 0
    width = settings.dimensions
    return ItemVectors(
        vector=np.zeros((capacity, width), np.float32),
        mean=np.zeros((capacity, width), np.float32),
        square=np.zeros((capacity, width), np.float32),
        n_steps=np.zeros(capacity, np.int32),
        scale=np.zeros(capacity, np.float32),
        is_given=np.zeros(capacity, np.uint8),
        is_moved=np.zeros(capacity, np.uint8),
    )


def new_encoder(width: int) -> Encoder:
    """One to begin with: a query is the latest item's vector and half a mean of the latest ones."""
    return Encoder(
        attention=np.zeros((width, width), np.float32),
        latest=np.eye(width, dtype=np.float32),
        value=np.eye(width, dtype=np.float32) * np.float32(0.5),
        position=np.zeros((LENGTH, width), np.float32),
        recency=np.arange(LENGTH, dtype=np.float32) * np.float32(-0.5),
    )


def no_moments(width: int) -> Moments:
    def zeros() -> Encoder:
        return Encoder(*(np.zeros_like(array) for array in new_encoder(width)))

    return Moments(zeros(), zeros(), np.zeros(1, np.int32))


def allocate_moments(settings: Neural) -> Moments:
    return no_moments(settings.dimensions if settings.enabled else 0)


def plan_of(settings: Neural) -> NeuralPlan:
    end = min(round(settings.session_share * 2.0**64), 2**64 - 1)
    return NeuralPlan(
        n_pending=settings.examples_per_step,
        session_end=np.uint64(end),
        steps_a_thousand=settings.steps_per_thousand,
        queries_a_thousand=settings.queries_per_thousand,
    )


def of_items(neural: NeuralArrays) -> Mapping[str, Array]:
    """What is row-aligned with the items' index, by name; but what has moved is asked again after a restart."""
    return {f"neural_{name}": array for name, array in neural.items._asdict().items() if name != "is_moved"}


def examples_table(neural: NeuralArrays) -> Table:
    arrays = neural.examples._asdict()
    dirty = arrays.pop("dirty")
    return Table(arrays, dirty, len(dirty))


def small(neural: NeuralArrays, moments: Moments) -> Mapping[str, Array]:
    """Everything but what belongs to items, and the examples, by name."""
    return {
        **neural.encoder._asdict(),
        **{f"mean_{name}": array for name, array in moments.mean._asdict().items()},
        **{f"square_{name}": array for name, array in moments.square._asdict().items()},
        "n_steps": moments.n_steps,
        "counts": neural.counts,
        "figures": neural.figures,
    }


@hot_kernel
def is_on(neural: NeuralArrays) -> bool:
    return len(neural.items.scale) > 0


@hot_kernel
def forget_item(items: ItemVectors, item: int) -> None:
    """Clear an evicted item's own row; examples drop it in `neural_examples.forget_items`."""
    items.vector[item, :] = 0.0
    items.mean[item, :] = 0.0
    items.square[item, :] = 0.0
    items.n_steps[item] = 0
    items.scale[item] = 0.0
    items.is_given[item] = 0
    items.is_moved[item] = 0
