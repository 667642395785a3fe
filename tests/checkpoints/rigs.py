"""Checkpointers over small tables that change as the real ones do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from consumer.checkpoints import contents
from consumer.checkpoints.checkpointer import Checkpointer, CheckpointPolicy
from consumer.checkpoints.writer import InlineWriter, Task
from consumer.tables import Array, Table
from tests.checkpoints.states import notes_of
from tests.checkpoints.stores import require_same
from tests.fakes.checkpoints import Calls, FakeDisk, FakeStore
from tests.streams import small_settings

SETTINGS = small_settings()


class TwoTables:
    """Tables as the rooms keep them: replaced when they grow, rows marked when they change, one column widening."""

    def __init__(self) -> None:
        self.n = 3
        self.values, self.pairs = np.arange(4.0), np.zeros((4, 2), np.int32)
        self.text = np.zeros((4, 2), np.uint8)
        self.dirty, self.other_dirty = np.zeros(4, np.uint8), np.zeros(2, np.uint8)
        self.other = np.zeros(2, np.int64)
        self.counts = np.zeros(1, np.int64)

    def tables(self) -> Mapping[str, Table]:
        columns = {"values": self.values, "pairs": self.pairs, "text": self.text}
        return {
            "main": Table(columns, self.dirty, self.n),
            "other": Table({"x": self.other}, self.other_dirty, 2),
        }

    def small(self) -> Mapping[str, Array]:
        return {"counts": self.counts}

    def set(self, row: int) -> None:
        row %= self.n
        self.counts += 1
        self.values[row], self.pairs[row], self.text[row] = self.counts[0], self.counts[0], self.counts[0] % 250
        self.dirty[row] = 1
        self.other[row % 2] += 1
        self.other_dirty[row % 2] = 1

    def grow(self) -> None:
        """One row more, in new arrays where the old ones are full."""
        if self.n == len(self.values):
            for name in ("values", "pairs", "text", "dirty"):
                old = getattr(self, name)
                new = np.zeros((2 * len(old), *old.shape[1:]), old.dtype)
                new[: len(old)] = old
                setattr(self, name, new)
        self.n += 1
        self.set(self.n - 1)

    def widen(self) -> None:
        self.text = np.hstack([self.text, np.zeros((len(self.text), 2), np.uint8)])
        self.dirty[: self.n] = 1

    def now(self) -> dict[str, Array]:
        copied = {name: array.copy() for name, array in self.small().items()}
        for name, table in self.tables().items():
            copied.update({f"{name}.{c}": array[: table.n_rows].copy() for c, array in table.arrays.items()})
        return copied


@dataclass
class Rig:
    """A checkpointer of tiny pieces over these tables."""

    state: TwoTables = field(default_factory=TwoTables)
    disk: FakeDisk = field(default_factory=FakeDisk)
    keep: int = 2
    piece_bytes: int = 40
    now_s: float = 0.0
    n_saved: int = 0
    expected: dict[str, dict[str, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.calls = Calls()
        self.checkpointer = Checkpointer(
            FakeStore(self.disk, calls=self.calls),
            CheckpointPolicy(interval_s=10.0, keep=self.keep, piece_bytes=self.piece_bytes),
            InlineWriter(),
            self.state.tables,
            self.state.small,
            base=None,
        )

    def step(self) -> None:
        self.now_s += 1.0
        self.checkpointer.step(self.now_s, has_news=True)

    def freeze(self, epoch: int = 1) -> str:
        self.n_saved += 1
        notes = notes_of(SETTINGS, version=self.n_saved, epoch=epoch)
        name = contents.name_of(notes)
        self.expected[name] = self.state.now()
        self.checkpointer.freeze(notes, self.now_s)
        return name

    def save(self, epoch: int = 1) -> str:
        """From IDLE to the end."""
        self.checkpointer.hurry(self.now_s)
        name = self.freeze(epoch)
        saved = self.checkpointer.saved()
        assert saved is not None
        assert saved.name == name
        return name

    def require_right(self, name: str) -> None:
        require_same(self.disk.complete[name].arrays, self.expected[name])


class SlowWriter:
    """Holds what it is given until it is told to go on."""

    def __init__(self, room: int) -> None:
        self.waiting: list[Task] = []
        self.room = room

    def is_full(self) -> bool:
        return len(self.waiting) >= self.room

    def submit(self, task: Task) -> None:
        assert not self.is_full(), "the loop would be held up"
        self.waiting.append(task)

    def failure(self) -> BaseException | None:
        return None

    def wait(self) -> None:
        self.go_on(len(self.waiting))

    def close(self) -> None:
        return

    def go_on(self, n: int = 1) -> None:
        for task in self.waiting[:n]:
            task()
        del self.waiting[:n]
