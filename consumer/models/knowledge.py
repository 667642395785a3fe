"""What one deployment learned, in a form that another one can start from: by item id, in units of one fresh event.

Only what belongs to items and to the audience as a whole: histories belong to partitions of an input and stay there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from consumer.messages import Float64Array, Int32Array, Int64Array
from consumer.models.item_to_item import Float32Array
from consumer.models.neural import Encoder

MEMBERS = ("popularity", "item_to_item", "repeat", "fusion", "neural")
"""What can be transferred; each is a field of `Knowledge`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of `popularity`, at H half-lives."""

    half_lives_s: tuple[float, ...]
    positive: Float64Array  # (n, H)
    negative: Float64Array  # (n, H)
    mixture: Float64Array  # (H,)

    def of(self, items: Int64Array) -> Counts:
        return replace(self, positive=self.positive[items], negative=self.negative[items])


@dataclass(frozen=True, slots=True)
class Related:
    """Of `item_to_item`, M entries an item."""

    neighbour: Int32Array  # (n, M) place in `Knowledge.ids`; negative: no entry
    weight: Float32Array  # (n, M)
    counts: Float64Array  # (n,)

    def of(self, items: Int64Array, new_place: Int32Array) -> Related:
        neighbour = np.where(self.neighbour[items] >= 0, new_place[self.neighbour[items]], -1)
        return Related(neighbour.astype(np.int32), self.weight[items], self.counts[items])


@dataclass(frozen=True, slots=True)
class Chances:
    """A table of running means: of `repeat` or of the fusion."""

    chance: Float64Array  # (contexts, any)
    n_events: Int64Array  # (contexts,) behind each row


@dataclass(frozen=True, slots=True)
class Network:
    """Of `neural`."""

    vector: Float32Array  # (n, D) of any length; 0: nothing is known of the item
    encoder: Encoder | None  # that was learned with the vectors; None: they come from elsewhere

    def of(self, items: Int64Array) -> Network:
        return replace(self, vector=self.vector[items])


@dataclass(frozen=True, slots=True)
class Knowledge:
    as_of_ms: float
    """Counts and weights are in units of one event at this time."""
    ids: list[bytes]
    seen_ms: Int64Array  # (n,) event time of each item's last event
    popularity: Counts | None = None
    item_to_item: Related | None = None
    repeat: Chances | None = None
    fusion: Chances | None = None
    neural: Network | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """Those that something is known of."""
        return tuple(name for name in MEMBERS if getattr(self, name) is not None)

    def only(self, members: Collection[str]) -> Knowledge:
        """Without the members that are not named."""
        return replace(
            self,
            popularity=self.popularity if "popularity" in members else None,
            item_to_item=self.item_to_item if "item_to_item" in members else None,
            repeat=self.repeat if "repeat" in members else None,
            fusion=self.fusion if "fusion" in members else None,
            neural=self.neural if "neural" in members else None,
        )

    def renamed(self, new_ids: Mapping[bytes, bytes]) -> Knowledge:
        """Under other ids; an item that is not named has no counterpart and is left behind."""
        kept = np.array([i for i, item in enumerate(self.ids) if item in new_ids], np.int64)
        new_place = np.full(len(self.ids), -1, np.int32)
        new_place[kept] = np.arange(len(kept), dtype=np.int32)
        return replace(
            self,
            ids=[new_ids[self.ids[i]] for i in kept.tolist()],
            seen_ms=self.seen_ms[kept],
            popularity=self.popularity and self.popularity.of(kept),
            item_to_item=self.item_to_item and self.item_to_item.of(kept, new_place),
            neural=self.neural and self.neural.of(kept),
        )

    def dated(self, as_of_ms: float) -> Knowledge:
        """As if it had been learned up to this time instead; ages stay."""
        later = int(as_of_ms - self.as_of_ms)
        moved: NDArray[np.int64] = self.seen_ms + later
        return replace(self, as_of_ms=as_of_ms, seen_ms=moved)
