"""The rows of one version as arrays, laid out for the kernels that the worker runs too.

Weights and counts are kept in units of one event at a common landmark (forward decay), whatever each row's `as_of`
says, so that nothing has to be touched as time goes on.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models import item_to_item
from consumer.models.item_to_item import MAX_EXPONENT, ItemToItemArrays, Scratch
from consumer.snapshots.formats import MODULUS
from consumer.snapshots.read_vectors import NO_VECTORS, ReadVectors, VectorColumns
from consumer.snapshots.rows import Float32Array, Numbering, RelatedColumns, ScoreColumns

MIN_CAPACITY = 1_024
WIDTH_STEP = 8  # entries by which related rows widen
MAX_LOST = 1_024
"""Row numbers that nothing refers to any more are given up when they are more than this and than those in use."""

Column = TypeVar("Column", bound=NDArray[np.generic])


class Catalogue:
    """Row-aligned arrays; `n` rows are in use. An item is live when it has both a score row and a related row."""

    def __init__(self, landmark_ms: float, time_constant_ms: float) -> None:
        self.landmark_ms = landmark_ms
        self.time_constant_ms = time_constant_ms
        self.numbering = Numbering()
        self.checksum = 0
        self.score: Float64Array = np.full(MIN_CAPACITY, np.nan)
        self.score_hash: UInt64Array = np.zeros(MIN_CAPACITY, np.uint64)
        self.related_hash: UInt64Array = np.zeros(MIN_CAPACITY, np.uint64)
        self.is_live: UInt8Array = np.zeros(MIN_CAPACITY, np.uint8)
        self.neighbour: Int32Array = np.full((MIN_CAPACITY, WIDTH_STEP), -1, np.int32)
        self.weight: Float32Array = np.zeros((MIN_CAPACITY, WIDTH_STEP), np.float32)
        self.size: Int32Array = np.zeros(MIN_CAPACITY, np.int32)
        self.count: Float64Array = np.zeros(MIN_CAPACITY)
        self.scratch: Scratch = item_to_item.allocate_scratch(MIN_CAPACITY)
        self.vectors = ReadVectors()

    def find_live(self, item: str) -> int:
        """Row of a live item, or -1."""
        row = self.numbering.find(item)
        return row if 0 <= row < len(self.is_live) and self.is_live[row] else -1

    def checksum_with(self, scores: ScoreColumns, related: RelatedColumns) -> int:
        """The checksum of all rows once these are put in."""
        total = self.checksum
        for hashes, held, rows in (
            (scores.hashes, self.score_hash, scores.rows),
            (related.hashes, self.related_hash, related.rows),
        ):
            # Sums of uint64 wrap around, which is what the checksum wants.
            total += int(hashes.sum()) - int(held[rows[rows < len(held)]].sum())
        return total % MODULUS

    def put(self, scores: ScoreColumns, related: RelatedColumns, vectors: VectorColumns = NO_VECTORS) -> None:
        """Replace or delete these rows."""
        self.checksum = self.checksum_with(scores, related)
        self._fit(len(self.numbering), related.neighbour.shape[1])
        self.vectors.put(vectors, len(self.score))
        self.score[scores.rows] = scores.scores
        self.score_hash[scores.rows] = scores.hashes
        self._keep_up_with(float(related.as_of_ms.max(initial=self.landmark_ms)))
        gain = np.exp((related.as_of_ms - self.landmark_ms) / self.time_constant_ms)
        rows, width = related.rows, related.neighbour.shape[1]
        self.neighbour[rows] = -1
        self.neighbour[rows, :width] = related.neighbour
        self.weight[rows, :width] = related.weight * gain[:, None]
        self.size[rows] = related.sizes
        self.count[rows] = related.mass * gain
        self.related_hash[rows] = related.hashes
        for changed in (scores.rows, rows):
            self.is_live[changed] = (self.score_hash[changed] != 0) & (self.related_hash[changed] != 0)

    def best(self, n: int) -> Int32Array:
        """The n rows with the greatest scores, best first (ties by id)."""
        scored = np.flatnonzero(self.score_hash)
        scores = self.score[scored]
        if n < len(scored):
            least = np.partition(scores, len(scored) - n)[len(scored) - n]
            scored = scored[scores >= least]
        ids = self.numbering.ids
        ranked = sorted(scored.tolist(), key=lambda row: (-self.score[row], ids[row]))
        return np.array(ranked[:n], np.int32)

    def item_to_item(self, count_total: float) -> ItemToItemArrays:
        """As the kernels want them; `count_total` in units of one event at the landmark."""
        only_learning_needs_the_rest = item_to_item.allocate(0, WIDTH_STEP, self.time_constant_ms / 1000.0)
        return only_learning_needs_the_rest._replace(
            neighbour=self.neighbour,
            weight=self.weight,
            size=self.size,
            counts=self.count,
            totals=np.array([count_total, self.landmark_ms, self.time_constant_ms]),
        )

    def needs_renewal(self, now_ms: float) -> bool:
        """Whether too many rows are lost, or the landmark is too far back."""
        if (now_ms - self.landmark_ms) / self.time_constant_ms > MAX_EXPONENT:
            return True
        held = (self.score_hash, self.related_hash, self.vectors.hash)
        n_held = sum(int(np.count_nonzero(hashes)) for hashes in held)
        return len(self.numbering) > 2 * (n_held + MAX_LOST) and len(self.numbering) > 2 * int(self._kept().sum())

    def renewed(self, now_ms: float) -> Catalogue:
        """A copy without lost rows and with its landmark now; the numbers of rows change."""
        kept = np.flatnonzero(self._kept())
        new_row = np.full(len(self.numbering) + 1, -1, np.int32)  # the last entry serves neighbour -1
        new_row[kept] = np.arange(len(kept), dtype=np.int32)
        copy = Catalogue(now_ms, self.time_constant_ms)
        for row in kept.tolist():
            copy.numbering.row(self.numbering.ids[row])
        copy._fit(len(kept), self.neighbour.shape[1])
        factor = np.exp((self.landmark_ms - now_ms) / self.time_constant_ms)
        n = len(kept)
        for name in ("score", "score_hash", "related_hash", "is_live", "size"):
            getattr(copy, name)[:n] = getattr(self, name)[kept]
        copy.neighbour[:n] = new_row[self.neighbour[kept]]
        copy.weight[:n] = self.weight[kept] * factor
        copy.count[:n] = self.count[kept] * factor
        copy.checksum = self.checksum
        copy.vectors = self.vectors.kept(kept, len(copy.score))
        return copy

    def _keep_up_with(self, newest_ms: float) -> None:
        """Move the landmark where weights of that time would leave float32's range in its units: behind a first
        version without events, which is as of 1970, or after years."""
        if (newest_ms - self.landmark_ms) / self.time_constant_ms <= MAX_EXPONENT:
            return
        factor = np.exp((self.landmark_ms - newest_ms) / self.time_constant_ms)
        self.weight *= np.float32(factor)
        self.count *= factor
        self.landmark_ms = newest_ms

    def _kept(self) -> UInt8Array:
        """(n,) 1: has a row, or a row lists it."""
        n = min(len(self.numbering), len(self.score))
        kept = np.zeros(len(self.numbering), np.uint8)
        kept[:n] = (self.score_hash[:n] != 0) | (self.related_hash[:n] != 0)
        kept[np.flatnonzero(self.vectors.hash)] = 1
        listed: Int64Array = np.unique(self.neighbour[:n])
        kept[listed[listed >= 0]] = 1
        return kept

    def _fit(self, n_rows: int, width: int) -> None:
        capacity, old_width = self.neighbour.shape
        new_width = max(old_width, -(-width // WIDTH_STEP) * WIDTH_STEP)
        new_capacity = capacity
        while new_capacity < n_rows:
            new_capacity *= 2
        if new_capacity > capacity:
            self.score = _longer(self.score, (new_capacity,), np.nan)
            self.score_hash = _longer(self.score_hash, (new_capacity,), 0)
            self.related_hash = _longer(self.related_hash, (new_capacity,), 0)
            self.is_live = _longer(self.is_live, (new_capacity,), 0)
            self.size = _longer(self.size, (new_capacity,), 0)
            self.count = _longer(self.count, (new_capacity,), 0.0)
            self.scratch = item_to_item.allocate_scratch(new_capacity)
        if (new_capacity, new_width) != (capacity, old_width):
            self.neighbour = _longer(self.neighbour, (new_capacity, new_width), -1)
            self.weight = _longer(self.weight, (new_capacity, new_width), 0.0)


def _longer(old: Column, shape: tuple[int, ...], fill: float) -> Column:
    new = np.full(shape, fill, old.dtype)
    new[tuple(slice(0, n) for n in old.shape)] = old
    return new  # type: ignore[return-value]  # of old's type by its dtype
