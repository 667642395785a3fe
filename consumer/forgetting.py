"""Keeps a running state free of the users who are to be forgotten.

A request is obeyed in three ways. What the state holds of its users is blanked, a piece between two batches. Of what
they did before it, by the input's positions when it was asked for, nothing enters a history when it is read (again):
after a crash, a rollback, with `--rebuild` and in a replay. It counts for what items are worth all the same. And the
checkpoints that are kept are written anew once one is saved that says so (`checkpoints.forgetting_kept`).

What they do after it begins a new history, as for any new user.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from consumer.checkpoints import blanking, erasures
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.erasures import Request
from consumer.checkpoints.loading import AllState
from consumer.events.admission import AdmittedBatch
from consumer.messages import BoolArray, EventBatch, Int64Array, Outcome, Positions, UInt64Array
from consumer.models import recency_index, session_ring
from consumer.ports import CheckpointStore
from consumer.tables import Array

logger = logging.getLogger(__name__)

PIECE: Final = 200
"""Users blanked at a time: some tens of milliseconds where there are a million."""


class Past:
    """What is known of users' past that must not enter a history. Who asked more than once: his last request counts."""

    def __init__(self, requests: Sequence[Request], *, by_time: bool) -> None:
        """`by_time`: offsets mean nothing, so events from before the time of the request are the past."""
        self._by_time = by_time
        self._requests = [request for request in requests if request.erasure.users]
        lengths = [len(request.erasure.users) for request in self._requests]
        keys = np.concatenate([np.zeros((0, 2), np.uint64), *(one.erasure.keys for one in self._requests)])
        of: Int64Array = np.repeat(np.arange(len(lengths)), lengths)
        order = np.lexsort((-of, keys[:, 1], keys[:, 0]))
        keys, of = keys[order], of[order]
        is_first = np.ones(len(keys), bool)
        is_first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        self._keys: UInt64Array = keys[is_first]
        self._of: Int64Array = of[is_first]
        self._ends = _ends(self._requests)
        self._at_ms = np.array([one.erasure.at_ms for one in self._requests], np.int64)

    @property
    def is_empty(self) -> bool:
        return not self._requests

    def has(self, events: EventBatch, rows: Int64Array) -> BoolArray:
        """Of these rows: whether they are of such a user's past."""
        keys = events.user_key[rows]
        # First halves that are alike are as good as never of different users; then one of them is not found.
        at = np.minimum(np.searchsorted(self._keys[:, 0], keys[:, 0]), len(self._keys) - 1)
        is_one: BoolArray = (self._keys[at] == keys).all(axis=1)
        of = self._of[at]
        partitions = np.minimum(events.partitions[rows], self._ends.shape[1] - 1)
        is_before: BoolArray = (
            events.event_time_ms[rows] < self._at_ms[of]
            if self._by_time
            else events.offsets[rows] < self._ends[of, partitions]
        )
        return np.logical_and(is_one, is_before)

    def still_ahead(self, positions: Positions) -> Past:
        """Without the requests whose past has been read."""
        if self._by_time:
            return self
        ahead = [
            request
            for request in self._requests
            if any(positions.get(p, 0) < end for p, end in request.erasure.positions.items())
        ]
        return self if len(ahead) == len(self._requests) else Past(ahead, by_time=False)


class Forgetting:
    """Of one state. `ledger` has the requests; all up to `forgotten` have been obeyed by what the state came from."""

    def __init__(self, ledger: CheckpointStore, state: AllState, forgotten: int, *, by_time: bool = False) -> None:
        self._ledger = ledger
        self._state = state
        self._by_time = by_time
        self._known: Sequence[Request] = ()
        self._pending: list[Request] = []
        self._users: UInt64Array = np.zeros((0, 2), np.uint64)  # left of the first pending request
        self._past = Past((), by_time=by_time)
        self.forgotten = forgotten
        """All requests up to this number are obeyed: goes into checkpoints."""
        self.is_owed = False
        """Kept checkpoints are still to be written anew, after another one is saved."""

    def look(self, positions: Positions) -> None:
        """Take in new requests, and let go of those whose past has been read: the next events are at `positions`."""
        last = self._known[-1].number if self._known else 0
        new = erasures.requests_after(self._ledger, last)
        if new:
            self._known = [*self._known, *new]
            self._pending += [request for request in new if request.number > self.forgotten]
            self._past = Past(self._known, by_time=self._by_time)
        self._past = self._past.still_ahead(positions)

    def step(self) -> None:
        """Blank the next piece, if any."""
        if not self._pending:
            return
        if not len(self._users):
            self._users = self._pending[0].erasure.keys
        self._blank(self._users[:PIECE])
        self._users = self._users[PIECE:]
        if not len(self._users):
            done = self._pending.pop(0)
            self.forgotten = done.number
            logger.info("users forgotten", extra={"request": done.number, "users": len(done.erasure.users)})

    def catch_up(self, positions: Positions) -> None:
        """Obey all that is asked for by now."""
        self.look(positions)
        while self._pending:
            self.step()

    def is_ahead_of(self, saved: int) -> bool:
        """Whether another checkpoint is needed, where the last one has obeyed the requests up to `saved`."""
        return self.is_owed or self.forgotten != saved

    def after_saving(self, forget_kept: Callable[[Notes], bool]) -> Callable[[Notes], None]:
        """What is to be done once a checkpoint is safe, beside the loop."""

        def note(saved: Notes) -> None:
            self.is_owed = not forget_kept(saved)

        return note

    def without_past(self, batch: AdmittedBatch) -> AdmittedBatch:
        """The batch as it is to be learned: what must not enter a history counts for popularity only."""
        if self._past.is_empty:
            return batch
        rows = np.flatnonzero(batch.outcome == Outcome.ADMITTED)
        rows = rows[self._past.has(batch.events, rows)]
        if not len(rows):
            return batch
        outcome = batch.outcome.copy()
        outcome[rows] = Outcome.LATE_POPULARITY_ONLY
        return replace(batch, outcome=outcome)

    def _blank(self, users: UInt64Array) -> None:
        tables = self._state.tables()
        arrays: dict[str, Array] = dict(self._state.small())
        for name, table in tables.items():
            arrays.update({f"{name}.{column}": array for column, array in table.arrays.items()})
        changed = blanking.blank(users, arrays)
        for name, rows in changed.items():
            if name in tables:
                tables[name].dirty[rows] = 1
        if "users" in changed:
            recency_index.fill_slots(self._state.model.users)
        if "sessions" in changed:
            session_ring.rebuild(self._state.model.sessions)


def _ends(requests: Sequence[Request]) -> Int64Array:
    """(requests, partitions + 1) where the input ended; 0 for partitions that were not there, as is the last one."""
    n_partitions = 1 + max((p for one in requests for p in one.erasure.positions), default=-1)
    ends = np.zeros((len(requests), n_partitions + 1), np.int64)
    for row, request in enumerate(requests):
        for partition, end in request.erasure.positions.items():
            ends[row, partition] = end
    return ends
