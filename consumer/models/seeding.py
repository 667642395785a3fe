"""Puts what another deployment learned into a new model's state, at a discount, so that own data soon outweighs it.

Evidence fades with time and counts relative to evidence, so a discount d has a plain meaning: once the new shop has
gathered d times as much of its own as the old one had, both weigh the same.

What is added counts as of the time given; `undate` makes it count as of the first event to come instead, whenever that
will be: it then neither fades before it is of use nor, ahead of a stream that begins in the past, weighs for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consumer.errors import Fatal
from consumer.events.hashing import hash_text
from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt64Array
from consumer.models import popularity, recency_index, repeat
from consumer.models.item_to_item import LANDMARK_MS
from consumer.models.item_to_item_member import add_rows
from consumer.models.knowledge import Chances, Counts, Knowledge, Related
from consumer.models.neural_seeding import seed_network
from consumer.models.popularity_member import add_counts
from consumer.models.recency_index import N_LIVE, NONE, IndexArrays
from consumer.models.state import ModelState

REMEMBERED = int(1.0 / repeat.MIN_STEP) - repeat.PRIOR_EVENTS
"""Events behind a running mean that still matter."""


def seed(model: ModelState, knowledge: Knowledge, discount: float) -> Int32Array:
    """Add all of it; returns the row of each of its items. Raises Fatal, with nothing changed, where it doesn't fit."""
    for name, table, shape in (
        ("repeat", knowledge.repeat, model.repeat.chance.shape),
        ("fusion", knowledge.fusion, model.fusion.chance.shape),
    ):
        if table is not None and table.chance.shape != shape:
            raise Fatal(f"the table of {name} is {table.chance.shape}, this freshrank works with {shape}")
    rows = enter_items(model, knowledge.ids, knowledge.seen_ms)
    if knowledge.popularity is not None:
        _seed_popularity(model, rows, knowledge.popularity, knowledge.as_of_ms, discount)
    if knowledge.item_to_item is not None:
        add_related(model, rows, rows, knowledge.item_to_item, knowledge.as_of_ms, discount)
    if knowledge.neural is not None:
        seed_network(model, rows, knowledge.neural)
    if knowledge.repeat is not None:
        _seed_chances(model.repeat.chance, model.repeat.n_events, knowledge.repeat, discount)
    if knowledge.fusion is not None:
        _seed_chances(model.fusion.chance, model.fusion.n_samples, knowledge.fusion, discount)
    return rows


def undate(model: ModelState) -> None:
    """Let everything seeded count in full at the first event that is learned."""
    model.popularity.landmark_ms[:] = np.nan
    model.item_to_item.totals[LANDMARK_MS] = np.nan


def enter_items(model: ModelState, ids: Sequence[bytes], seen_ms: Int64Array) -> Int32Array:
    """Make these items live, those seen longest ago first; returns their rows. Raises Fatal where they are too many."""
    keys = np.array([hash_text(item) for item in ids], np.uint64).reshape(-1, 2)
    n_new = sum(model.find_item((key[0], key[1])) == NONE for key in keys.tolist())
    n_live, most = model.n_items + n_new, model.settings.catalogue.max_items
    if n_live > most:
        raise Fatal(
            f"there would be {n_live} items, but catalogue.max_items is {most}: raise it, "
            "or leave items out (--mapping)"
        )
    _make_room(model, n_new, max(map(len, ids), default=0))
    rows = np.zeros(len(ids), np.int32)
    order = np.argsort(seen_ms, kind="stable")
    _enter(model.items, keys, seen_ms, order, rows)
    for row, item in zip(rows.tolist(), ids, strict=True):
        model.text.length[row] = len(item)
        model.text.text[row, : len(item)] = np.frombuffer(item, np.uint8)
    return rows


def _make_room(model: ModelState, n_new: int, id_bytes: int) -> None:
    capacity = len(model.items.touched)
    while capacity < model.n_item_rows + n_new:
        capacity *= 2
    if capacity > len(model.items.touched):
        model.grow_items(capacity)
    if id_bytes > model.text.text.shape[1]:
        model.widen_text(id_bytes)


@hot_kernel
def _enter(index: IndexArrays, keys: UInt64Array, seen_ms: Int64Array, order: Int64Array, rows: Int32Array) -> None:
    for k in range(len(order)):
        i = order[k]
        row = recency_index.find(index, keys[i, 0], keys[i, 1])
        if row == NONE:
            row = recency_index.insert(index, keys[i, 0], keys[i, 1])
        recency_index.touch(index, row, seen_ms[i])
        rows[i] = row


def add_related(
    model: ModelState, rows: Int32Array, row_of: Int32Array, related: Related, as_of_ms: float, factor: float
) -> None:
    """Add entries to these rows, factor times; `row_of` gives the row of each place that `related` points to."""
    neighbour = np.full_like(related.neighbour, -1)
    is_entry = related.neighbour >= 0
    neighbour[is_entry] = row_of[related.neighbour[is_entry]]
    weight = (related.weight * factor).astype(np.float32)
    # By falling weight, so that what doesn't fit into a narrower row is the least.
    order = np.argsort(-weight, axis=1, kind="stable")[:, : model.item_to_item.neighbour.shape[1]]
    add_rows(
        model.item_to_item, model.items.dirty, rows, np.take_along_axis(neighbour, order, 1),
        np.take_along_axis(weight, order, 1), related.counts * factor, as_of_ms,
    )  # fmt: skip


def _seed_popularity(model: ModelState, rows: Int32Array, counts: Counts, as_of_ms: float, discount: float) -> None:
    arrays = model.popularity
    ours = model.settings.models.popularity.half_lives_s
    theirs = np.log(counts.half_lives_s)
    nearest = [int(np.argmin(np.abs(theirs - np.log(half_life)))) for half_life in ours]
    landmarks = np.full(len(ours), as_of_ms)
    positive, negative = (np.ascontiguousarray(side[:, nearest]) for side in (counts.positive, counts.negative))
    add_counts(arrays, rows, positive * discount, negative * discount, landmarks)
    mixture: Float64Array = counts.mixture[nearest]
    arrays.mixture[:] = mixture / mixture.sum()
    arrays.top_age[0] = model.n_items + popularity.MIN_TOP_INTERVAL  # due
    popularity.refresh_top_if_due(arrays, int(model.items.counts[N_LIVE]), model.n_item_rows, model.items.is_live)


def _seed_chances(chance: Float64Array, n_events: Int64Array, learned: Chances, discount: float) -> None:
    chance[:] = learned.chance
    n_events[:] = (np.minimum(learned.n_events, REMEMBERED) * discount).astype(np.int64)
