"""Synthetic events as numbers, before they are written as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from producer_tools.records import Int8Array, Int64Array, UInt8Array

EVENT_TYPES = ("view", "cart", "purchase", "remove_from_cart", "impression", "return")
VIEW, CART, PURCHASE, REMOVE_FROM_CART, IMPRESSION, RETURN = range(len(EVENT_TYPES))

TREND_ITEM = -1
"""Stands in `EventColumns.item` for the plan's trending item."""


class Fault(IntEnum):
    """What was planted in a record; OUT_OF_ORDER and BOT are good events all the same. From `TRUNCATED` to
    `TIME_BEFORE_RANGE`: ways to be malformed."""

    NONE = 0
    DUPLICATE = 1
    LATE = 2
    FUTURE = 3
    TOMBSTONE = 4
    OUT_OF_ORDER = 5
    BOT = 6
    TRUNCATED = 8
    NOT_UTF8 = 9
    MISSING_FIELD = 10
    WRONG_TYPE = 11
    EMPTY_ID = 12
    ID_TOO_LONG = 13
    NOT_FINITE = 14
    TIME_BEFORE_RANGE = 15


MALFORMATIONS = tuple(fault for fault in Fault if fault >= Fault.TRUNCATED)


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Consecutive synthetic events; entry i of each column belongs to record i."""

    number: Int64Array  # (n,) tells events apart; a duplicate carries the number of its original
    user: Int64Array  # (n,) 0 … n_users - 1; from n_users on: bots
    item: Int64Array  # (n,) 0 … n_items - 1, about from the most to the least popular; from there on: new ones, in the
    # order of their arrival; or TREND_ITEM
    event_type: Int8Array  # (n,) index into EVENT_TYPES
    session: Int64Array  # (n,)
    event_time_ms: Int64Array  # (n,) as written in the event; not the true one where it is LATE, FUTURE or OUT_OF_ORDER
    true_time_ms: Int64Array  # (n,) when the record belongs in the stream; ascending
    fault: UInt8Array  # (n,) Fault

    def __len__(self) -> int:
        return len(self.number)

    def take(self, index: Int64Array | slice) -> EventColumns:
        """The records at these places (a copy for an index array, a view for a slice)."""
        return EventColumns(*(getattr(self, f.name)[index] for f in fields(self)))


def joined(parts: Sequence[EventColumns]) -> EventColumns:
    """One after the other; `parts` must not be empty."""
    if len(parts) == 1:
        return parts[0]
    return EventColumns(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(EventColumns)))
