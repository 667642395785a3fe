"""Columns of numbers as columns of text, without a Python object a number: matrices of ASCII bytes, one row a value."""

from __future__ import annotations

import numpy as np

from producer_tools.records import Int64Array, UInt8Array

DAY_MS = 86_400_000
RFC3339_WIDTH = len("2026-11-23T10:15:00.123Z")
_GROUP = 4
_GROUP_SIZE = 10**_GROUP
_FOUR_DIGITS = np.frombuffer("".join(f"{i:04d}" for i in range(_GROUP_SIZE)).encode(), dtype=np.uint8)
_FOUR_DIGITS = _FOUR_DIGITS.reshape(_GROUP_SIZE, _GROUP)


def digits(values: Int64Array, width: int) -> UInt8Array:
    """(n,) non-negative integers below 10**width → (n, width) bytes, padded with zeros."""
    text = np.empty((len(values), width), dtype=np.uint8)
    rest = values
    for end in range(width, 0, -_GROUP):
        start = max(end - _GROUP, 0)
        rest, low = np.divmod(rest, _GROUP_SIZE)
        text[:, start:end] = _FOUR_DIGITS[low][:, _GROUP - (end - start) :]
    return text


def rfc3339_ms(times_ms: Int64Array) -> UInt8Array:
    """(n,) milliseconds since 1970-01-01 UTC, up to the year 9999 → (n, 24) bytes such as 2026-11-23T10:15:00.123Z."""
    days, in_day = np.divmod(times_ms, DAY_MS)
    seconds, ms = np.divmod(in_day, 1_000)
    minutes, second = np.divmod(seconds, 60)
    hour, minute = np.divmod(minutes, 60)
    text = np.empty((len(times_ms), RFC3339_WIDTH), dtype=np.uint8)
    text[:] = np.frombuffer(b"0000-00-00T00:00:00.000Z", dtype=np.uint8)
    text[:, 0:10] = _dates(days)
    text[:, 11:13] = digits(hour, 2)
    text[:, 14:16] = digits(minute, 2)
    text[:, 17:19] = digits(second, 2)
    text[:, 20:23] = digits(ms, 3)
    return text


def _dates(days: Int64Array) -> UInt8Array:
    """(n,) days since 1970-01-01 → (n, 10) bytes. A block spans few days, so each day is written once."""
    distinct, which = np.unique(days, return_inverse=True)
    text = "".join(str(day) for day in distinct.astype("datetime64[D]")).encode()
    dates: UInt8Array = np.frombuffer(text, dtype=np.uint8).reshape(len(distinct), 10)[which]
    return dates


def as_bytes(rows: UInt8Array) -> list[bytes]:
    """(n, width) → n bytes objects. No row may end in a zero byte (numpy would cut it off)."""
    width = rows.shape[1]
    values: list[bytes] = np.ascontiguousarray(rows).view(f"S{width}")[:, 0].tolist()
    return values
