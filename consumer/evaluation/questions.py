"""Which events are asked about.

The published protocols count a test item only if it was seen in an earlier period, drop it from the test sessions
otherwise, and ask for every item of what is left of a session but the first.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.kernels import hot_kernel
from consumer.learning.trials import ALWAYS, NOTHING, WITH_HISTORY
from consumer.messages import Int64Array, UInt8Array, UInt64Array
from consumer.models import recency_index
from consumer.models.recency_index import NONE, IndexArrays

_MIN_CAPACITY = 4_096


class Asked(NamedTuple):
    """What `consumer.learning.trials` has to know about a batch."""

    asked: UInt8Array  # (n,)
    known: UInt8Array  # (n,)


class Questions(Protocol):
    def about(self, batch: AdmittedBatch, period: Int64Array, enters_history: UInt8Array) -> Asked:
        """Decide about each record, batch after batch in the order of the stream. `period` (n,) never falls;
        `enters_history` (n,) 1: admitted, of a type that enters histories."""
        ...


class EveryEvent:
    """Every event of somebody with a history; an item that nobody knows yet is a miss."""

    def about(self, batch: AdmittedBatch, period: Int64Array, enters_history: UInt8Array) -> Asked:
        """See `Questions`."""
        return Asked(np.where(enters_history, WITH_HISTORY, NOTHING).astype(np.uint8), enters_history)


class SomeSessions:
    """Of other questions those about one session in so many, chosen by hash. Everything is learned all the same."""

    def __init__(self, questions: Questions, one_in: int) -> None:
        self._questions = questions
        self._one_in = np.uint64(one_in)

    def about(self, batch: AdmittedBatch, period: Int64Array, enters_history: UInt8Array) -> Asked:
        """See `Questions`."""
        asked, known = self._questions.about(batch, period, enters_history)
        keys = session_keys(batch.events.session_key, batch.events.user_key)
        is_chosen = keys[:, 0] % self._one_in == 0
        return Asked(np.where(is_chosen, asked, NOTHING).astype(np.uint8), known)


class _Seen(NamedTuple):
    """Rows of an index, each with the number of a period."""

    keys: IndexArrays
    period: Int64Array  # (capacity,)


def _grown(seen: _Seen) -> _Seen:
    """With room for at least one more."""
    capacity = len(seen.period)
    if seen.keys.counts[recency_index.N_USED] < capacity:
        return seen
    return _Seen(recency_index.grown(seen.keys, 2 * capacity), np.concatenate((seen.period, seen.period)))


@hot_kernel
def _row_of(seen: _Seen, key_0: np.uint64, key_1: np.uint64) -> tuple[int, bool]:
    """The row of a key, and whether it is a new one."""
    row = recency_index.find(seen.keys, key_0, key_1)
    if row != NONE:
        return row, False
    return recency_index.insert(seen.keys, key_0, key_1), True


@hot_kernel
def _decide(
    items: _Seen,
    sessions: _Seen,
    item_key: UInt64Array,
    session_key: UInt64Array,
    period: Int64Array,
    enters_history: UInt8Array,
    asked: UInt8Array,
    known: UInt8Array,
    start: int,
) -> int:
    """Decide from record `start` on; stops at the end, or at a record for which there is no room."""
    for i in range(start, len(period)):
        if enters_history[i] == 0:
            continue
        if not (recency_index.has_room(items.keys) and recency_index.has_room(sessions.keys)):
            return i
        item, is_new = _row_of(items, item_key[i, 0], item_key[i, 1])
        if is_new:
            items.period[item] = period[i]
        if items.period[item] == period[i]:
            continue
        known[i] = 1
        session, is_new = _row_of(sessions, session_key[i, 0], session_key[i, 1])
        if not is_new and sessions.period[session] == period[i]:
            asked[i] = ALWAYS
        sessions.period[session] = period[i]
    return len(period)


class PublishedQuestions:
    """The questions of the published protocols, over the periods of the stream. A session is what the events name, else
    the user's events of one period. Remembers every item and session of the file."""

    def __init__(self) -> None:
        self._items = _Seen(recency_index.allocate(_MIN_CAPACITY), np.zeros(_MIN_CAPACITY, np.int64))
        self._sessions = _Seen(recency_index.allocate(_MIN_CAPACITY), np.zeros(_MIN_CAPACITY, np.int64))

    def about(self, batch: AdmittedBatch, period: Int64Array, enters_history: UInt8Array) -> Asked:
        """See `Questions`."""
        events, n = batch.events, len(batch.outcome)
        asked, known = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        keys = session_keys(events.session_key, events.user_key)
        start = 0
        while start < n:
            self._items, self._sessions = _grown(self._items), _grown(self._sessions)
            start = _decide(
                self._items, self._sessions, events.item_key, keys, period, enters_history, asked, known, start
            )
        return Asked(asked, known)


def session_keys(session_key: UInt64Array, user_key: UInt64Array) -> UInt64Array:
    """(n, 2) a key for the session of each event: the one it names, else its user's."""
    named = np.column_stack((session_key, np.zeros(len(session_key), np.uint64)))
    return np.where(session_key[:, None] != 0, named, user_key)


def periods(watermark_ms: Int64Array, start_ms: int, period_ms: int) -> Int64Array:
    """(n,) number of the period in which each record comes, from 0 on; a late record belongs to that of its arrival."""
    number: Int64Array = np.maximum(watermark_ms - start_ms, 0) // period_ms
    return number


def cuts(period: Int64Array) -> list[tuple[int, int]]:
    """The (start, stop) of each run of records of one period."""
    if len(period) == 0:
        return []
    bounds = [0, *(np.flatnonzero(np.diff(period)) + 1).tolist(), len(period)]
    return list(pairwise(bounds))
