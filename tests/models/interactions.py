"""Interactions as a member sees them, from readable rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from consumer.events.hashing import hash_text, hash_text_32
from consumer.messages import Int32Array
from consumer.models.base import Interactions
from consumer.models.item_to_item import WINDOW
from tests.streams import START_MS, TYPES, Event, small_settings, streams

HISTORY = 10
KINDS = small_settings().input.event_types


def interactions(rows: Sequence[Event]) -> Interactions:
    """`item-7` is row 7. A session is what the row names, else all of its user's; a history has at most HISTORY."""
    histories: dict[str, list[int]] = {}
    sessions: dict[tuple[str, str | None], list[int]] = {}
    before, long_before, n_history, last_kinds = [], [], [], []
    last_kind: dict[str, int] = {}
    for row in rows:
        history = histories.setdefault(row.user, [])
        session = sessions.setdefault((row.user, row.session), [])
        before.append(padded(session, WINDOW))
        long_before.append(padded(history, HISTORY))
        n_history.append(min(len(history), HISTORY))
        last_kinds.append(last_kind.get(row.user, 0))
        if KINDS[row.type].history:
            item = int(row.item.removeprefix("item-"))
            history.insert(0, item)
            session.insert(0, item)
            last_kind[row.user] = TYPES.index(row.type) + 1
    return Interactions(
        item=np.array([int(row.item.removeprefix("item-")) for row in rows], np.int32),
        weight=np.array([KINDS[row.type].weight for row in rows], np.float64),
        time_ms=np.array([START_MS + round(row.at_s * 1000) for row in rows], np.int64),
        enters_history=np.array([KINDS[row.type].history for row in rows], np.uint8),
        session=np.array([hash_text(f"{row.user}/{row.session}".encode())[0] for row in rows], np.uint64),
        predecessors=np.array(before, np.int32).reshape(-1, WINDOW),
        history=np.array(long_before, np.int32).reshape(-1, HISTORY),
        n_history=np.array(n_history, np.int32),
        key=np.array([hash_text(f"{i}/{row}".encode())[0] for i, row in enumerate(rows)], np.uint64),
        last_kind=np.array(last_kinds, np.uint8),
        **feature_columns(rows),
    )


def feature_columns(rows: Sequence[Event]) -> dict[str, Any]:
    """The rows' features, side by side."""
    most = max((len(row.features) for row in rows), default=0)
    entries = np.zeros((len(rows), most, 3))
    for i, row in enumerate(rows):
        for k, (name, value) in enumerate(row.features):
            is_text = isinstance(value, str)
            entries[i, k] = (
                hash_text_32(name.encode()),
                hash_text_32(str(value).encode()) if is_text else 0,
                0.0 if is_text else value,
            )
    return {
        "feature_name": entries[..., 0].astype(np.uint32),
        "feature_text": entries[..., 1].astype(np.uint32),
        "feature_value": entries[..., 2].copy(),
    }


def padded(rows: Sequence[int], length: int) -> list[int]:
    return [*rows[:length], *[-1] * (length - len(rows))]


def history(*rows: int) -> Int32Array:
    return np.array(rows, np.int32)


INTERACTIONS = streams(most=20).map(interactions)
HISTORIES = st.lists(st.integers(-1, 5), max_size=HISTORY).map(lambda rows: history(*rows))
