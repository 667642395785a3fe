"""The members of an event's JSON object, as both decoding paths number them, and the bounds of event times."""

from __future__ import annotations

import math
from enum import IntEnum

from consumer.settings import Input


class Field(IntEnum):
    """The known members, in the order in which they are checked: the first one at fault names the dead letter."""

    EVENT_ID = 0
    USER_ID = 1
    ITEM_ID = 2
    EVENT_TYPE = 3
    EVENT_TIME = 4
    SESSION_ID = 5
    VALUE = 6
    FEATURES = 7


N_FIELDS = len(Field)
MAX_FEATURES = 32
"""Most features kept of one event, the first ones."""
FARTHEST_MS = 2**61
"""Bound of the allowance for future times, so that adding it to a timestamp stays within 64 bits."""


def field_names(settings: Input) -> tuple[str, ...]:
    """The members' names in the JSON object, by `Field`."""
    names = settings.fields.model_dump()
    return tuple(names[field.name.lower()] for field in Field)


def event_type_index(settings: Input) -> dict[str, int]:
    """Index of each listed event type, as in `EventBatch.event_type`."""
    return {name: i for i, name in enumerate(settings.event_types)}


def max_future_ms(settings: Input) -> int:
    """How far an event may be ahead of its record, in whole milliseconds, at most FARTHEST_MS."""
    if settings.max_future_s * 1000 >= FARTHEST_MS:
        return FARTHEST_MS
    return math.floor(settings.max_future_s * 1000)
