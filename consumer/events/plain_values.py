"""Kernels that read the plain form of a value: exact, or not at all.

`text[at:end]` is the value as `consumer.events.members` found it. What they leave alone is not wrong, only unusual.
"""

from __future__ import annotations

import numpy as np

from consumer.events.hashing import load_64
from consumer.events.json_text import byte_at, digits_end
from consumer.kernels import hot_kernel
from consumer.messages import UInt8Array

NO_TIME = np.iinfo(np.int64).min
"""Instead of a time: this text is not of the plain form."""
NO_NUMBER = np.nan
"""Instead of a number; a plain one is finite."""

_MINUS, _PLUS, _POINT, _COLON, _ZERO, _Z = 0x2D, 0x2B, 0x2E, 0x3A, 0x30, 0x5A
_ZERO_64 = np.uint64(0)
_LARGEST_EXACT = 2**53
_MAX_DIGITS = 15
"""Most digits before the point of a time given as a number: far beyond any time that is allowed."""

# "0000-00-" and "00T00:00" and ":00", first byte lowest; xor leaves digits as 0 … 9 and the right separators as 0
_DATE = np.uint64(0x2D30302D30303030)
_MINUTE = np.uint64(0x30303A3030543030)
_SECOND = np.uint64(0x30303A)
_DATE_DIGITS = np.uint64(0x0006060006060606)
_MINUTE_DIGITS = np.uint64(0x0606000606000606)
_SECOND_DIGITS = np.uint64(0x060600)
_DATE_MASK = np.uint64(0xFFF0F0FFF0F0F0F0)
_MINUTE_MASK = np.uint64(0xF0F0FFF0F0FFF0F0)
_SECOND_MASK = np.uint64(0xF0F0FF)

_POWERS = 10.0 ** np.arange(23)
"""Powers of ten that a double holds exactly."""
_DAYS_BEFORE_MONTH = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
_DAYS_BEFORE_1970 = 719_162
"""Days from 0001-01-01 to 1970-01-01."""


@hot_kernel
def is_plain_integer(text: UInt8Array, at: int, end: int) -> bool:
    """Whether a JSON number is an integer of at most 18 digits in the form in which Python would write it."""
    first = at + 1 if byte_at(text, at) == _MINUS else at
    if end - first > 18 or digits_end(text, first, end) != end:
        return False
    return first == at or byte_at(text, first) != _ZERO


@hot_kernel
def _digit(word: np.uint64, byte: int) -> int:
    return np.int64((word >> np.uint64(8 * byte)) & np.uint64(0xF))  # type: ignore[return-value]  # one kind of integer


@hot_kernel
def _two_digits(word: np.uint64, byte: int) -> int:
    return 10 * _digit(word, byte) + _digit(word, byte + 1)


@hot_kernel
def _is_stamp(date: np.uint64, minute: np.uint64, second: np.uint64) -> bool:
    """Whether only digits are left where digits belong, and nothing where separators do."""
    wrong = ((date + _DATE_DIGITS) | date) & _DATE_MASK
    wrong |= ((minute + _MINUTE_DIGITS) | minute) & _MINUTE_MASK
    wrong |= ((second + _SECOND_DIGITS) | second) & _SECOND_MASK
    return bool(wrong == _ZERO_64)


@hot_kernel
def _day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date of the Gregorian calendar; NO_TIME if there is no such date."""
    if year < 1 or not 1 <= month <= 12:
        return NO_TIME
    leap = np.int64(year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    before = _DAYS_BEFORE_MONTH[month] + (leap if month > 2 else 0)
    length = _DAYS_BEFORE_MONTH[month + 1] - _DAYS_BEFORE_MONTH[month] + (leap if month == 2 else 0)
    if not 1 <= day <= length:
        return NO_TIME
    past = year - 1
    return past * 365 + past // 4 - past // 100 + past // 400 + before + day - 1 - _DAYS_BEFORE_1970  # type: ignore[no-any-return]  # as above


@hot_kernel
def _stamp_s(text: UInt8Array, at: int) -> int:
    """Seconds since 1970 of the nineteen bytes `YYYY-MM-DDTHH:MM:SS`, as if at UTC."""
    date = load_64(text, at) ^ _DATE
    minute = load_64(text, at + 8) ^ _MINUTE
    second = (load_64(text, at + 16) & np.uint64(0xFFFFFF)) ^ _SECOND
    if not _is_stamp(date, minute, second):
        return NO_TIME
    days = _day_number(100 * _two_digits(date, 0) + _two_digits(date, 2), _two_digits(date, 5), _two_digits(minute, 0))
    hours, minutes, seconds = _two_digits(minute, 3), _two_digits(minute, 6), _two_digits(second, 1)
    if days == NO_TIME or hours > 23 or minutes > 59 or seconds > 59:
        return NO_TIME
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


@hot_kernel
def _offset_s(text: UInt8Array, at: int, end: int) -> int:
    """Seconds of `Z` or `±HH:MM` from `at` to `end`."""
    c = byte_at(text, at)
    if c == _Z and end - at == 1:
        return 0
    if end - at != 6 or (c != _PLUS and c != _MINUS) or byte_at(text, at + 3) != _COLON:
        return NO_TIME
    if digits_end(text, at + 1, at + 3) != at + 3 or digits_end(text, at + 4, end) != end:
        return NO_TIME
    word = load_64(text, at)
    hours, minutes = _two_digits(word, 1), _two_digits(word, 4)
    if hours > 23 or minutes > 59:
        return NO_TIME
    seconds = (hours * 60 + minutes) * 60
    return seconds if c == _PLUS else -seconds


@hot_kernel
def _thousandths(text: UInt8Array, at: int, end: int) -> int:
    """The first three digits of a fraction, as if zeros followed; the rest is cut off."""
    thousandths = 0
    for i in range(3):
        digit = byte_at(text, at + i) - _ZERO if at + i < end else 0
        thousandths = 10 * thousandths + digit
    return thousandths


@hot_kernel
def rfc3339_ms(text: UInt8Array, at: int, end: int) -> int:
    """Milliseconds since 1970 of `YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)`, rounded down; or NO_TIME."""
    if end - at < 20:
        return NO_TIME
    seconds = _stamp_s(text, at)
    if seconds == NO_TIME:
        return NO_TIME
    rest = at + 19
    thousandths = 0
    if byte_at(text, rest) == _POINT:
        fraction = rest + 1
        rest = digits_end(text, fraction, end)
        if rest in (fraction, end):
            return NO_TIME
        thousandths = _thousandths(text, fraction, rest)
    offset = _offset_s(text, rest, end)
    if offset == NO_TIME:
        return NO_TIME
    return (seconds - offset) * 1000 + thousandths


@hot_kernel
def epoch_ms(text: UInt8Array, at: int, end: int, in_seconds: bool) -> int:
    """Milliseconds since 1970 of a JSON number that counts seconds or milliseconds, rounded down; or NO_TIME.

    Plain are numbers without sign and exponent.
    """
    point = digits_end(text, at, end)
    if not 1 <= point - at <= _MAX_DIGITS:
        return NO_TIME
    whole = 0
    for i in range(at, point):
        whole = 10 * whole + byte_at(text, i) - _ZERO
    fraction = point
    if point < end:
        fraction = point + 1
        if byte_at(text, point) != _POINT or digits_end(text, fraction, end) != end:
            return NO_TIME
    return whole * 1000 + _thousandths(text, fraction, end) if in_seconds else whole


@hot_kernel
def decimal_number(text: UInt8Array, at: int, end: int) -> float:
    """The double nearest to a JSON number, or NO_NUMBER.

    Plain are numbers without exponent whose digits form an integer that a double holds exactly: then one division by
    an exact power of ten rounds once, which is right (William D. Clinger, 1990, How to read floating point numbers
    accurately).
    """
    first = at + 1 if byte_at(text, at) == _MINUS else at
    if end - first > 17:
        return NO_NUMBER
    digits = 0
    n_behind_point = 0
    is_behind_point = False
    for i in range(first, end):
        c = byte_at(text, i)
        if c == _POINT:
            is_behind_point = True
        elif _ZERO <= c <= 0x39:
            digits = 10 * digits + c - _ZERO
            n_behind_point += 1 if is_behind_point else 0
        else:
            return NO_NUMBER
    if digits > _LARGEST_EXACT:
        return NO_NUMBER
    number = np.float64(digits) / _POWERS[n_behind_point]
    return -number if first != at else number  # type: ignore[no-any-return]  # as above
