"""A trainer with its model, compared and saved as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.events.hashing import hash_text
from consumer.learning.trainer import Trainer
from consumer.messages import Int32Array
from consumer.models import ensemble, item_to_item, logit, recommend
from consumer.models.logit import Pool
from consumer.models.recency_index import NONE
from consumer.models.recommend import MERGED, Lists
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.tables import Array
from tests.streams import cut, part_of_admitted


@dataclass(frozen=True)
class Saved:
    """What a checkpoint would hold."""

    tables: Mapping[str, Mapping[str, Array]]
    small: Mapping[str, Array]


class World:
    """A worker's learned state, asked about by the names of items and users."""

    def __init__(self, settings: Settings, before_recycling: Callable[[Int32Array], None] = lambda rows: None) -> None:
        self.settings = settings
        self.model = ModelState(settings)
        self.trainer = Trainer(settings, self.model, before_recycling)

    def learn(self, batch: AdmittedBatch, places: Sequence[int] = ()) -> World:
        """Learn the batch, cut at these places."""
        for start, end in cut(len(batch.outcome), places):
            self.trainer.learn(part_of_admitted(batch, start, end))
        return self

    def saved(self) -> Saved:
        """Copies of all that a checkpoint holds."""
        tables = {
            name: {column: array[: table.n_rows].copy() for column, array in table.arrays.items()}
            for name, table in self.model.tables().items()
        }
        small = {**self.model.small(), **self.trainer.small()}
        return Saved(tables, {name: array.copy() for name, array in small.items()})

    def restore(self, saved: Saved) -> World:
        self.model.restore(saved.tables, saved.small)
        self.trainer.restore(saved.small)
        return self

    def row(self, item: str) -> int:
        """Row of a live item, or NONE."""
        return self.model.find_item(hash_text(item.encode()))

    def live_items(self) -> dict[str, int]:
        """Row of each live item by its id."""
        rows = np.flatnonzero(self.model.items.is_live).tolist()
        return {self.model.item_id(row).decode(): row for row in rows}

    def score(self, item: str) -> float:
        return float(self.model.scores()[self.row(item)])

    def neighbours(self, item: str) -> dict[str, float]:
        """The live entries of the item's row of `item_to_item`, in units of an event at the landmark."""
        i2i, row = self.model.item_to_item, self.row(item)
        size = int(i2i.size[row])
        pairs = zip(i2i.neighbour[row, :size].tolist(), i2i.weight[row, :size].tolist(), strict=True)
        is_live = self.model.items.is_live
        return {self.model.item_id(other).decode(): weight for other, weight in pairs if is_live[other]}

    def history(self, user: str) -> list[str | None]:
        """The user's items, latest first; None: gone."""
        first, second = hash_text(user.encode())
        keys, is_live = self.model.users.keys, self.model.users.is_live
        (row,) = np.flatnonzero((keys[:, 0] == first) & (keys[:, 1] == second) & (is_live == 1))
        rings = self.model.histories
        n, length = int(rings.n_events[row]), rings.items.shape[1]
        items = [int(rings.items[row, (rings.head[row] - b) % length]) for b in range(n)]
        return [
            self.model.item_id(item).decode() if item != NONE and self.model.items.is_live[item] else None
            for item in items
        ]

    def recommended(self, history: Sequence[str | None], now_ms: int, n: int = 20) -> Lists:
        """How what the members propose for a history (latest first) is merged."""
        return self.asked(history, now_ms, n)[1]

    def asked(self, history: Sequence[str | None], now_ms: int, n: int = 20, last_kind: int = 0) -> tuple[Pool, Lists]:
        """What the members propose for a history (latest first) and how it is merged."""
        rows = np.full(max(20, len(history)), NONE, np.int32)
        rows[: len(history)] = [NONE if item is None else self.row(item) for item in history]
        pool, lists = logit.allocate_pool(), recommend.allocate_lists(len(rows), n)
        model = self.model
        models = model.ensemble._replace(scratch=item_to_item.allocate_scratch(len(model.items.is_live)))
        ensemble.recommend(
            models,
            model.popularity,
            model.n_items,
            model.items.is_live,
            rows,
            len(history),
            last_kind,
            float(now_ms),
            True,
            pool,
            lists,
        )
        return pool, lists

    def merged(self, history: Sequence[str | None], now_ms: int) -> list[str]:
        lists = self.recommended(history, now_ms)
        return [self.model.item_id(int(row)).decode() for row in lists.merged[: lists.lengths[MERGED]]]


def differences(one: World, other: World) -> list[str]:
    """Names of the arrays in which two states are not the same to the last bit."""
    a, b = one.saved(), other.saved()
    flat_a = {**a.small, **{f"{t}.{c}": v for t, columns in a.tables.items() for c, v in columns.items()}}
    flat_b = {**b.small, **{f"{t}.{c}": v for t, columns in b.tables.items() for c, v in columns.items()}}
    assert flat_a.keys() == flat_b.keys()
    return [
        name
        for name, array in flat_a.items()
        if array.shape != flat_b[name].shape or array.tobytes() != flat_b[name].tobytes()
    ]
