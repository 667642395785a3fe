"""`session_knn` as a member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models import item_to_item, session_knn, session_knn_ranking, session_ring
from consumer.models.base import Interactions, Law, Ranked, Update, check_rows, fill, known_rows, named
from consumer.models.item_to_item import N_RANKED
from consumer.models.session_knn import SessionKnnArrays
from consumer.models.session_ring import NONE, SessionArrays
from consumer.settings import Models
from consumer.tables import Array


@hot_kernel
def _learn_each(
    knn: SessionKnnArrays,
    sessions: SessionArrays,
    untold: UInt8Array,
    is_live: UInt8Array,
    dirty: UInt8Array,
    items: Int32Array,
    enters_history: UInt8Array,
    keys: UInt64Array,
    times_ms: Int64Array,
) -> None:
    for i in range(len(items)):
        if enters_history[i]:
            is_live[items[i]] = 1
            row = session_knn.learn_event(knn, sessions, is_live, dirty, items[i], keys[i], times_ms[i])
            untold[row] = 1


@hot_kernel
def _add_sessions(
    knn: SessionKnnArrays,
    sessions: SessionArrays,
    untold: UInt8Array,
    is_live: UInt8Array,
    dirty: UInt8Array,
    items: Int32Array,
    n_items: Int32Array,
    keys: UInt64Array,
    latest_ms: Int64Array,
) -> None:
    start = 0
    for s in range(len(keys)):
        row = session_ring.find(sessions, keys[s])
        if row == NONE:
            row = session_knn.open_session(knn, sessions, is_live, dirty, keys[s])
            untold[row] = 0
        sessions.latest_ms[row] = max(sessions.latest_ms[row], latest_ms[s])
        for i in range(start, start + n_items[s]):
            session_knn.append(knn, sessions, is_live, dirty, row, items[i])
        start += n_items[s]


class SessionKnnMember:
    """What came next in recent sessions like this one.

    Updates are whole sessions, those that changed and are still kept. They are exact where the receiver had what the
    sender had and no item has been in more sessions than are remembered of it; else which of them are remembered may
    differ, as an update tells the order in which sessions were opened but not that of all their events.

    Three sessions, one of items 1, 2, 3 in this order; somebody has just seen item 2:

    >>> from consumer.settings import Models
    >>> member = SessionKnnMember(Models.model_validate({"session_knn": {"sessions": 16}}), n_rows=9)
    >>> nobody, one = np.zeros((7, 0), np.int32), np.ones(7)
    >>> member.learn(Interactions(
    ...     item=np.array([1, 2, 3, 4, 5, 6, 7], np.int32), session=np.array([1, 1, 1, 2, 2, 3, 3], np.uint64),
    ...     weight=one, time_ms=np.zeros(7, np.int64), enters_history=one.astype(np.uint8),
    ...     predecessors=nobody, history=nobody, n_history=np.zeros(7, np.int32),
    ... ))
    >>> ranked = member.score(np.array([2], np.int32), 10, 0)  # 3^(−0.25) · ln(8/2)^3, times 0.85 for what went before
    >>> ranked.items.tolist(), [round(float(score), 3) for score in ranked.scores]
    ([3, 1], [2.024, 1.721])
    """

    name: ClassVar[str] = "session_knn"
    opt_outs: ClassVar[Mapping[Law, str]] = {
        Law.UPDATES_COMMUTE: "of a session that several learned at once nobody knows the order of its events any more"
    }

    def __init__(self, settings: Models, n_rows: int) -> None:
        knn = settings.session_knn
        self._learned = session_knn.allocate(n_rows, knn.recent, knn.time_constant_s)
        self._sessions = session_ring.allocate(knn.sessions)
        self._untold = np.zeros(knn.sessions, np.uint8)  # 1: changed since the last update
        self._scratch = session_knn_ranking.allocate_scratch(knn.sessions, knn.recent)
        self._of_items = item_to_item.allocate_scratch(n_rows)
        self._is_live = np.zeros(n_rows, np.uint8)
        self._dirty = np.zeros(n_rows, np.uint8)  # the kernels mark what a checkpoint must copy; nobody asks here

    def learn(self, interactions: Interactions) -> None:
        check_rows(self.name, interactions.item, len(self._is_live))
        _learn_each(
            self._learned, self._sessions, self._untold, self._is_live, self._dirty, interactions.item,
            interactions.enters_history, interactions.session, interactions.time_ms,
        )  # fmt: skip

    def forget(self, items: Int32Array) -> None:
        self._is_live[items] = 0
        for item in items.tolist():
            session_knn.forget_item(self._learned, item)
        session_knn.forget_items(self._sessions, self._is_live)

    def score(self, history: Int32Array, n: int, now_ms: int) -> Ranked:
        """The best items outside the history, at most N_RANKED of them."""
        items, scores = np.zeros(N_RANKED, np.int32), np.zeros(N_RANKED)
        rows = known_rows(history, len(self._is_live))
        found = session_knn_ranking.rank(
            self._learned, self._sessions, self._scratch, self._of_items, self._is_live,
            rows, len(rows), float(now_ms), items, scores,
        )  # fmt: skip
        n_listed = max(0, min(n, found))
        return Ranked(items[:n_listed], scores[:n_listed])

    def state(self) -> Mapping[str, Array]:
        return {
            **named(learned=self._learned, sessions=self._sessions),
            "untold": self._untold,
            "is_live": self._is_live,
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        fill(self.state(), state)

    def take_update(self) -> Update:
        sessions = self._sessions
        opened_first = session_ring.next_row(sessions)
        rows = np.roll(np.arange(len(self._untold)), -opened_first)
        rows = rows[self._untold[rows] == 1]
        self._untold[:] = 0
        kept = sessions.items[rows]
        return {
            "items": kept[kept >= 0],
            "n_items": sessions.n_items[rows],
            "keys": sessions.keys[rows],
            "latest_ms": sessions.latest_ms[rows],
        }

    def apply_update(self, update: Update) -> None:
        check_rows(self.name, update["items"], len(self._is_live))
        self._is_live[update["items"]] = 1
        _add_sessions(
            self._learned, self._sessions, self._untold, self._is_live, self._dirty,
            update["items"], update["n_items"], update["keys"], update["latest_ms"],
        )  # fmt: skip
