"""Items without interactions, placed beside those that lie near them by their vectors."""

from __future__ import annotations

import numpy as np

from consumer.events.hashing import hash_text
from consumer.messages import Int64Array
from consumer.models import nearest
from consumer.models.recency_index import NONE
from consumer.models.seeding import add_related, enter_items
from consumer.models.state import ModelState
from consumer.transfer.vectors import ItemVectors

N_NEAREST = 20
WAYS_BACK = 8
"""A row leads to at most so many items without interactions: they take places from what was learned."""


def place_cold_items(model: ModelState, vectors: ItemVectors, as_of_ms: float, strength: float) -> int:
    """Make the file's items live and link those that nothing was learned about; returns how many these are.

    The first interactions of an item outweigh its vector: a cosine of 1 weighs like `strength` events. Raises Fatal
    where there would be too many items.
    """
    known = [model.find_item(hash_text(item)) for item in vectors.ids]
    counts = model.item_to_item.counts
    cold: Int64Array = np.flatnonzero([row == NONE or counts[row] == 0.0 for row in known])
    cold_ids = [vectors.ids[i] for i in cold.tolist()]
    enter_items(model, cold_ids, np.full(len(cold), int(as_of_ms), np.int64))
    rows = np.array([model.find_item(hash_text(item)) for item in vectors.ids], np.int32)
    found = nearest.nearest(vectors.vectors, cold, N_NEAREST)
    if found.neighbour.size:
        add_related(model, rows[cold], rows, nearest.cold_rows(found, strength), as_of_ms, 1.0)
        places, back = nearest.ways_back(found, cold, strength, WAYS_BACK)
        add_related(model, rows[places], rows, back, as_of_ms, 1.0)
    return len(cold)
