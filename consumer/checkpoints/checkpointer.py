"""Saves all state with the positions it corresponds to, holding the loop only for copies of what changed.

A checkpoint starts from the files of the one before. Rows changed since are copied in pieces, over many loop steps,
while learning goes on, and those that changed meanwhile once more, until few are left (or several rounds have made them
no fewer); at last, at one moment, these are copied with everything small, and the moment is the checkpoint's. Memory
never holds a second copy of the state, only the pieces on their way to the writer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

import numpy as np

from consumer.checkpoints import contents, requests
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.retention import Fact, kept
from consumer.checkpoints.writer import Writer
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.messages import Int64Array
from consumer.ports import CheckpointStore
from consumer.snapshots import formats
from consumer.tables import Array, Table

logger = logging.getLogger(__name__)

PIECE_BYTES = 8 << 20
"""Copied at a time: a few milliseconds of the loop."""
MAX_ROUNDS = 5

Rows = Mapping[str, Array]  # array → rows copied from it


class Phase(Enum):
    IDLE = "idle"
    COPYING = "copying"
    READY = "ready to freeze"
    WRITING = "writing"


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    interval_s: float
    keep: int
    piece_bytes: int = PIECE_BYTES
    anchor_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that is safely on its medium."""

    name: str
    notes: Notes
    seconds: float


@dataclass(slots=True)
class _Begun:
    """A checkpoint on its way."""

    pending: dict[str, Int64Array]  # rows still to be copied in pieces, by table
    started_s: float
    n_rounds: int = 1
    saved: list[Saved] = field(default_factory=list)


class Checkpointer:
    """`tables` and `small` give the current arrays each time they are asked: tables are replaced when they grow."""

    def __init__(
        self,
        store: CheckpointStore,
        policy: CheckpointPolicy,
        writer: Writer,
        tables: Callable[[], Mapping[str, Table]],
        small: Callable[[], Mapping[str, Array]],
        base: str | None,
        after_saving: Callable[[Notes], None] = lambda notes: None,
    ) -> None:
        """`after_saving` is called where the writing is done, with the notes of a checkpoint that is safe."""
        self._store = store
        self._policy = policy
        self._writer = writer
        self._tables = tables
        self._small = small
        self._base = base
        self._after_saving = after_saving
        self._begun: _Begun | None = None
        self._next_s = -np.inf
        self.phase = Phase.IDLE

    def step(self, now_s: float, *, has_news: bool) -> None:
        """Begin when due and something was learned, and copy one piece if there is room on the way to the writer.
        `now_s` is monotonic."""
        if self.phase is Phase.IDLE and has_news and now_s >= self._next_s:
            self._begin(now_s)
        if self.phase is Phase.COPYING and not self._writer.is_full():
            self._copy_piece()

    def not_before(self, at_s: float) -> None:
        """The next one is due at this time, unless hurried."""
        self._next_s = at_s

    def hurry(self, now_s: float) -> None:
        """Get to READY at once, due or not (before stopping)."""
        self._next_s = now_s
        while self.phase in (Phase.IDLE, Phase.COPYING):
            if self.phase is Phase.IDLE:
                self._begin(now_s)
            self._copy_piece()

    def freeze(self, notes: Notes, now_s: float) -> None:
        """Copy the rest: this moment is the checkpoint's. Only when READY; see the order of durability for when."""
        assert self._begun is not None  # READY implies it
        assert self.phase is Phase.READY
        rest = []
        for name, table in self._tables().items():
            rows = np.flatnonzero(table.dirty[: table.n_rows])
            rest.append((rows, _copied(name, table, rows)))
            table.dirty[:] = 0
        small = {name: array.copy() for name, array in self._small().items()}
        self._writer.submit(partial(self._finish, self._begun, notes, rest, small))
        self._next_s = now_s + self._policy.interval_s
        self.phase = Phase.WRITING

    def saved(self) -> Saved | None:
        """The checkpoint begun, once it is safe.

        Raises OSError if it failed; the next one then copies everything. Raises Fenced where a successor has saved one.
        """
        failure = self._writer.failure()
        if failure is not None:
            self._base = None
            self._begun = None
            self.phase = Phase.IDLE
            raise failure
        if self._begun is None or not self._begun.saved:
            return None
        saved = self._begun.saved[0]
        self._base = saved.name
        self._begun = None
        self.phase = Phase.IDLE
        return saved

    def wait(self) -> None:
        """Until everything on its way has been written, or has failed: ask `saved`."""
        self._writer.wait()

    def close(self) -> None:
        self._writer.close()

    def _begin(self, now_s: float) -> None:
        if self._base is None:
            for table in self._tables().values():
                table.dirty[: table.n_rows] = 1
        self._begun = _Begun(self._dirty_rows(), time.perf_counter())
        self._writer.submit(partial(self._store.begin, self._base))
        self._next_s = now_s + self._policy.interval_s
        self.phase = Phase.COPYING

    def _dirty_rows(self) -> dict[str, Int64Array]:
        return {name: np.flatnonzero(table.dirty[: table.n_rows]) for name, table in self._tables().items()}

    def _copy_piece(self) -> None:
        """The next piece, or the turn to another round, or to READY; there is room for one task."""
        begun = self._begun
        assert begun is not None  # COPYING implies it
        tables = self._tables()
        for name, rows in begun.pending.items():
            if len(rows):
                table = tables[name]
                piece = rows[: max(1, self._policy.piece_bytes // _row_bytes(table))]
                self._writer.submit(partial(self._write_rows, piece, _copied(name, table, piece)))
                table.dirty[piece] = 0
                begun.pending[name] = rows[len(piece) :]
                return
        pending = self._dirty_rows()
        n_bytes = sum(len(rows) * _row_bytes(tables[name]) for name, rows in pending.items())
        if n_bytes > 2 * self._policy.piece_bytes and begun.n_rounds < MAX_ROUNDS:
            begun.pending = pending
            begun.n_rounds += 1
        else:
            self.phase = Phase.READY

    def _write_rows(self, rows: Int64Array, values: Rows) -> None:
        for array, rows_values in values.items():
            self._store.write_rows(array, rows, rows_values)

    def _finish(
        self, begun: _Begun, notes: Notes, rest: Sequence[tuple[Int64Array, Rows]], small: Mapping[str, Array]
    ) -> None:
        """Last task on the writer: make it visible, then drop the oldest ones."""
        for rows, values in rest:
            self._write_rows(rows, values)
        for array, array_values in small.items():
            self._store.write_array(array, array_values)
        name = contents.name_of(notes)
        self._store.commit(name, contents.encode(notes))
        begun.saved.append(Saved(name, notes, time.perf_counter() - begun.started_s))
        self._prune(notes)
        self._after_saving(notes)

    def _prune(self, notes: Notes) -> None:
        """Keep the newest ones. Where a successor has saved one, all of them are his to keep or to remove."""
        names = self._store.names()
        if any(contents.epoch_of(name) > notes.epoch for name in names):
            return
        facts = [self._fact(name) for name in names]
        newest_s = max((fact.saved_at_s for fact in facts), default=0.0)
        staying = kept(
            facts, self._policy.keep, self._policy.anchor_s, newest_s, [*self._wanted(), notes.before_promotion]
        )
        for old in (fact.name for fact in facts if fact.name not in staying):
            try:
                self._store.remove(old)
            except OSError as error:
                logger.warning("old checkpoint not removed", extra={"checkpoint": old, "why": str(error)})

    def _fact(self, name: str) -> Fact:
        try:
            notes = contents.decode(name, self._store.notes(name))
        except CorruptCheckpoint:
            return Fact(name, 0.0, is_good=False)
        return Fact(name, formats.seconds_of(notes.saved_at), is_good=notes.verdict == contents.GOOD)

    def _wanted(self) -> list[str]:
        """The one that a rollback asked for will need."""
        request = self._store.request()
        try:
            return [] if request is None else [requests.decode(request).checkpoint]
        except Fatal:  # whoever executes it will say so
            return []


def _copied(name: str, table: Table, rows: Int64Array) -> Rows:
    return {f"{name}.{array_name}": array[rows] for array_name, array in table.arrays.items()}


def _row_bytes(table: Table) -> int:
    return max(1, sum(array[:1].nbytes for array in table.arrays.values()))
