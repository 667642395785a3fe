"""Synthetic events as records: the standard JSON event, written for whole columns at once.

Events of one type have values of one width, so each group of them is a matrix of bytes: the literal parts are copied
into every row, the fields are filled in by column. Only malformed records are made one by one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from producer_tools.event_columns import EVENT_TYPES, TREND_ITEM, EventColumns, Fault
from producer_tools.malformed import malformed
from producer_tools.plan import SyntheticPlan
from producer_tools.records import RecordBlock, UInt8Array
from producer_tools.text_columns import as_bytes, digits, rfc3339_ms

_NUMBER_WIDTH = 12
_SESSION_WIDTH = 12


class SyntheticJson:
    """Writes the events of one plan. Ids of users and items are the same in every stream, so a second stream goes on
    with the same catalogue; ids of events and sessions are the stream's own (by seed and start)."""

    def __init__(self, plan: SyntheticPlan) -> None:
        self._user_width = len(str(plan.n_users - 1))
        self._item_width = len(str(plan.n_items - 1))
        self._trend = plan.trend.item if plan.trend else ""
        self._stream = hashlib.blake2b(f"{plan.seed} {plan.start_ms}".encode(), digest_size=4).hexdigest()

    def user_id(self, user: int) -> str:
        return f"user-{user:0{self._user_width}d}"

    def item_id(self, item: int) -> str:
        """The id of an entry of `EventColumns.item`."""
        return self._trend if item == TREND_ITEM else f"item-{item:0{self._item_width}d}"

    def block(self, events: EventColumns) -> RecordBlock:
        """The records of these events."""
        return RecordBlock(self._keys(events), self._values(events), events.true_time_ms)

    def _keys(self, events: EventColumns) -> list[bytes]:
        return as_bytes(_rows([b"user-", digits(events.user, self._user_width)], len(events)))

    def _values(self, events: EventColumns) -> list[bytes | None]:
        values = np.empty(len(events), dtype=object)
        is_trend = events.item == TREND_ITEM
        for event_type in range(len(EVENT_TYPES)):
            for trending in (False, True):
                where = np.flatnonzero((events.event_type == event_type) & (is_trend == trending))
                if len(where):
                    values[where] = self._same_width(events.take(where), event_type, is_trend=trending)
        values[events.fault == Fault.TOMBSTONE] = None
        for i in np.flatnonzero(events.fault >= Fault.TRUNCATED):
            values[i] = malformed(values[i], Fault(events.fault[i]))
        whole: list[bytes | None] = values.tolist()
        return whole

    def _same_width(self, events: EventColumns, event_type: int, *, is_trend: bool) -> list[bytes]:
        """The values of events of one type, all about the trending item or none."""
        stream = self._stream.encode()
        item = [_json_text(self._trend)] if is_trend else [b"item-", digits(events.item, self._item_width)]
        parts = [
            b'{"event_id":"' + stream + b"-",
            digits(events.number, _NUMBER_WIDTH),
            b'","user_id":"user-',
            digits(events.user, self._user_width),
            b'","item_id":"',
            *item,
            b'","event_type":"' + EVENT_TYPES[event_type].encode() + b'","event_time":"',
            rfc3339_ms(events.event_time_ms),
            b'","session_id":"' + stream + b"-s",
            digits(events.session, _SESSION_WIDTH),
            b'"}',
        ]
        return as_bytes(_rows(parts, len(events)))


def _rows(parts: Sequence[bytes | UInt8Array], n: int) -> UInt8Array:
    """The parts side by side: bytes in every row, matrices (n, width) row by row."""
    widths = [len(part) if isinstance(part, bytes) else part.shape[1] for part in parts]
    template = b"".join(part if isinstance(part, bytes) else bytes(part.shape[1]) for part in parts)
    rows = np.empty((n, sum(widths)), dtype=np.uint8)
    rows[:] = np.frombuffer(template, dtype=np.uint8)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        if not isinstance(part, bytes):
            rows[:, start : start + width] = part
        start += width
    return rows


def _json_text(text: str) -> bytes:
    """The text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()
