"""Items that lie near each other in a space of vectors, as neighbours for those without interactions of their own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.messages import Float64Array, Int32Array, Int64Array
from consumer.models.item_to_item import REVERSE, Float32Array
from consumer.models.knowledge import Related

BLOCK = 1_024  # rows compared at a time


class Nearest(NamedTuple):
    neighbour: Int32Array  # (n, k) place, best first; -1: none left
    cosine: Float32Array  # (n, k) above 0; 0 where there is no neighbour


def nearest(vectors: Float32Array, items: Int64Array, k: int) -> Nearest:
    """The k others with the greatest cosine above 0 to each of these items; ties by place. An item of length 0 has
    none."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0.0)
    k = min(k, len(vectors) - 1)
    found = Nearest(np.full((len(items), k), -1, np.int32), np.zeros((len(items), k), np.float32))
    if k <= 0:
        return found
    for start in range(0, len(items), BLOCK):
        rows = items[start : start + BLOCK]
        cosine = unit[rows] @ unit.T
        cosine[np.arange(len(rows)), rows] = -np.inf
        best = np.sort(np.argpartition(-cosine, k - 1, axis=1)[:, :k], axis=1)
        value = np.take_along_axis(cosine, best, 1)
        order = np.argsort(-value, axis=1, kind="stable")
        best, value = np.take_along_axis(best, order, 1), np.take_along_axis(value, order, 1)
        found.neighbour[start : start + BLOCK] = np.where(value > 0.0, best, -1)
        found.cosine[start : start + BLOCK] = np.maximum(value, 0.0)
    return found


def cold_rows(found: Nearest, strength: float) -> Related:
    """Entries of the items themselves: a cosine of 1 weighs like so many fresh events of going there from here."""
    weight = (strength * found.cosine).astype(np.float32)
    counts: Float64Array = np.zeros(len(weight))
    return Related(found.neighbour, weight, counts)


def ways_back(found: Nearest, items: Int64Array, strength: float, most: int) -> tuple[Int64Array, Related]:
    """From the neighbours to these items, so that they are found: at most so many a neighbour, the nearest first.

    Returns the place whose row each entry belongs to, and rows of one entry.
    """
    is_entry = found.neighbour >= 0
    source = found.neighbour[is_entry].astype(np.int64)
    cosine = found.cosine[is_entry]
    target = np.repeat(items, is_entry.sum(axis=1))
    order = np.lexsort((target, -cosine, source))
    source, cosine, target = source[order], cosine[order], target[order]
    first = np.searchsorted(source, source)
    kept = np.arange(len(source)) - first < most
    weight = (REVERSE * strength * cosine[kept, None]).astype(np.float32)
    neighbour = target[kept, None].astype(np.int32)
    return source[kept], Related(neighbour, weight, np.zeros(len(weight)))
