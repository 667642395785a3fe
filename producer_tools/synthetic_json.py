"""Synthetic events as records: the standard JSON event, keyed by user. Only malformed records are made one by one."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from producer_tools import event_text
from producer_tools.event_columns import EVENT_TYPES, TREND_ITEM, EventColumns, Fault
from producer_tools.malformed import malformed
from producer_tools.plan import SyntheticPlan
from producer_tools.records import RecordBlock, Strings


class SyntheticJson:
    """Writes the events of one plan. Ids of users and items are the same in every stream, so a second stream goes on
    with the same catalogue; ids of events, sessions and new items are the stream's own (by seed and start)."""

    def __init__(self, plan: SyntheticPlan) -> None:
        self._trend = plan.trend.item if plan.trend else ""
        self._stream = hashlib.blake2b(f"{plan.seed} {plan.start_ms}".encode(), digest_size=4).hexdigest()
        self._ids = event_text.Catalogued(
            plan.n_users, plan.n_items, len(str(plan.n_users - 1)), len(str(plan.n_items - 1))
        )
        self._pieces = event_text.pieces(
            (
                f'{{"event_id":"{self._stream}-'.encode(),
                b'","user_id":"',
                b'","item_id":"',
                b'","event_type":"',
                b'","event_time":"',
                f'","session_id":"{self._stream}-s'.encode(),
                b'"}',
                b"user-",
                b"bot-",
                b"item-",
                f"new-{self._stream}-".encode(),
                json.dumps(self._trend, ensure_ascii=False)[1:-1].encode(),
                *(name.encode() for name in EVENT_TYPES),
            )
        )
        self._text(_none())  # compiles the kernel now, so that the first records aren't late

    def user_id(self, user: int) -> str:
        """The id of an entry of `EventColumns.user`."""
        ids = self._ids
        return f"user-{user:0{ids.user_width}d}" if user < ids.n_users else f"bot-{user - ids.n_users:02d}"

    def item_id(self, item: int) -> str:
        """The id of an entry of `EventColumns.item`."""
        if item == TREND_ITEM:
            return self._trend
        ids = self._ids
        if item < ids.n_items:
            return f"item-{item:0{ids.item_width}d}"
        return f"new-{self._stream}-{item - ids.n_items:0{event_text.NUMBER_WIDTH}d}"

    def block(self, events: EventColumns) -> RecordBlock:
        """The records of these events."""
        found = self._text(events)
        keys = Strings(found.text, found.user_starts, found.user_lengths)
        values = Strings(found.text, found.starts, found.lengths)
        spoilt = np.flatnonzero(events.fault >= Fault.TRUNCATED).tolist()
        values = values.with_values(spoilt, [malformed(values[i] or b"", Fault(events.fault[i])) for i in spoilt])
        return RecordBlock(keys, values.without(np.flatnonzero(events.fault == Fault.TOMBSTONE)), events.true_time_ms)

    def _text(self, events: EventColumns) -> event_text.Written:
        whole = np.ascontiguousarray
        columns = event_text.Events(
            number=whole(events.number),
            user=whole(events.user),
            item=whole(events.item),
            event_type=events.event_type.astype(np.uint8),
            session=whole(events.session),
            time_ms=whole(events.event_time_ms),
        )
        return event_text.written(columns, self._ids, self._pieces)


def _none() -> EventColumns:
    nothing = np.zeros(0, np.int64)
    return EventColumns(nothing, nothing, nothing, nothing.astype(np.int8), *(nothing,) * 3, nothing.astype(np.uint8))
