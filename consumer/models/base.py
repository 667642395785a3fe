"""What every member is: the protocol, the laws that all of them obey, and what they learn from.

Members work on rows: ids became numbers at the edge. A member owns its arrays and nothing else, never asks for the
time, and is the same function of the interactions it was given, however they were cut into batches. The learning pass
of `consumer.learning` runs the same kernels, fused into one loop; the classes are the members one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import DTypeLike

from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array, UInt32Array, UInt64Array
from consumer.tables import Array

NEUTRAL = 0.0
"""The score of an item that a member doesn't list: one it never saw, and one for which nothing speaks."""

Update = Mapping[str, Array]
"""What a member learned since it was last asked; its own affair, but always named arrays."""


class Law(StrEnum):
    """What holds for every member, but where its class opts out and says why."""

    LEARNING_GIVES_NOTHING = "learning returns nothing"
    SCORING_IS_PURE = "scoring changes no bit of the state"
    UNKNOWN_IS_NEUTRAL = "an unknown id scores the neutral value and adds no row"
    MEMORY_IS_BOUNDED = "memory is bounded by the settings"
    SAME_STREAM_SAME_NUMBERS = "the same stream gives the same numbers"
    RESTORED_GOES_ON_ALIKE = "saved and restored state scores and learns on exactly alike"
    INPUTS_ARE_LEFT_ALONE = "inputs are neither changed nor kept"
    BATCHES_DO_NOT_MATTER = "how the stream is cut into batches changes nothing"
    FORGOTTEN_IS_GONE = "a forgotten item is listed no more, and a row that is reused inherits nothing"
    UPDATE_IS_LEARNING = "another's update gives what learning the same would have given"
    UPDATES_COMMUTE = "updates of several that learned side by side give what one would have learned from all"


def _none(dtype: DTypeLike, *shape: int) -> Callable[[], Any]:
    return lambda: np.zeros((0, *shape), dtype)


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions in the order of the stream, as columns. A negative row stands for no item (any more)."""

    item: Int32Array  # (n,) row
    weight: Float64Array  # (n,) by event type
    time_ms: Int64Array  # (n,) event time
    enters_history: UInt8Array  # (n,) 0: it says something about the item only, not about what follows what
    session: UInt64Array  # (n,) key of its session
    predecessors: Int32Array  # (n, item_to_item.WINDOW) items of its session, latest first, then negative
    history: Int32Array  # (n, any) items of its user, latest first
    n_history: Int32Array  # (n,) how many of them count; a negative one among them is gone
    # What only `linear` asks for; empty where nobody does.
    key: UInt64Array = field(default_factory=_none(np.uint64))  # (n,) hash of its coordinates
    last_kind: UInt8Array = field(default_factory=_none(np.uint8))  # (n,) type of the history's latest event + 1, or 0
    feature_name: UInt32Array = field(default_factory=_none(np.uint32, 0))  # (n, any) as in `FeatureEntries`; 0: none
    feature_text: UInt32Array = field(default_factory=_none(np.uint32, 0))  # (n, any)
    feature_value: Float64Array = field(default_factory=_none(np.float64, 0))  # (n, any)

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Items best first, each once, with scores above NEUTRAL that only this member understands."""

    items: Int32Array  # (any,)
    scores: Float64Array  # (any,) falling

    def score_of(self, item: int) -> float:
        """The item's score, NEUTRAL where it isn't listed."""
        places = np.flatnonzero(self.items == item)
        return float(self.scores[places[0]]) if len(places) else NEUTRAL


class Member(Protocol):
    """One model. Built from the settings of all models and the number of item rows there may be."""

    name: ClassVar[str]
    opt_outs: ClassVar[Mapping[Law, str]]
    """Laws that the class doesn't obey, each with its reason."""

    def learn(self, interactions: Interactions) -> None:
        """Learn in order. Raises ValueError, with nothing learned, where an item has no row here."""
        ...

    def forget(self, items: Int32Array) -> None:
        """Forget these items; their rows may be given to others."""
        ...

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """The n best items for somebody with this history (rows, latest first), at this event time.

        Rows that are negative or unknown say nothing. Changes nothing.
        """
        ...

    def state(self) -> Mapping[str, Array]:
        """All state by name: the arrays themselves, not copies."""
        ...

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over copies of what `state` gave."""
        ...

    def take_update(self) -> Update:
        """What was learned here since the last call (or since the beginning). What others taught is not part of it,
        nor is what was forgotten: everybody forgets for himself."""
        ...

    def apply_update(self, update: Update) -> None:
        """Learn what another member of the same kind and settings handed out; rows mean the same items to both."""
        ...


def part_of(interactions: Interactions, start: int, end: int) -> Interactions:
    """Entries start … end - 1."""
    return Interactions(**{f.name: getattr(interactions, f.name)[start:end] for f in fields(interactions)})


def named(**groups: Any) -> dict[str, Array]:
    """The arrays of several named tuples of arrays, as `group.field`."""
    return {f"{group}.{field}": array for group, arrays in groups.items() for field, array in arrays._asdict().items()}


def fill(state: Mapping[str, Array], saved: Mapping[str, Array]) -> None:
    """Copy saved arrays into those of the same name."""
    for name, array in state.items():
        array[...] = saved[name]


def check_rows(member: str, items: Int32Array, n_rows: int) -> None:
    """Raise ValueError unless every row lies within the member's tables."""
    wrong = np.flatnonzero((items < 0) | (items >= n_rows))
    if len(wrong):
        raise ValueError(
            f"{member}: entry {wrong[0]} is about item row {items[wrong[0]]}, but there are rows 0 … {n_rows - 1}; "
            "give items their rows by the index first"
        )


def known_rows(history: Int32Array, n_rows: int) -> Int32Array:
    """A copy of the history in which rows outside the tables are negative."""
    return np.where((history >= 0) & (history < n_rows), history, -1).astype(np.int32)
