"""What readers would recommend from: the related rows and tables as they were when they were published, as arrays.

The gate asks this model and the live one the same questions. Row-aligned with the items of a `ModelState`, and of the
width of its rows; it takes 8 bytes an entry and 12 a row: 524 bytes an item at 64 neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from consumer.kernels import kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import fusion, logit, repeat
from consumer.models.item_to_item import COUNT_TOTAL, LANDMARK_MS, TIME_CONSTANT_MS, ItemToItemArrays
from consumer.models.popularity import N_TOP
from consumer.models.recommend import Readable
from consumer.models.state import ModelState

Float32Array = NDArray[np.float32]


class PublishedLists:
    """Weights and masses are in units of one event at `totals`' landmark, as the live ones are."""

    def __init__(self, capacity: int, neighbours: int) -> None:
        self._width = neighbours
        self._allocate(capacity)
        self.totals: Float64Array = np.array([0.0, np.nan, 1.0])
        self.repeat = repeat.allocate()
        self.logit = logit.allocate()
        self.fusion = fusion.allocate()
        self.top: Int32Array = np.full(N_TOP, -1, np.int32)

    def _allocate(self, capacity: int) -> None:
        self.neighbour: Int32Array = np.full((capacity, self._width), -1, np.int32)
        self.weight: Float32Array = np.zeros((capacity, self._width), np.float32)
        self.size: Int32Array = np.zeros(capacity, np.int32)
        self.mass: Float64Array = np.zeros(capacity)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The row-aligned ones."""
        return {"neighbour": self.neighbour, "weight": self.weight, "size": self.size, "mass": self.mass}

    def small(self) -> dict[str, NDArray[np.generic]]:
        """The others."""
        return {
            "totals": self.totals,
            "repeat_chance": self.repeat.chance,
            "repeat_events": self.repeat.n_events,
            "logit_weights": self.logit.weights,
            "fusion_chance": self.fusion.chance,
            "fusion_samples": self.fusion.n_samples,
            "top": self.top,
        }

    def fit(self, capacity: int) -> None:
        """Room for so many rows."""
        old = self.arrays()
        self._allocate(capacity)
        for name, array in self.arrays().items():
            array[: len(old[name])] = old[name]

    def clear(self, row: int) -> None:
        """Nothing is published in this row."""
        self.size[row] = 0
        self.mass[row] = 0.0

    def clear_all(self) -> None:
        self._allocate(len(self.size))

    def take(self, model: ModelState, rows: Int64Array) -> None:
        """These related rows have been published as the model has them now, and with them its tables."""
        i2i = model.item_to_item
        if self._width:
            self.neighbour[rows] = i2i.neighbour[rows]
            self.weight[rows] = i2i.weight[rows]
            self.size[rows] = i2i.size[rows]
            self.mass[rows] = i2i.counts[rows]
        self.totals[:] = i2i.totals
        for ours, theirs in ((self.repeat, model.repeat), (self.fusion, model.fusion)):
            for mine, live in zip(ours, theirs, strict=True):
                mine[...] = live
        self.logit.weights[:] = model.logit.weights
        self.top[:] = model.popularity.top

    def drop(self, is_live: UInt8Array, dirty: UInt8Array) -> None:
        """Forget items no longer live, before their rows are reused; marks the rows changed."""
        _drop(self.neighbour, self.weight, self.size, is_live, dirty)
        self.top[(self.top >= 0) & (is_live[np.maximum(self.top, 0)] == 0)] = -1

    def readable(self, scores: Float64Array) -> Readable:
        """To be asked beside the live model, with these published scores."""
        nothing = np.zeros(0)
        shown = ItemToItemArrays(
            neighbour=self.neighbour,
            weight=self.weight,
            weight_bits=self.weight.view(np.int32),
            size=self.size,
            counts=self.mass,
            evidence=nothing,
            changed=nothing,
            totals=self.totals,
        )
        return Readable(shown, self.repeat, self.logit, self.fusion, scores, self.top)

    def follow_landmark(self, i2i: ItemToItemArrays) -> bool:
        """Where the live model has begun to count from a later landmark, do so too. Returns whether rows changed."""
        before_ms, now_ms = self.totals[LANDMARK_MS], i2i.totals[LANDMARK_MS]
        if before_ms == now_ms or np.isnan(before_ms):
            return False
        factor = np.exp((before_ms - now_ms) / i2i.totals[TIME_CONSTANT_MS])
        self.weight *= np.float32(factor)
        self.mass *= factor
        self.totals[COUNT_TOTAL] *= factor
        self.totals[LANDMARK_MS] = now_ms
        return True


@kernel
def _drop(
    neighbour: Int32Array, weight: Float32Array, size: Int32Array, is_live: UInt8Array, dirty: UInt8Array
) -> None:
    for row in range(min(len(size), len(is_live))):
        kept = 0
        for e in range(size[row]):
            if is_live[neighbour[row, e]]:
                neighbour[row, kept] = neighbour[row, e]
                weight[row, kept] = weight[row, e]
                kept += 1
        kept = kept if is_live[row] else 0
        if kept != size[row]:
            size[row] = kept
            dirty[row] = 1
