"""What was produced, in the order of the log, and what follows from it: plain arithmetic, nothing of the worker's."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from tests.end_to_end.events import START_S, encoded, event
from tests.end_to_end.recount import Interaction

SPACING_S = 0.1
N_USERS, N_ITEMS = 701, 400
WEIGHTS = {"view": 1.0, "cart": 4.0}
BROKEN_SHARE, DUPLICATE_SHARE = 0.02, 0.02

Positions = Mapping[int, int]


class Kind(Enum):
    EVENT = "event"
    DUPLICATE = "duplicate"
    BROKEN = "broken"


@dataclass(slots=True)
class Partition:
    """A partition of the input; `sums[h][n]`: weight of its first n records, grown by 2^((t − START_S) / h)."""

    kinds: list[Kind] = field(default_factory=list)
    events: list[Interaction | None] = field(default_factory=list)
    sums: list[list[float]] = field(default_factory=list)
    lost: list[range] = field(default_factory=list)
    """Offsets that were deleted before the worker had saved what it learned of them."""
    last: bytes = b""

    def is_lost(self, offset: int) -> bool:
        return any(offset in gone for gone in self.lost)


class Ledger:
    """Makes the stream from a seed and keeps it. One thread takes records while others ask."""

    def __init__(self, seed: int, half_lives_s: Sequence[float], n_partitions: int) -> None:
        self._rng = random.Random(seed)
        self._half_lives_s = half_lives_s
        self._lock = threading.Lock()
        self._n_events = 0
        self._partitions: list[Partition] = []
        for _ in range(n_partitions):
            self.add_partition()

    def add_partition(self) -> None:
        with self._lock:
            self._partitions.append(Partition(sums=[[0.0] for _ in self._half_lives_s]))

    @property
    def n_partitions(self) -> int:
        return len(self._partitions)

    def next(self, partition: int) -> bytes:
        """The next record of this partition; its offset is how many there were before."""
        with self._lock:
            return self._next(self._partitions[partition])

    def _next(self, partition: Partition) -> bytes:
        chance = self._rng.random()
        if chance < BROKEN_SHARE:
            return self._noted(partition, Kind.BROKEN, None, b'{"user_id": "ann", "item_id": ')
        if chance < BROKEN_SHARE + DUPLICATE_SHARE and partition.kinds and partition.kinds[-1] is Kind.EVENT:
            return self._noted(partition, Kind.DUPLICATE, None, partition.last)
        n, self._n_events = self._n_events, self._n_events + 1
        at_s = n * SPACING_S
        kind = self._rng.choice(list(WEIGHTS))
        item = f"item-{min(int(self._rng.paretovariate(1.0) * 5), N_ITEMS - 1)}"
        user = f"user-{self._rng.randrange(N_USERS)}"
        value = encoded(event(item, user=user, at_s=at_s, kind=kind, event_id=f"e-{n}"))
        return self._noted(partition, Kind.EVENT, Interaction(user, item, WEIGHTS[kind], START_S + at_s), value)

    def _noted(self, partition: Partition, kind: Kind, told: Interaction | None, value: bytes) -> bytes:
        for half_life_s, sums in zip(self._half_lives_s, partition.sums, strict=True):
            grown = 0.0 if told is None else told.weight * 2.0 ** ((told.time_s - START_S) / half_life_s)
            sums.append(sums[-1] + grown)
        partition.events.append(told)
        partition.last = value
        partition.kinds.append(kind)  # last: its length is that of the partition
        return value

    def kind(self, partition: int, offset: int) -> Kind:
        return self._partitions[partition].kinds[offset]

    def ends(self) -> dict[int, int]:
        with self._lock:
            return {p: len(partition.kinds) for p, partition in enumerate(self._partitions)}

    def cut_near(self, partition: int, offset: int) -> int:
        """This offset, or the next one in front of which the log may be cut: a repetition must not outlive what it
        repeats."""
        kinds = self._partitions[partition].kinds
        while offset < len(kinds) and kinds[offset] is Kind.DUPLICATE:
            offset += 1
        return offset

    def lose(self, partition: int, first: int, end: int) -> None:
        """These offsets were deleted before they were safe: from now on they count for nothing."""
        with self._lock:
            self._partitions[partition].lost.append(range(first, end))

    def totals(self, positions: Positions, as_of: str) -> list[float]:
        """Σ of decayed weights up to these positions, by half-life, in units of one event at `as_of`."""
        with self._lock:
            sums = [
                sum(
                    partition.sums[h][positions.get(p, 0)] - sum(self._lost_sums(partition, h, positions.get(p, 0)))
                    for p, partition in enumerate(self._partitions)
                )
                for h in range(len(self._half_lives_s))
            ]
        if not any(sums):
            return sums  # before the first event `as_of` means nothing
        age_s = datetime.fromisoformat(as_of).timestamp() - START_S
        return [total * 2.0 ** (-age_s / h) for total, h in zip(sums, self._half_lives_s, strict=True)]

    def _lost_sums(self, partition: Partition, h: int, position: int) -> Iterator[float]:
        for gone in partition.lost:
            start, stop = min(gone.start, position), min(gone.stop, position)
            yield partition.sums[h][stop] - partition.sums[h][start]

    def interactions(self) -> Iterator[Interaction]:
        """All that counts."""
        for partition in self._partitions:
            for offset, told in enumerate(partition.events):
                if told is not None and not partition.is_lost(offset):
                    yield told

    def misplaced_letters(self, found: Sequence[tuple[int, int]]) -> Mapping[str, Any]:
        """What is wrong with these (partition, offset) of dead letters, once everything was read; empty: nothing.

        Of what was lost a letter may have been written before; of all else there is exactly one.
        """
        broken = {
            (p, offset)
            for p, partition in enumerate(self._partitions)
            for offset, kind in enumerate(partition.kinds)
            if kind is Kind.BROKEN
        }
        needed = {(p, offset) for p, offset in broken if not self._partitions[p].is_lost(offset)}
        problems = {
            "written twice": sorted({letter for letter in found if found.count(letter) > 1})
            if len(set(found)) < len(found)
            else [],
            "missing": sorted(needed - set(found)),
            "in the model too": sorted(set(found) - broken),
        }
        return {name: letters for name, letters in problems.items() if letters}
