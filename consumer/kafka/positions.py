"""How far the input was handed out, and how far it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from consumer.messages import Positions, RecordBatch


class HandedOut:
    """Next offset of each partition that is read, and the end offset last heard of.

    Written by the thread that polls; `lag` may be read on any.
    """

    def __init__(self) -> None:
        self._lag: dict[int, tuple[int, int]] = {}

    def start(self, positions: Positions, ends: Positions) -> None:
        self._lag = {**self._lag, **{p: (position, ends[p]) for p, position in positions.items()}}

    def keep_only(self, partitions: Iterable[int]) -> None:
        """Forget those that are no longer read."""
        kept = frozenset(partitions)
        self._lag = {p: known for p, known in self._lag.items() if p in kept}

    def advance(self, batch: RecordBatch) -> None:
        """The batch was handed out. The records of a partition are in the order of their offsets."""
        lag = dict(self._lag)
        for partition in np.unique(batch.partitions).tolist():
            position = int(batch.offsets[batch.partitions == partition].max()) + 1
            lag[partition] = (position, max(position, lag.get(partition, (0, 0))[1]))
        self._lag = lag

    def reach_end(self, partition: int, end: int) -> None:
        """Nothing is left before `end`: what lies between the last record and it are transaction markers."""
        if partition in self._lag:
            self._lag = {**self._lag, partition: (max(end, self._lag[partition][0]), end)}

    def hear_ends(self, end_of: Callable[[int], int]) -> None:
        """Take over the ends that came with the last fetches."""
        lag = dict(self._lag)
        for partition, (position, end) in lag.items():
            lag[partition] = (position, max(position, end_of(partition), end))
        self._lag = lag

    def lag(self) -> Mapping[int, tuple[int, int]]:
        return self._lag
