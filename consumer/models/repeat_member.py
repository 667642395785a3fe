"""`repeat` as a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Int32Array, UInt8Array
from consumer.models import repeat
from consumer.models.base import Interactions, Law, Ranked, Update, fill, known_rows, named
from consumer.models.repeat import RepeatArrays
from consumer.settings import Models
from consumer.tables import Array


@hot_kernel
def _learn_each(
    learned: RepeatArrays,
    from_zero: RepeatArrays,
    from_one: RepeatArrays,
    items: Int32Array,
    enters_history: UInt8Array,
    histories: Int32Array,
    n_history: Int32Array,
) -> None:
    for i in range(len(items)):
        if enters_history[i] and n_history[i] > 0:
            repeat.learn_event(learned, histories[i], n_history[i], items[i], 1.0)
            repeat.learn_event(from_zero, histories[i], n_history[i], items[i], 1.0)
            repeat.learn_event(from_one, histories[i], n_history[i], items[i], 1.0)


class RepeatMember:
    """The items of a history by the chance that its owner returns to them. It knows places, not items.

    Updates: an event makes of a mean m the mean (1 − step)·m + step·truth, and a run of events k·m + a. The pair (k, a)
    is handed out, found by learning the same from m = 0 and from m = 1. It is exact where the receiver had what the
    sender had; else the receiver's own steps would have been a little smaller, and the later of two updates weighs a
    little more than the earlier one. Both fade within the last 1000 events that the means remember.
    """

    name: ClassVar[str] = "repeat"
    opt_outs: ClassVar[Mapping[Law, str]] = {
        Law.UPDATES_COMMUTE: "a running mean depends on the order of its events and steps by how many there were",
        Law.FORGOTTEN_IS_GONE: "it holds nothing of any item; histories blank the places of items that are gone",
    }

    def __init__(self, settings: Models, n_rows: int) -> None:
        self._n_rows = n_rows
        self._learned = repeat.allocate()
        self._from_zero = repeat.allocate()
        self._from_one = repeat.allocate()
        self._n_told = np.zeros_like(self._learned.n_events)
        self._begin_update()

    def learn(self, interactions: Interactions) -> None:
        _learn_each(
            self._learned, self._from_zero, self._from_one, interactions.item,
            interactions.enters_history, interactions.history, interactions.n_history,
        )  # fmt: skip

    def forget(self, items: Int32Array) -> None:
        """Nothing: it holds nothing of any item."""

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """The history's items, each at its last occurrence."""
        items, scores = np.zeros(len(history), np.int32), np.zeros(len(history))
        found = repeat.rank(self._learned, known_rows(history, self._n_rows), len(history), items, scores)
        return Ranked(items[: min(n, found)], scores[: min(n, found)])

    def state(self) -> Mapping[str, Array]:
        groups = named(learned=self._learned, from_zero=self._from_zero, from_one=self._from_one)
        return {**groups, "n_told": self._n_told}

    def restore(self, state: Mapping[str, Array]) -> None:
        fill(self.state(), state)

    def take_update(self) -> Update:
        update = {
            "kept": self._from_one.chance - self._from_zero.chance,
            "added": self._from_zero.chance.copy(),
            "n_events": self._learned.n_events - self._n_told,
        }
        self._begin_update()
        return update

    def apply_update(self, update: Update) -> None:
        self._learned.chance[:] = update["kept"] * self._learned.chance + update["added"]
        for n_events in (self._learned.n_events, self._from_zero.n_events, self._from_one.n_events, self._n_told):
            n_events += update["n_events"]

    def _begin_update(self) -> None:
        self._n_told[:] = self._learned.n_events
        for start, arrays in ((0.0, self._from_zero), (1.0, self._from_one)):
            arrays.chance[:] = start
            arrays.n_events[:] = self._learned.n_events
