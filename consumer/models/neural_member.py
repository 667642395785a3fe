"""`neural` as a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from consumer.messages import Int32Array
from consumer.models import item_to_item, neural, neural_encoder, neural_examples, neural_training
from consumer.models.base import Interactions, Law, Ranked, Update, check_rows, fill, known_rows, part_of
from consumer.models.item_to_item import N_RANKED
from consumer.models.item_to_item_member import ItemToItemMember
from consumer.settings import Models
from consumer.tables import Array


class NeuralMember:
    """The items whose vectors lie nearest to that of a history; learned in steps of some examples each, by JAX.

    New items begin near their neighbours in `item_to_item`, so it brings that member along.

    Updates: by how much vectors and weights moved. Exact up to rounding where the receiver had what the sender had;
    else both steps count, though each was taken without the other. Examples that wait for a step, and those kept to be
    learned again, are the sender's own and stay there.
    """

    name: ClassVar[str] = "neural"
    opt_outs: ClassVar[Mapping[Law, str]] = {
        Law.UPDATES_COMMUTE: "a step goes down the gradient where the vectors stand, which others have moved meanwhile",
    }

    def __init__(self, settings: Models, n_rows: int) -> None:
        self._settings = settings.neural.model_copy(update={"enabled": True})
        self._item_to_item = ItemToItemMember(settings, n_rows)
        self._plan = neural.plan_of(self._settings)
        self._learned = neural.allocate(self._settings, n_rows)
        self._moments = neural.allocate_moments(self._settings)
        self._scratch = neural_encoder.allocate_scratch(self._settings, n_rows)
        self._is_live = np.zeros(n_rows, np.uint8)
        self._dirty = np.zeros(n_rows, np.uint8)  # the kernels mark what a checkpoint must copy; nobody asks here
        self._told = {name: array.copy() for name, array in self._shared().items()}

    def learn(self, interactions: Interactions) -> None:
        check_rows(self.name, interactions.item, len(self._is_live))
        for i in range(len(interactions)):
            if neural_examples.is_step_due(self._learned, self._plan):
                self._take_step()
            one = part_of(interactions, i, i + 1)
            self._is_live[one.item] = 1
            self._item_to_item.learn(one)
            if one.enters_history[0]:
                self._put_aside(one)

    def forget(self, items: Int32Array) -> None:
        self._item_to_item.forget(items)
        self._is_live[items] = 0
        for item in items.tolist():
            neural.forget_item(self._learned.items, item)
        self._told["vector"][items] = 0.0
        neural_examples.forget_items(self._learned.examples, self._is_live)

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """The best items outside the history, at most N_RANKED of them."""
        items, scores = np.zeros(N_RANKED, np.int32), np.zeros(N_RANKED)
        rows = known_rows(history, len(self._is_live))
        found = neural_encoder.rank(
            self._learned, self._scratch, self._is_live, rows, len(rows), items, scores
        )  # fmt: skip
        n_listed = max(0, min(n, found))
        return Ranked(items[:n_listed], scores[:n_listed])

    def state(self) -> Mapping[str, Array]:
        return {
            **{f"item_to_item.{name}": array for name, array in self._item_to_item.state().items()},
            **{f"learned.{name}": array for name, array in neural.small(self._learned, self._moments).items()},
            **{f"learned.{name}": array for name, array in neural.of_items(self._learned).items()},
            **{f"examples.{name}": array for name, array in neural.examples_table(self._learned).arrays.items()},
            **{f"told.{name}": array for name, array in self._told.items()},
            "is_live": self._is_live,
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        fill(self.state(), state)

    def take_update(self) -> Update:
        shared = self._shared()
        rows = np.flatnonzero((shared["vector"] != self._told["vector"]).any(axis=1))
        update = {name: array - self._told[name] for name, array in shared.items()}
        for name, told in self._told.items():
            told[...] = shared[name]
        return {
            **update,
            **{f"item_to_item.{name}": array for name, array in self._item_to_item.take_update().items()},
            "vector": update["vector"][rows],
            "items": rows.astype(np.int32),
        }

    def apply_update(self, update: Update) -> None:
        check_rows(self.name, update["items"], len(self._is_live))
        of_neighbours = {name.removeprefix("item_to_item."): array for name, array in update.items()}
        self._item_to_item.apply_update(of_neighbours | {"items": update["item_to_item.items"]})
        rows = update["items"]
        for name, array in self._shared().items():
            at = rows if name == "vector" else ...
            array[at] += update[name]
            self._told[name][at] += update[name]
        self._is_live[rows] = 1
        self._learned.items.scale[rows] = neural_training.scales(self._learned.items.vector, rows.astype(np.int64))

    def _put_aside(self, one: Interactions) -> None:
        item = int(one.item[0])
        neural_examples.note_event(self._learned, self._plan)
        neural_examples.learn_event(
            self._learned, self._plan, one.history[0], int(one.n_history[0]), item,
            item_to_item.fresh_count(self._item_to_item.learned, item, float(one.time_ms[0])),
            np.uint64(0), one.session[0],
        )  # fmt: skip

    def _take_step(self) -> None:
        neural_training.take_step(
            self._learned, self._moments, self._settings, self._is_live, self._dirty, self._item_to_item.learned,
            factor=1.0,
        )  # fmt: skip

    def _shared(self) -> dict[str, Array]:
        """What others are told of: the arrays themselves."""
        return {"vector": self._learned.items.vector, **self._learned.encoder._asdict()}
