"""Synthetic events as JSON text, written by a kernel, one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, kernel
from producer_tools.records import Int64Array, UInt8Array

NUMBER_WIDTH: Final = 12
DAY_MS: Final = 86_400_000
TIME_WIDTH: Final = len("2026-11-23T10:15:00.123Z")
(
    EVENT_ID,
    USER_ID,
    ITEM_ID,
    EVENT_TYPE,
    EVENT_TIME,
    SESSION_ID,
    END,
    PERSON,
    BOT,
    ITEM,
    NEW_ITEM,
    TREND,
    FIRST_TYPE,
) = range(13)
"""Places in `Pieces`; the types of events follow from FIRST_TYPE on."""


class Pieces(NamedTuple):
    """Text that stands in every record, or in some of them."""

    text: UInt8Array
    bounds: Int64Array  # (n + 1,)


class Events(NamedTuple):
    """What is written into each, all (n,)."""

    number: Int64Array
    user: Int64Array
    item: Int64Array
    event_type: UInt8Array
    session: Int64Array
    time_ms: Int64Array


class Catalogued(NamedTuple):
    """Ids from n_users on are bots', from n_items on new items', negative ones the trend's."""

    n_users: int
    n_items: int
    user_width: int
    item_width: int


class Written(NamedTuple):
    """The records' texts, and where in them the user's id stands."""

    text: UInt8Array
    starts: Int64Array
    lengths: Int64Array
    user_starts: Int64Array
    user_lengths: Int64Array


def pieces(texts: Sequence[bytes]) -> Pieces:
    return Pieces(
        np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *(len(text) for text in texts)], dtype=np.int64)
    )


def written(events: Events, ids: Catalogued, of: Pieces) -> Written:
    """(n,) events → their records."""
    n = len(events.number)
    longest = len(of.text) + 2 * NUMBER_WIDTH + ids.user_width + max(ids.item_width, NUMBER_WIDTH) + TIME_WIDTH
    found = Written(np.empty(n * longest, np.uint8), *(np.empty(n, np.int64) for _ in range(4)))
    n_bytes = _write(events, ids, of, found)
    return found._replace(text=found.text[:n_bytes])


def rfc3339(times_ms: Int64Array) -> list[str]:
    """Milliseconds since 1970-01-01 UTC, up to the year 9999, as the records have them."""
    text = np.empty((len(times_ms), TIME_WIDTH), np.uint8)
    _write_times(times_ms, text)
    return [row.tobytes().decode() for row in text]


@hot_kernel
def _put(out: UInt8Array, at: int, of: Pieces, which: int) -> int:
    for k in range(of.bounds[which], of.bounds[which + 1]):
        out[at] = of.text[k]
        at += 1
    return at


@hot_kernel
def _put_digits(out: UInt8Array, at: int, value: int, width: int) -> int:
    """Padded with zeros; what doesn't fit is cut off."""
    rest = np.uint64(value)
    for k in range(width):
        tenth = rest // np.uint64(10)
        out[at + width - 1 - k] = np.uint8(np.uint64(48) + rest - tenth * np.uint64(10))
        rest = tenth
    return at + width


@hot_kernel
def _put_date(out: UInt8Array, at: int, day: int) -> None:
    """`day` counts from 1970-01-01. Years are counted from March on, so that the leap day is the last one."""
    since = day + 719_468  # days from 0000-03-01
    era = since // 146_097
    of_era = since - era * 146_097
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    _put_digits(out, at, year, 4)
    out[at + 4] = 45
    _put_digits(out, at + 5, month, 2)
    out[at + 7] = 45
    _put_digits(out, at + 8, of_year - (153 * shifted + 2) // 5 + 1, 2)


@hot_kernel
def _put_time(out: UInt8Array, at: int, time_ms: int) -> int:
    day = time_ms // DAY_MS
    ms = time_ms - day * DAY_MS
    _put_date(out, at, day)
    out[at + 10] = 84
    _put_digits(out, at + 11, ms // 3_600_000, 2)
    out[at + 13] = 58
    _put_digits(out, at + 14, ms // 60_000 % 60, 2)
    out[at + 16] = 58
    _put_digits(out, at + 17, ms // 1_000 % 60, 2)
    out[at + 19] = 46
    _put_digits(out, at + 20, ms % 1_000, 3)
    out[at + 23] = 90
    return at + TIME_WIDTH


@hot_kernel
def _put_user(out: UInt8Array, at: int, user: int, ids: Catalogued, of: Pieces) -> int:
    if user < ids.n_users:
        return _put_digits(out, _put(out, at, of, PERSON), user, ids.user_width)
    return _put_digits(out, _put(out, at, of, BOT), user - ids.n_users, 2)


@hot_kernel
def _put_item(out: UInt8Array, at: int, item: int, ids: Catalogued, of: Pieces) -> int:
    if item < 0:
        return _put(out, at, of, TREND)
    if item < ids.n_items:
        return _put_digits(out, _put(out, at, of, ITEM), item, ids.item_width)
    return _put_digits(out, _put(out, at, of, NEW_ITEM), item - ids.n_items, NUMBER_WIDTH)


@kernel
def _write(events: Events, ids: Catalogued, of: Pieces, found: Written) -> int:
    """Returns how many bytes were written."""
    out, at = found.text, 0
    for i in range(len(events.number)):
        found.starts[i] = at
        at = _put_digits(out, _put(out, at, of, EVENT_ID), events.number[i], NUMBER_WIDTH)
        at = _put(out, at, of, USER_ID)
        found.user_starts[i] = at
        at = _put_user(out, at, events.user[i], ids, of)
        found.user_lengths[i] = at - found.user_starts[i]
        at = _put_item(out, _put(out, at, of, ITEM_ID), events.item[i], ids, of)
        at = _put(out, _put(out, at, of, EVENT_TYPE), of, FIRST_TYPE + events.event_type[i])
        at = _put_time(out, _put(out, at, of, EVENT_TIME), events.time_ms[i])
        at = _put_digits(out, _put(out, at, of, SESSION_ID), events.session[i], NUMBER_WIDTH)
        at = _put(out, at, of, END)
        found.lengths[i] = at - found.starts[i]
    return at


@kernel
def _write_times(times_ms: Int64Array, text: UInt8Array) -> None:
    for i in range(len(times_ms)):
        _put_time(text[i], 0, times_ms[i])
