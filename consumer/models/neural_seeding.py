"""`neural`: vectors learned or made elsewhere, put into a model that has none.

They are brought to the model's dimensions by a projection P (d, D) that keeps cosines as well as a linear one can:

    d = D   none: they are taken as they are
    d < D   orthonormal rows, at random: every cosine stays what it was, and no coordinate begins empty, which the
            optimiser, going coordinate by coordinate, could not fill
    d > D   the D directions that hold most of the unit vectors' squared length (Eckart and Young 1936, "The
            approximation of one matrix by another of lower rank": no other D keep their inner products better), turned
            at random, so that coordinates are alike; about no mean, which would change cosines

Moments begin anew: those of another audience say little of this one's gradients, and steps begin small anyway. An
encoder comes along where it was learned with the vectors, as Pᵀ W P, and in directions that P doesn't reach the model
keeps what it begins with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from consumer.messages import Int32Array
from consumer.models import neural
from consumer.models.item_to_item import Float32Array
from consumer.models.knowledge import Network
from consumer.models.neural import Encoder
from consumer.models.state import ModelState

BLOCK = 8_192  # rows projected at a time
SEED = 20_240_229

Projection = NDArray[np.float64]  # (d, D)


def seed_network(model: ModelState, rows: Int32Array, network: Network) -> int:
    """Take these vectors over into these rows, and the encoder; returns how many have a direction.

    Nothing is done, and 0 returned, where the member is off or has vectors already: directions of two origins have
    nothing to do with each other.
    """
    if not model.settings.models.neural.enabled or model.neural.items.scale.any():
        return 0
    projection = projection_of(network.vector, model.settings.models.neural.dimensions)
    n_taken = sum(
        _take(model, rows[start : start + BLOCK], network.vector[start : start + BLOCK] @ projection)
        for start in range(0, len(rows), BLOCK)
    )
    if network.encoder is not None and n_taken:
        for ours, theirs in zip(model.neural.encoder, projected(network.encoder, projection), strict=True):
            ours[...] = theirs
    return n_taken


def projection_of(vectors: Float32Array, width: int) -> Projection:
    """From the vectors' dimensions to so many; the same for the same vectors."""
    n_dimensions = vectors.shape[1]
    if n_dimensions == width:
        return np.eye(width)
    if n_dimensions < width:
        return _orthonormal(width, n_dimensions).T
    _, directions = np.linalg.eigh(_gram(vectors))  # those that hold most come last
    projection: Projection = directions[:, -width:] @ _orthonormal(width, width)
    return projection


def projected(encoder: Encoder, projection: Projection) -> Encoder:
    """What it does to vectors, done to projected ones."""
    width = projection.shape[1]
    begun = neural.new_encoder(width)
    unreached = np.eye(width) - projection.T @ projection

    def carried(matrix: Float32Array, beginning: Float32Array) -> Float32Array:
        return (projection.T @ matrix @ projection + unreached @ beginning @ unreached).astype(np.float32)

    return Encoder(
        attention=carried(encoder.attention, begun.attention),
        latest=carried(encoder.latest, begun.latest),
        value=carried(encoder.value, begun.value),
        position=(encoder.position @ projection).astype(np.float32),
        recency=encoder.recency,
    )


def _gram(vectors: Float32Array) -> Projection:
    """(d, d) Σ of the outer products of the unit vectors."""
    gram = np.zeros((vectors.shape[1],) * 2)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK].astype(np.float64)
        length = np.linalg.norm(block, axis=1, keepdims=True)
        block /= np.where(length > 0.0, length, 1.0)
        gram += block.T @ block
    return gram


def _orthonormal(n: int, n_columns: int) -> Projection:
    """(n, n_columns) orthonormal columns at random, always the same."""
    columns, upper = np.linalg.qr(np.random.default_rng(SEED).normal(size=(n, n_columns)))
    signed: Projection = columns * np.sign(np.diag(upper))
    return signed


def _take(model: ModelState, rows: Int32Array, vectors: Projection) -> int:
    items = model.neural.items
    length = np.linalg.norm(vectors, axis=1)
    has_direction = length > 1e-9
    taken = rows[has_direction]
    items.vector[taken] = vectors[has_direction]
    items.scale[taken] = 1.0 / length[has_direction]
    items.is_given[taken] = items.is_moved[taken] = 1
    model.items.dirty[taken] = 1
    return len(taken)
