"""`item_to_item` as a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import item_to_item
from consumer.models.base import Interactions, Law, Ranked, Update, check_rows, fill, known_rows, named
from consumer.models.item_to_item import (
    COUNT_TOTAL,
    LANDMARK_MS,
    MAX_EXPONENT,
    N_PARTS,
    N_RANKED,
    TIME_CONSTANT_MS,
    WINDOW,
    Float32Array,
    ItemToItemArrays,
)
from consumer.settings import Models
from consumer.tables import Array


@hot_kernel
def _learn_each(
    learned: ItemToItemArrays,
    pending: ItemToItemArrays,
    is_live: UInt8Array,
    dirty: UInt8Array,
    items: Int32Array,
    enters_history: UInt8Array,
    predecessors: Int32Array,
    times_ms: Int64Array,
) -> None:
    n_rows = len(is_live)
    for i in range(len(items)):
        if enters_history[i]:
            is_live[items[i]] = 1
            before = predecessors[i]
            item_to_item.learn_event(learned, n_rows, is_live, dirty, items[i], before, WINDOW, times_ms[i])
            item_to_item.learn_event(pending, n_rows, is_live, dirty, items[i], before, WINDOW, times_ms[i])


@hot_kernel
def add_rows(
    i2i: ItemToItemArrays,
    dirty: UInt8Array,
    items: Int32Array,
    neighbours: Int32Array,
    weights: Float32Array,
    counts: Float64Array,
    landmark_ms: float,
) -> None:
    """Add rows in units of one event at `landmark_ms`."""
    if np.isnan(i2i.totals[LANDMARK_MS]):
        i2i.totals[LANDMARK_MS] = landmark_ms
    if (landmark_ms - i2i.totals[LANDMARK_MS]) / i2i.totals[TIME_CONSTANT_MS] > MAX_EXPONENT:
        item_to_item.move_landmark(i2i, len(dirty), landmark_ms)
    g = item_to_item.gain(i2i, landmark_ms)
    for r in range(len(items)):
        i2i.counts[items[r]] += g * counts[r]
        i2i.changed[items[r]] += g * counts[r]
        i2i.totals[COUNT_TOTAL] += g * counts[r]
        for e in range(neighbours.shape[1]):
            if neighbours[r, e] >= 0:
                item_to_item.add_weight(i2i, dirty, items[r], neighbours[r, e], g * weights[r, e])


class ItemToItemMember:
    """What is seen in one session with the items of a history, in two hops.

    Updates add up, exact to single precision as long as no row overflows. In a row that does, a weight is off by no
    more than the smallest one there and the smallest one of the update's row together, and what is missing was no
    larger.
    """

    name: ClassVar[str] = "item_to_item"
    opt_outs: ClassVar[Mapping[Law, str]] = {}

    def __init__(self, settings: Models, n_rows: int) -> None:
        i2i = settings.item_to_item
        self.learned = item_to_item.allocate(n_rows, i2i.neighbours, i2i.time_constant_s)
        self._pending = item_to_item.allocate(n_rows, i2i.neighbours, i2i.time_constant_s)
        self._scratch = item_to_item.allocate_scratch(n_rows)
        self._is_live = np.zeros(n_rows, np.uint8)
        self._dirty = np.zeros(n_rows, np.uint8)  # the kernels mark what a checkpoint must copy; nobody asks here

    def learn(self, interactions: Interactions) -> None:
        check_rows(self.name, interactions.item, len(self._is_live))
        _learn_each(
            self.learned, self._pending, self._is_live, self._dirty, interactions.item,
            interactions.enters_history, interactions.predecessors, interactions.time_ms,
        )  # fmt: skip

    def forget(self, items: Int32Array) -> None:
        self._is_live[items] = 0
        for arrays in (self.learned, self._pending):
            for item in items.tolist():
                item_to_item.forget_item(arrays, item)
            item_to_item.forget_items(arrays, len(self._is_live), self._is_live, self._dirty)

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """The best items outside the history, at most N_RANKED of them."""
        items, scores = np.zeros(N_RANKED, np.int32), np.zeros(N_RANKED)
        rows = known_rows(history, len(self._is_live))
        found = item_to_item.rank(
            self.learned, self._scratch, self._is_live, rows, len(rows), float(now_ms), items, scores,
            np.zeros((N_RANKED, N_PARTS)),
        )  # fmt: skip
        return Ranked(items[: min(n, found)], scores[: min(n, found)])

    def state(self) -> Mapping[str, Array]:
        groups = named(learned=self.learned, pending=self._pending)
        own = {name: array for name, array in groups.items() if not name.endswith((".weight_bits", ".fetched"))}
        return {**own, "is_live": self._is_live}

    def restore(self, state: Mapping[str, Array]) -> None:
        fill(self.state(), state)

    def take_update(self) -> Update:
        pending = self._pending
        rows = np.flatnonzero((pending.counts > 0.0) | (pending.size > 0))
        update: dict[str, Array] = {
            "items": rows.astype(np.int32),
            "neighbour": pending.neighbour[rows],
            "weight": pending.weight[rows],
            "counts": pending.counts[rows],
            "landmark_ms": pending.totals[[LANDMARK_MS]],
        }
        for array in (pending.weight, pending.size, pending.counts, pending.evidence, pending.changed):
            array[rows] = 0
        pending.neighbour[rows] = -1
        pending.totals[[COUNT_TOTAL, LANDMARK_MS]] = 0.0, np.nan
        return update

    def apply_update(self, update: Update) -> None:
        items, neighbours = update["items"], update["neighbour"]
        check_rows(self.name, items, len(self._is_live))
        check_rows(self.name, neighbours[neighbours >= 0], len(self._is_live))
        self._is_live[items] = 1
        self._is_live[neighbours[neighbours >= 0]] = 1
        if len(items):
            landmark_ms = float(update["landmark_ms"][0])
            add_rows(self.learned, self._dirty, items, neighbours, update["weight"], update["counts"], landmark_ms)
