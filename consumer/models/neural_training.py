"""`neural`: one step, from the pending examples and some of the reservoir to vectors and weights that moved.

A step learns P new examples and r·P replayed ones, half of them of the latest, half of the rare, against items drawn by
how often they came lately and uniformly, half and half. It takes the rows of all these out of the tables, has
`gradient_step` move them, and puts them back. What is no longer live says nothing.

A step that comes out not finite is dropped whole, and what made it so begins anew.

Steps begin small, are of the set length from WARM_UP on and fall as 1/√steps after STEADY, to FLOOR at the least; after
an alarm of drift they are longer for a while, up to MOST_RAISED times.
"""

from __future__ import annotations

import math

import numpy as np

from consumer import gradient_step
from consumer.gradient_step import Batch, Recipe, Touched
from consumer.kernels import called_kernel, kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models import item_to_item, neural, neural_examples
from consumer.models.item_to_item import Float32Array, ItemToItemArrays
from consumer.models.negative_sampling import TWO_TO_THE_64, scattered
from consumer.models.neural import (
    LENGTH,
    LOSS,
    N_DROPPED,
    N_STEPS,
    NONE,
    RATE,
    SHARPNESS,
    ItemVectors,
    Moments,
    NeuralArrays,
)
from consumer.settings import Neural

WEIGHT_DECAY = 0.01
WARM_UP = 200  # steps
STEADY = 20_000  # steps
FLOOR = 0.3
MOST_RAISED = 3.0
SMOOTHING = 0.02  # of the loss that is told
FIRST_LENGTH = np.float32(1.0)  # of a new item's vector
OWN_DIRECTION = np.float32(1.0)  # that a new item's vector has beside what its neighbours give it
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# What random numbers of a step are for.
_RECENT, _RARE, _POPULAR, _UNIFORM = range(4)


def take_step(
    arrays: NeuralArrays,
    moments: Moments,
    settings: Neural,
    is_live: UInt8Array,
    dirty: UInt8Array,
    i2i: ItemToItemArrays,
    factor: float,
    room: int | None = None,
) -> None:
    """Learn the pending examples. `dirty`: of the items; `factor`: how many times longer than usual steps are; `room`:
    one of `rooms`, for as many rows, instead of the smallest that will do.

    Raises Fatal without JAX.
    """
    neural_examples.absorb(arrays, settings.examples_per_step)
    number = int(arrays.counts[N_STEPS])
    arrays.counts[N_STEPS] += 1
    histories, targets = _examples(arrays, settings, number, is_live)
    neural_examples.clear_pending(arrays)
    lately = _lately(arrays, settings, is_live)
    if not (targets >= 0).any() or not len(lately):
        return
    live = np.flatnonzero(is_live).astype(np.int32)
    sampled = _sampled(settings, number, lately, live)
    n_lately = np.bincount(lately, minlength=len(is_live))

    def log_expected(of: Int32Array) -> Float32Array:
        popular = settings.negatives // 2
        expected = popular * n_lately[of] / len(lately) + (settings.negatives - popular) / len(live)
        return np.log(expected).astype(np.float32)

    rows = np.unique(np.concatenate((histories.ravel(), targets, sampled))).astype(np.int64)
    rows = rows[rows >= 0]
    begin(arrays.items, rows, i2i)
    dirty[rows] = 1
    arrays.figures[RATE] = rate_of(settings, number, factor)
    room = room or next(room for room in rooms(settings) if room >= len(rows))
    batch = Batch(
        histories=_places(rows, histories),
        targets=_places(rows, targets),
        sampled=_places(rows, sampled),
        log_expected=log_expected(sampled),
        log_expected_targets=log_expected(targets),
        rate=np.array(arrays.figures[RATE], np.float32),
        row_rates=_row_rates(arrays.items, settings, rows, number, room),
        number=np.array(number & 0xFFFFFFFF, np.uint32),
    )
    _move(arrays, moments, settings, rows, batch)


def rate_of(settings: Neural, number: int, factor: float) -> float:
    """The learning rate of a step."""
    warm = min(1.0, (number + 1) / WARM_UP)
    fallen = max(FLOOR, min(1.0, math.sqrt(STEADY / (number + 1))))
    return settings.learning_rate * warm * fallen * min(factor, MOST_RAISED)


def _row_rates(items: ItemVectors, settings: Neural, rows: Int64Array, number: int, room: int) -> Float32Array:
    """(room,) what the rate is multiplied by: vectors from elsewhere stand still at first, then go at a pace of
    their own."""
    rates = np.ones(room, np.float32)
    of_given = settings.transferred_rate if number >= settings.frozen_steps else 0.0
    rates[: len(rows)][items.is_given[rows] == 1] = of_given
    return rates


def n_touched(settings: Neural) -> int:
    """Rows that a step may touch at the most."""
    return (1 + settings.replay) * settings.examples_per_step * (LENGTH + 1) + settings.negatives


def rooms(settings: Neural) -> list[int]:
    """The numbers of rows that steps are compiled for: histories are short and items come twice, so that few steps
    touch as many rows as they may."""
    most = n_touched(settings)
    return [-(-most // parts) for parts in (8, 4, 2, 1)]


def compile_step(settings: Neural) -> None:
    """So that no step is slow: one for each number of rows, from a single example. Raises Fatal without JAX."""
    tiny = settings.model_copy(update={"enabled": True, "replay_examples": 2})
    for room in rooms(settings):
        arrays, is_live = neural.allocate(tiny, room), np.ones(room, np.uint8)
        arrays.examples.history[0, 0], arrays.examples.target[0] = 0, 1
        take_step(
            arrays, neural.allocate_moments(tiny), tiny, is_live, is_live, item_to_item.allocate(room, 1, 1.0),
            factor=1.0, room=room,
        )  # fmt: skip


def _examples(
    arrays: NeuralArrays, settings: Neural, number: int, is_live: UInt8Array
) -> tuple[Int32Array, Int32Array]:
    """(B, LENGTH) histories without gaps and (B,) targets of the pending and the replayed examples; NONE: none."""
    n_new, n_replayed = settings.examples_per_step, settings.replay * settings.examples_per_step
    half = (len(arrays.examples.target) - n_new) // 2
    chosen = [np.arange(n_new)]
    for purpose, first, n in ((_RECENT, n_new, n_replayed - n_replayed // 2), (_RARE, n_new + half, n_replayed // 2)):
        kept = first + np.flatnonzero(arrays.examples.target[first : first + half] != NONE)
        chosen.append(kept[_drawn(number, purpose, n, len(kept))] if len(kept) else np.zeros(n, np.int64))
    places = np.concatenate(chosen)
    histories, targets = arrays.examples.history[places], arrays.examples.target[places]
    histories[(histories != NONE) & (is_live[histories] == 0)] = NONE
    order = np.argsort(histories == NONE, axis=1, kind="stable")
    histories = np.take_along_axis(histories, order, axis=1)
    is_gone = (is_live[targets] == 0) | (histories[:, 0] == NONE) | (targets == NONE)
    return histories, np.where(is_gone, NONE, targets).astype(np.int32)


def _lately(arrays: NeuralArrays, settings: Neural, is_live: UInt8Array) -> Int32Array:
    """The targets of the latest examples, as often as they came."""
    n_new = settings.examples_per_step
    half = (len(arrays.examples.target) - n_new) // 2
    lately = arrays.examples.target[n_new : n_new + half]
    lately = lately[lately != NONE]
    alive: Int32Array = lately[is_live[lately] == 1]
    return alive


def _sampled(settings: Neural, number: int, lately: Int32Array, live: Int32Array) -> Int32Array:
    """(N,) items to hold the examples against."""
    n_popular = settings.negatives // 2
    popular = _drawn(number, _POPULAR, n_popular, len(lately))
    uniform = _drawn(number, _UNIFORM, settings.negatives - n_popular, len(live))
    return np.concatenate((lately[popular], live[uniform]))


def _drawn(number: int, purpose: int, n: int, n_there: int) -> Int64Array:
    """n numbers below n_there, by a hash of the step, what they are for and their place."""
    return (_hashes(number, purpose, n) % np.uint64(n_there)).astype(np.int64)


@kernel
def _hashes(number: int, purpose: int, n: int) -> UInt64Array:
    key = scattered(np.uint64(number) * np.uint64(4) + np.uint64(purpose) + _GOLDEN)
    hashes = np.empty(n, np.uint64)
    for k in range(n):
        hashes[k] = scattered(key + np.uint64(k + 1) * _GOLDEN)
    return hashes


def _places(rows: Int64Array, of: Int32Array) -> Int32Array:
    """Where each stands among the rows of the step."""
    found = np.searchsorted(rows, of).astype(np.int32)
    return np.where(of == NONE, NONE, found).astype(np.int32)


@called_kernel
def begin(items: ItemVectors, rows: Int64Array, i2i: ItemToItemArrays) -> None:
    """Give those of these items that have none a vector: in the direction of their neighbours', and one of its own."""
    for row in rows:
        if items.scale[row] == 0.0:
            _begin_one(items, row, i2i)
    for row in rows:
        if items.scale[row] == 0.0:
            items.scale[row] = _scale_of(items.vector[row])


@called_kernel
def _begin_one(items: ItemVectors, row: int, i2i: ItemToItemArrays) -> None:
    vector = items.vector[row]
    vector[:] = 0.0
    for k in range(i2i.size[row]):
        other = i2i.neighbour[row, k]
        if other >= 0 and items.scale[other] > 0.0:
            for d in range(len(vector)):
                vector[d] += i2i.weight[row, k] * items.vector[other, d] * items.scale[other]
    given = _scale_of(vector)
    has_neighbours = given < 1e5
    key = scattered(np.uint64(row) + _GOLDEN)
    length = np.float32(0.0)
    for d in range(len(vector)):
        draw = np.float32(np.float64(scattered(key + np.uint64(d + 1) * _GOLDEN)) / TWO_TO_THE_64 - 0.5)
        draw *= np.float32(np.sqrt(12.0 / len(vector)))  # of unit length in the mean
        vector[d] = vector[d] * given + OWN_DIRECTION * draw if has_neighbours else draw
    length = FIRST_LENGTH * _scale_of(vector)
    for d in range(len(vector)):
        vector[d] *= length
    items.mean[row, :] = 0.0
    items.square[row, :] = 0.0
    items.n_steps[row] = 0
    items.is_moved[row] = 1


@called_kernel
def _scale_of(vector: Float32Array) -> np.float32:
    total = np.float32(1e-12)
    for d in range(len(vector)):
        total += vector[d] * vector[d]
    return np.float32(np.float32(1.0) / np.sqrt(total))


def _move(arrays: NeuralArrays, moments: Moments, settings: Neural, rows: Int64Array, batch: Batch) -> None:
    items, encoder = arrays.items, arrays.encoder
    room = len(batch.row_rates)

    def padded(array: Float32Array | Int32Array) -> Float32Array | Int32Array:
        taken = np.zeros((room, *array.shape[1:]), array.dtype)
        taken[: len(rows)] = array[rows]
        return taken

    touched = Touched(
        padded(items.vector), padded(items.mean), padded(items.square), padded(items.n_steps),
        encoder, moments.mean, moments.square, moments.n_steps[0],
    )  # fmt: skip
    step = gradient_step.step_of(Recipe(SHARPNESS, settings.dropout, WEIGHT_DECAY))
    after, loss, is_finite = step(touched, batch)
    if not is_finite:
        arrays.counts[N_DROPPED] += 1
        _begin_anew(arrays, moments, rows)
        return
    for array, moved in zip((items.vector, items.mean, items.square, items.n_steps), after, strict=False):
        array[rows] = np.asarray(moved)[: len(rows)]
    items.scale[rows] = scales(items.vector, rows)
    items.is_moved[rows] = 1
    for weights, moved in (
        (encoder, after.weights),
        (moments.mean, after.weights_mean),
        (moments.square, after.weights_square),
    ):
        for array, values in zip(weights, moved, strict=True):
            array[...] = values
    moments.n_steps[0] = after.weights_n_steps
    _note_loss(arrays.figures, float(loss))


def _begin_anew(arrays: NeuralArrays, moments: Moments, rows: Int64Array) -> None:
    """Forget what is not finite of these items and of the encoder: nothing would ever be learned with it."""
    items = arrays.items
    is_lost = ~np.logical_and.reduce([np.isfinite(each[rows]).all(axis=1) for each in items[:3]])
    for row in rows[is_lost].tolist():
        neural.forget_item(items, row)
    parts = (arrays.encoder, moments.mean, moments.square)
    if not all(np.isfinite(array).all() for part in parts for array in part):
        width = items.vector.shape[1]
        anew = neural.no_moments(width)
        for part, first in zip(parts, (neural.new_encoder(width), anew.mean, anew.square), strict=True):
            for array, values in zip(part, first, strict=True):
                array[...] = values
        moments.n_steps[0] = 0


@kernel
def scales(vectors: Float32Array, rows: Int64Array) -> Float32Array:
    """(n,) one over the lengths of these vectors."""
    scales = np.empty(len(rows), np.float32)
    for k in range(len(rows)):
        scales[k] = _scale_of(vectors[rows[k]])
    return scales


def _note_loss(figures: Float64Array, loss: float) -> None:
    figures[LOSS] = loss if figures[LOSS] == 0.0 else (1.0 - SMOOTHING) * figures[LOSS] + SMOOTHING * loss
