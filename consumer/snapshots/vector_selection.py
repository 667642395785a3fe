"""Which vectors a version publishes: those that have turned by more than the tolerance, the most urgent first.

A step of the optimiser moves thousands of vectors a little, and a score hangs on their angles only, so it is the angle
to what readers hold that counts: 1 − cosine. Only what has moved since it was last looked at is looked at, so the work
follows what was learned, not the size of the catalogue. The encoder changes with every step and goes out at most every
ENCODER_EVERY versions.
"""

from __future__ import annotations

import numpy as np

from consumer.messages import Float64Array, Int64Array, UInt8Array
from consumer.models.neural import ItemVectors
from consumer.models.state import ModelState
from consumer.snapshots.published_vectors import PublishedVectors
from consumer.snapshots.selection import Due
from consumer.snapshots.vector_format import Float16Array

ENCODER_EVERY = 10
BLOCK = 8_192  # rows looked at at a time


def unit_vectors(items: ItemVectors, rows: Int64Array) -> Float16Array:
    """(n, D) as they are published."""
    return (items.vector[rows] * items.scale[rows, None]).astype(np.float16)


def due_vectors(
    model: ModelState, published: PublishedVectors, dirty: UInt8Array, version: int, tolerance: float
) -> Due:
    """Rows whose vector has to be published, or was never. Keeps `waits_since`, the version in which a row became due,
    and forgets which have moved. A vector that is not finite is due."""
    items, n = model.neural.items, model.n_item_rows
    is_there = (model.items.is_live[:n] == 1) & (items.scale[:n] != 0.0)
    is_news = (items.is_moved[:n] == 1) | (published.waits_since[:n] != 0) | (published.hash[:n] == 0)
    rows = np.flatnonzero(is_there & is_news)
    items.is_moved[:n] = 0
    sizes = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        sizes[start : start + BLOCK] = _turned(items, published, block) / tolerance
    is_due = ~(sizes <= 1.0)
    waited = published.waits_since[rows] != 0
    dirty[rows[is_due | waited]] = 1
    published.waits_since[rows[~is_due]] = 0
    due, sizes = rows[is_due], sizes[is_due]
    waits = published.waits_since[due]
    published.waits_since[due] = np.where(waits == 0, version, waits)
    return Due(due, sizes * (version - published.waits_since[due] + 1))


def _turned(items: ItemVectors, published: PublishedVectors, rows: Int64Array) -> Float64Array:
    """1 − cosine to what readers hold; 1 where they hold nothing."""
    now = items.vector[rows] * items.scale[rows, None]
    held = published.vector[rows].astype(np.float32)
    turned: Float64Array = 1.0 - np.einsum("nd,nd->n", now, held).astype(np.float64)
    turned[published.hash[rows] == 0] = 1.0
    return turned


def is_encoder_due(model: ModelState, published: PublishedVectors, version: int) -> tuple[bool, bool]:
    """Whether it goes out with this version, and whether it waits for a later one."""
    has_changed = int(model.neural_moments.n_steps[0]) != published.encoder_steps
    may_go = published.encoder_version == 0 or version - published.encoder_version >= ENCODER_EVERY
    return has_changed and may_go, has_changed and not may_go
