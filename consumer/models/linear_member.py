"""`linear` as a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from consumer.messages import FeatureEntries, Float64Array, Int32Array
from consumer.models import item_features, linear_learning, linear_model, linear_rows, standardise
from consumer.models.base import Interactions, Law, Ranked, Update, check_rows, fill, known_rows, part_of
from consumer.models.item_to_item import N_RANKED
from consumer.models.item_to_item_member import ItemToItemMember
from consumer.models.linear_model import N_DISTINCT, N_ROWS
from consumer.models.popularity_member import PopularityMember
from consumer.settings import Models
from consumer.tables import Array

_LEAST = np.finfo(np.float64).tiny
_WEIGHTS = ("weight", "squares", "pull", "stiffness", "n_steps")


class LinearMember:
    """How likely the items that `item_to_item` proposes are to come next, by a row of features known beforehand.

    It looks at what two others have learned, so it brings those two along.

    Updates: weights and sums of gradients by how much they moved, means and spreads of what was observed, the features
    of the items that events were about. Exact up to rounding where the receiver had what the sender had; else both
    steps count, though each was taken without the other.
    """

    name: ClassVar[str] = "linear"
    opt_outs: ClassVar[Mapping[Law, str]] = {
        Law.UPDATES_COMMUTE: "a step goes down the gradient where the weights stand, which others have moved meanwhile",
    }

    def __init__(self, settings: Models, n_rows: int) -> None:
        linear = settings.linear.model_copy(update={"enabled": True})
        self._popularity = PopularityMember(settings, n_rows)
        self._item_to_item = ItemToItemMember(settings, n_rows)
        self._plan = linear_model.plan_of(linear)
        self._learned = linear_model.allocate(linear, n_rows, 0)
        self._scratch = linear_model.allocate_scratch(linear, n_rows, n_rows, settings.item_to_item.neighbours)
        self._n_used = np.zeros(1, np.int64)
        self._changed = np.zeros(n_rows, np.uint8)  # features, since the last update
        self._told = {name: linear_model.small(self._learned)[name].copy() for name in _WEIGHTS}
        self._pending = standardise.allocate(len(self._learned.numbers.mean), linear_model.NUMBERS_TIME_CONSTANT_S)

    def learn(self, interactions: Interactions) -> None:
        check_rows(self.name, interactions.item, len(self._changed))
        for i in range(len(interactions)):
            one = part_of(interactions, i, i + 1)
            item = int(one.item[0])
            self._n_used[0] = max(self._n_used[0], item + 1)
            if one.enters_history[0] and one.n_history[0] > 0 and self._popularity.is_live[item]:
                self._learn_one(one, item)
            self._popularity.learn(one)
            self._item_to_item.learn(one)
            self._remember(one, item)

    def _learn_one(self, one: Interactions, item: int) -> None:
        key = one.key[0] if len(one.key) else np.uint64(0)
        time_ms = float(one.time_ms[0])
        if not linear_learning.is_chosen(self._plan, key):
            return
        is_live = self._popularity.is_live
        linear_learning.learn_event(
            self._learned, self._plan, self._scratch, self._popularity.learned, self._item_to_item.learned, is_live,
            int(is_live.sum()), int(self._n_used[0]), one.history[0], int(one.n_history[0]), item,
            int(one.last_kind[0]) if len(one.last_kind) else 0, time_ms, key,
        )  # fmt: skip
        for r in range(int(self._scratch.counts[N_ROWS])):
            standardise.observe(self._pending, self._scratch.raw[r], time_ms)

    def _remember(self, one: Interactions, item: int) -> None:
        is_there = one.feature_name[:1] != 0
        entries = FeatureEntries(
            one.feature_name[:1][is_there], one.feature_text[:1][is_there], one.feature_value[:1][is_there]
        )
        if len(entries.name):
            item_features.remember(self._learned.features, item, entries, 0, len(entries.name))
            for numbers in (self._learned.numbers, self._pending):
                linear_rows.observe_features(self._learned._replace(numbers=numbers), item, float(one.time_ms[0]))
            self._changed[item] = 1

    def forget(self, items: Int32Array) -> None:
        self._popularity.forget(items)
        self._item_to_item.forget(items)
        for item in items.tolist():
            item_features.forget_item(self._learned.features, item)
        self._changed[items] = 0

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """What `item_to_item` proposes, by the chance that it comes next."""
        proposed = self._item_to_item.score(history, N_RANKED, now_ms).items
        rows = known_rows(history, len(self._changed))
        margins = np.zeros(len(proposed))
        linear_learning.judge(
            self._learned, self._plan, self._scratch, self._popularity.learned, self._item_to_item.learned,
            self._popularity.is_live, rows, len(rows), 0, float(now_ms), proposed, len(proposed), margins,
        )  # fmt: skip
        n_others = max(int(self._popularity.is_live.sum() - self._scratch.counts[N_DISTINCT]) - 1, 1)
        best = np.lexsort((proposed, -margins))[:n]
        return Ranked(proposed[best], _chances(margins[best] - np.log(n_others)))

    def state(self) -> Mapping[str, Array]:
        return {
            **{f"popularity.{name}": array for name, array in self._popularity.state().items()},
            **{f"item_to_item.{name}": array for name, array in self._item_to_item.state().items()},
            **{f"learned.{name}": array for name, array in linear_model.small(self._learned).items()},
            **{f"learned.{name}": array for name, array in linear_model.of_items(self._learned).items()},
            **{f"told.{name}": array for name, array in self._told.items()},
            **{f"pending.{name}": array for name, array in self._pending._asdict().items()},
            "n_used": self._n_used,
            "changed": self._changed,
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        fill(self.state(), state)

    def take_update(self) -> Update:
        rows = np.flatnonzero(self._changed)
        learned, pending = linear_model.small(self._learned), self._pending
        update = {
            **{f"popularity.{name}": array for name, array in self._popularity.take_update().items()},
            **{f"item_to_item.{name}": array for name, array in self._item_to_item.take_update().items()},
            **{name: learned[name] - told for name, told in self._told.items()},
            **{name: array[rows] for name, array in linear_model.of_items(self._learned).items()},
            **{f"observed.{name}": array.copy() for name, array in pending._asdict().items()},
            "items": rows.astype(np.int32),
            "n_used": self._n_used.copy(),
        }
        for name, told in self._told.items():
            told[:] = learned[name]
        for array in (pending.weight, pending.mean, pending.squares):
            array[:] = 0.0
        pending.times[standardise.LANDMARK_MS] = np.nan
        self._changed[:] = 0
        return update

    def apply_update(self, update: Update) -> None:
        check_rows(self.name, update["items"], len(self._changed))
        self._popularity.apply_update(_of("popularity.", update))
        self._item_to_item.apply_update(_of("item_to_item.", update))
        learned = linear_model.small(self._learned)
        for name, told in self._told.items():
            learned[name][:] += update[name]
            told += update[name]
        for name, array in linear_model.of_items(self._learned).items():
            array[update["items"]] = update[name]
        standardise.add(self._learned.numbers, standardise.StandardiseArrays(**_of("observed.", update)))
        self._n_used[:] = np.maximum(self._n_used, update["n_used"])


def _of(prefix: str, update: Update) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in update.items() if name.startswith(prefix)}


def _chances(margins: Float64Array) -> Float64Array:
    chances: Float64Array = 1.0 / (1.0 + np.exp(-np.clip(margins, -700.0, 700.0)))
    return np.maximum(chances, _LEAST)
