"""`neural`: how a history becomes a query vector, and which items lie nearest to it.

A session encoder with attention (Liu et al. 2018, "STAMP: Short-Term Attention/Memory Priority Model for Session-based
Recommendation"; Vaswani et al. 2017, "Attention Is All You Need") over unit vectors shared by input and output. Of a
history, e_b the unit vector of the item b places back (b = 0 … 19, items that are not known left out):

    h_b = softmax over b of (e_0 · attention · (e_b + position_b) + recency_b)
    q   = e_0 · latest + (Σ h_b e_b) · value

and an item j outside the history is given the score e^(11 · cos(q, e_j)): odds, which tell nobody the chance but
each other. With `attention` as one matrix between the latest item and the others, instead of one for either, a query
costs three products with a matrix, however long the history. `consumer.gradient_step` computes the same to learn it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import fast_kernel, hot_kernel
from consumer.messages import Float64Array, Int32Array, UInt8Array
from consumer.models.item_to_item import Float32Array, insert_ranked
from consumer.models.neural import LENGTH, SHARPNESS, ItemVectors, NeuralArrays
from consumer.settings import Neural

NONSENSE = -1


class NeuralScratch(NamedTuple):
    """Working memory of a scoring, reused."""

    seen: Float32Array  # (LENGTH, D) e
    heed: Float32Array  # (LENGTH,) h
    asks: Float32Array  # (D,) e_0 · attention
    context: Float32Array  # (D,) Σ h e
    drawn: Float32Array  # (D,) context · value
    query: Float32Array  # (D,) q, of unit length
    cosine: Float32Array  # (capacity,)


def allocate_scratch(settings: Neural, n_items: int) -> NeuralScratch:
    width = settings.dimensions if settings.enabled else 0
    return NeuralScratch(
        seen=np.zeros((LENGTH, width), np.float32),
        heed=np.zeros(LENGTH, np.float32),
        asks=np.zeros(width, np.float32),
        context=np.zeros(width, np.float32),
        drawn=np.zeros(width, np.float32),
        query=np.zeros(width, np.float32),
        cosine=np.zeros(n_items if settings.enabled else 0, np.float32),
    )


@fast_kernel
def _dot(one: Float32Array, other: Float32Array) -> np.float32:
    total = np.float32(0.0)
    for d in range(len(one)):
        total += one[d] * other[d]
    return total


@fast_kernel
def _cosines(items: ItemVectors, query: Float32Array, cosine: Float32Array) -> None:
    """Of all items that are known."""
    for item in range(len(cosine)):
        if items.scale[item] > 0.0:
            total = np.float32(0.0)
            for d in range(len(query)):
                total += query[d] * items.vector[item, d]
            cosine[item] = total * items.scale[item]


@hot_kernel
def _look_at(items: ItemVectors, is_live: UInt8Array, history: Int32Array, n_history: int, seen: Float32Array) -> int:
    """Fill e from the known items of a history, latest first; returns how many."""
    n = 0
    for b in range(n_history):
        item = history[b]
        if n < LENGTH and item >= 0 and is_live[item] and items.scale[item] > 0.0:
            for d in range(seen.shape[1]):
                seen[n, d] = items.vector[item, d] * items.scale[item]
            n += 1
    return n


@hot_kernel
def _times(vector: Float32Array, matrix: Float32Array, product: Float32Array) -> None:
    product[:] = 0.0
    for d in range(len(vector)):
        for e in range(len(product)):
            product[e] += vector[d] * matrix[d, e]


@hot_kernel
def encode(
    neural: NeuralArrays, scratch: NeuralScratch, is_live: UInt8Array, history: Int32Array, n_history: int
) -> int:
    """Fill `scratch.query`; returns how many items of the history it comes from."""
    encoder, seen, heed, context, query = neural.encoder, scratch.seen, scratch.heed, scratch.context, scratch.query
    n = _look_at(neural.items, is_live, history, n_history, seen)
    if n == 0:
        return 0
    _times(seen[0], encoder.attention, scratch.asks)
    most = np.float32(-np.inf)
    for b in range(n):
        heed[b] = _dot(scratch.asks, seen[b]) + _dot(scratch.asks, encoder.position[b]) + encoder.recency[b]
        most = max(most, heed[b])
    total = np.float32(0.0)
    for b in range(n):
        heed[b] = np.exp(heed[b] - most)
        total += heed[b]
    context[:] = 0.0
    for b in range(n):
        for d in range(len(context)):
            context[d] += heed[b] / total * seen[b, d]
    _times(seen[0], encoder.latest, query)
    _times(context, encoder.value, scratch.drawn)
    for d in range(len(query)):
        query[d] += scratch.drawn[d]
    length = np.sqrt(_dot(query, query) + np.float32(1e-12))
    for d in range(len(query)):
        query[d] /= length
    return n


@hot_kernel
def _is_in(history: Int32Array, n_history: int, item: int) -> bool:
    for b in range(n_history):  # noqa: SIM110 - numba compiles no generator expressions
        if history[b] == item:
            return True
    return False


@hot_kernel
def rank(
    neural: NeuralArrays,
    scratch: NeuralScratch,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    ranked: Int32Array,
    values: Float64Array,
) -> int:
    """The best items outside the history, as `item_to_item.rank` gives them; NONSENSE where the query is no vector.
    Changes nothing but `scratch`."""
    if encode(neural, scratch, is_live, history, n_history) == 0:
        return 0
    if not np.isfinite(_dot(scratch.query, scratch.query)):
        return NONSENSE
    _cosines(neural.items, scratch.query, scratch.cosine)
    n = 0
    least = -np.inf
    for item in range(len(scratch.cosine)):
        is_candidate = neural.items.scale[item] > 0.0 and scratch.cosine[item] > least and is_live[item]
        if is_candidate and not _is_in(history, n_history, item):
            n = insert_ranked(ranked, values, n, item, np.float64(scratch.cosine[item]))
            if n == len(ranked):
                least = values[n - 1]
    for r in range(n):
        values[r] = np.exp(SHARPNESS * values[r])
    return n
