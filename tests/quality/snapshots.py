"""One stream, learned once, and readers whose snapshots of it are renewed at different intervals.

A reader asks his snapshot with the user's true history, so all readers know the same about users; what differs is how
old their knowledge of items is. Snapshots are copies of the learned state at one moment: rows of items are copied when
they changed. Items are never evicted here, so that row numbers mean the same in every snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from consumer.evaluation.answers import BoolArray
from consumer.evaluation.questions import session_keys
from consumer.events.admission import AdmittedBatch
from consumer.kernels import hot_kernel
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import DONE, Columns, Limits, Pass, State
from consumer.learning.quality import WINDOW
from consumer.learning.sampling import rank_next
from consumer.learning.trainer import Trainer
from consumer.messages import Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models import histories, recency_index
from consumer.models.recency_index import NONE
from consumer.models.state import ModelState
from consumer.settings import Catalogue, Settings
from consumer.tables import Array

N_TOP = 100
NEVER_S = 100 * 365 * 86_400.0
_OF_THE_INDEX = frozenset({"keys", "touched", "seen_ms", "text", "text_length"})


class Noted(NamedTuple):
    """Entry i belongs to record i of a batch, as it was just before the record was learned."""

    item: Int32Array  # (n,) row; NONE: new
    n_history: Int32Array  # (n,)
    history: Int32Array  # (n, longest history) rows, latest first


def _allocate(n: int, history: int) -> Noted:
    return Noted(np.full(n, NONE, np.int32), np.zeros(n, np.int32), np.full((n, history), NONE, np.int32))


@hot_kernel
def _note_then_learn(
    state: State, limits: Limits, columns: Columns, noted: Noted, start: int, stop: int
) -> tuple[int, int]:
    for i in range(start, stop):
        noted.item[i] = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
        user = recency_index.find(state.users, columns.user_key[i, 0], columns.user_key[i, 1])
        noted.n_history[i] = 0
        if user != NONE:
            noted.n_history[i] = histories.latest_first(state.histories, user, state.items.is_live, noted.history[i])
        _, why = learn_events(state, limits, columns, i, i + 1)
        if why != DONE:
            return i, why
    return stop, DONE


@hot_kernel
def _ask(
    state: State, columns: Columns, noted: Noted, is_top: UInt8Array, places: UInt8Array, hits: UInt8Array,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Fill in for records start … stop - 1: the place of its item in `recommend` (0: none), whether it is a top one."""
    n_rows = len(state.items.is_live)
    for i in range(start, stop):
        item = noted.item[i]
        is_known = 0 <= item < n_rows and state.items.is_live[item] == 1
        hits[i] = 1 if is_known and item < len(is_top) and is_top[item] else 0
        places[i] = 0
        if not is_known or noted.n_history[i] == 0:
            continue
        for b in range(noted.n_history[i]):
            row = noted.history[i, b]
            state.work.history[b] = row if 0 <= row < n_rows and state.items.is_live[row] else NONE
        rank_next(state, noted.n_history[i], 0, item, columns.time_ms[i], True, True)
        places[i] = state.quality.ranks[(state.quality.n_samples[0] - 1) % WINDOW, 0]


class Reader:
    """A snapshot, and how its questions were answered."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self.n_refreshed = 0
        self._asked = 0
        self._model = ModelState(settings)
        self._trainer = Trainer(settings, self._model)
        self._changed: BoolArray = np.zeros(0, bool)
        self._is_top: UInt8Array = np.zeros(0, np.uint8)
        self.places: list[UInt8Array] = []
        self.hits: list[UInt8Array] = []

    def note_changes(self, rows: Int64Array, n_rows: int) -> None:
        """These item rows of the learned state have changed."""
        if n_rows > len(self._changed):
            self._changed = np.concatenate((self._changed, np.zeros(n_rows - len(self._changed), bool)))
        self._changed[rows] = True

    def refresh(self, learned: ModelState) -> None:
        """Be as the learned state is now, but for the users."""
        mine, n_rows = self._model, learned.n_item_rows
        if len(mine.items.touched) < len(learned.items.touched):
            mine.grow_items(len(learned.items.touched))
        rows = np.flatnonzero(self._changed)
        theirs, ours = _item_columns(learned), _item_columns(mine)
        for name in theirs:
            ours[name][rows] = theirs[name][rows]
        self._changed[:] = False
        mine.items.counts[:] = learned.items.counts
        small = mine.small()
        for name, array in learned.small().items():
            if not name.startswith(("items_index.", "users_index.")):
                small[name][...] = array
        scores = np.nan_to_num(learned.scores(), nan=-1.0)
        best = np.argpartition(-scores, N_TOP)[:N_TOP] if len(scores) > N_TOP else np.arange(len(scores))
        self._is_top = np.zeros(n_rows, np.uint8)
        self._is_top[best] = 1
        self.n_refreshed += 1

    def ask_until(self, batch: AdmittedBatch, noted: Noted, stop: int) -> None:
        """Answer for the records before this one that were not asked about yet, with the snapshot as it is."""

        def run(state: State, _limits: Limits, columns: Columns, first: int, last: int) -> tuple[int, int]:
            _ask(state, columns, noted, self._is_top, self.places[-1], self.hits[-1], first, last)
            return last, DONE

        if self._asked < stop:
            self._trainer.run(run, batch, self._asked, stop)
            self._asked = stop

    def expect(self, n: int, first: int) -> None:
        """A batch of so many records begins, to be asked about from `first` on."""
        self._asked = first
        self.places.append(np.zeros(n, np.uint8))
        self.hits.append(np.zeros(n, np.uint8))


def _item_columns(model: ModelState) -> dict[str, Array]:
    """What is learned about items, by column; ids and the order of touches say nothing here.

    Raises ValueError where a member keeps rows elsewhere, which readers would have to copy too.
    """
    tables = model.tables()
    others = [name for name, table in tables.items() if name not in ("items", "users") and table.n_rows]
    if others:
        raise ValueError(f"readers don't copy the rows of {', '.join(others)}; teach tests.quality.snapshots to")
    return {name: array for name, array in tables["items"].arrays.items() if name not in _OF_THE_INDEX}


@dataclass(frozen=True, slots=True)
class Compared:
    """Records from mid-stream on; entry i of each array is the same record for every reader."""

    names: list[str]
    n_refreshed: list[int]
    hits: UInt8Array  # (readers, n) 1: among the top of the scores
    listed: UInt8Array  # (readers, n) 1: among the first 20 of `recommend`
    has_history: BoolArray  # (n,)
    session: UInt64Array  # (n,)


def compared(
    batches: Iterable[AdmittedBatch], ticks_of: Sequence[tuple[str, int]], begin: int, *, by_time: bool
) -> Compared:
    """Readers by name and interval, in events or (`by_time`) in ms; interval 0 is never, after the first snapshot at
    record `begin`. The intervals must each be a multiple of the smallest one."""
    settings = Settings(catalogue=Catalogue(item_ttl_s=NEVER_S))
    learned = ModelState(settings)
    trainer = Trainer(settings, learned)
    readers = [Reader(name, settings) for name, _ in ticks_of]
    finest = min(interval for _, interval in ticks_of if interval)
    sessions, has_history = [], []
    n_before = 0
    last_tick = -1
    for batch in batches:
        n = len(batch.outcome)
        position = n_before + np.arange(n)
        tick = (batch.watermark_ms if by_time else position - begin) // finest
        noted = _allocate(n, settings.users.history)
        for reader in readers:
            reader.expect(n, min(n, max(0, begin - n_before)))
        for start, stop in _pieces(tick, position >= begin):
            if position[start] >= begin and tick[start] != last_tick:
                due = _due(ticks_of, last_tick, int(tick[start]), finest)
                _refresh(readers, due, learned, batch, noted, start)
                last_tick = int(tick[start])
            trainer.run(_pass(noted), batch, start, stop)
        for reader in readers:
            reader.ask_until(batch, noted, n)
        sessions.append(session_keys(batch.events.session_key, batch.events.user_key)[:, 0])
        has_history.append(noted.n_history > 0)
        n_before += n
    return Compared(
        names=[reader.name for reader in readers],
        n_refreshed=[reader.n_refreshed for reader in readers],
        hits=np.array([np.concatenate(reader.hits)[begin:] for reader in readers]),
        listed=np.array([np.concatenate(reader.places)[begin:] > 0 for reader in readers]).astype(np.uint8),
        has_history=np.concatenate(has_history)[begin:],
        session=np.concatenate(sessions)[begin:],
    )


def _pieces(tick: Int64Array, is_asked: BoolArray) -> list[tuple[int, int]]:
    """Runs of records of one tick, and what comes before the first question as one."""
    number = np.where(is_asked, tick, np.iinfo(np.int64).min)
    bounds = [0, *(np.flatnonzero(number[1:] != number[:-1]) + 1).tolist(), len(tick)]
    return [(a, b) for a, b in pairwise(bounds) if a < b]


def _due(ticks_of: Sequence[tuple[str, int]], before: int, now: int, finest: int) -> list[bool]:
    """Whose interval has passed since the last tick; at the first one (`before` negative) everybody's."""
    return [
        before < 0 or bool(interval and now // (interval // finest) != before // (interval // finest))
        for _, interval in ticks_of
    ]


def _refresh(
    readers: Sequence[Reader], due: Sequence[bool], learned: ModelState, batch: AdmittedBatch, noted: Noted, at: int
) -> None:
    """Renew the snapshots of those who are due, once they have answered for all records before this one."""
    changed = np.flatnonzero(learned.items.dirty)
    learned.items.dirty[changed] = 0
    for reader, is_due in zip(readers, due, strict=True):
        reader.note_changes(changed, len(learned.items.dirty))
        if is_due:
            reader.ask_until(batch, noted, at)
            reader.refresh(learned)


def _pass(noted: Noted) -> Pass:
    def run(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
        return _note_then_learn(state, limits, columns, noted, start, stop)

    return run
