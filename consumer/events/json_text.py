"""Kernels that step over plain JSON: each takes the index where something begins and gives the index behind it.

They accept a part of JSON only, strictly: strings in valid UTF-8 without escapes (or with the simple ones where those
don't matter), numbers of ordinary length, objects of those. `NOT_PLAIN` says "not that part", never "not JSON".
`text` must go on for at least eight bytes behind `limit`, which is where the record ends; nothing behind it counts.
"""

from __future__ import annotations

import numpy as np

from consumer.events.hashing import load_64
from consumer.kernels import hot_kernel
from consumer.messages import UInt8Array

NOT_PLAIN = -1
MAX_NUMBER_BYTES = 32
"""A longer number is not plain; with an exponent below 100 a shorter one is always finite."""

_QUOTE, _BACKSLASH, _COMMA, _COLON = 0x22, 0x5C, 0x2C, 0x3A
_OPEN, _CLOSE = 0x7B, 0x7D
_MINUS, _PLUS, _POINT, _ZERO = 0x2D, 0x2B, 0x2E, 0x30
_SIMPLE_ESCAPES = tuple(b'"\\/bfnrt')

_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS = np.uint64(0x8080808080808080)
_QUOTES = np.uint64(0x2222222222222222)
_BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
_SPACES = np.uint64(0x2020202020202020)
_ZERO_64 = np.uint64(0)
_ONE_64 = np.uint64(1)


@hot_kernel
def byte_at(text: UInt8Array, at: int) -> int:
    """The byte as a signed number; by an unsigned index, which needs no check for negative ones."""
    return np.int64(text[np.uint64(at)])  # type: ignore[return-value]  # numba knows one kind of integer here


@hot_kernel
def space_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind the white space at `at`, if any."""
    while at < limit:
        c = byte_at(text, at)
        if c > 0x20 or (c != 0x20 and c != 0x0A and c != 0x0D and c != 0x09):
            break
        at += 1
    return at


@hot_kernel
def _special_bytes(word: np.uint64) -> np.uint64:
    """The high bit of each byte that is a quote, a backslash, a control character or not ASCII; the lowest such bit is
    right, higher ones may be set by a borrow."""
    found = ((word ^ _QUOTES) - _ONES) | ((word ^ _BACKSLASHES) - _ONES) | (word - _SPACES) | word
    return found & _HIGH_BITS


@hot_kernel
def _lowest_byte(marks: np.uint64) -> int:
    """Number of the lowest byte whose high bit is set; `marks` must not be 0."""
    lowest = (marks & (_ZERO_64 - marks)) >> np.uint64(7)
    return np.int64((((lowest - _ONE_64) & _ONES) * _ONES) >> np.uint64(56))  # type: ignore[return-value]  # as above


@hot_kernel
def _multibyte_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind one character of two to four bytes, if it is valid UTF-8: shortest form, no surrogate, up to U+10FFFF."""
    lead = byte_at(text, at)
    low, high = 0x80, 0xBF
    if 0xC2 <= lead <= 0xDF:
        end = at + 2
    elif 0xE0 <= lead <= 0xEF:
        end = at + 3
        low = 0xA0 if lead == 0xE0 else 0x80
        high = 0x9F if lead == 0xED else 0xBF
    elif 0xF0 <= lead <= 0xF4:
        end = at + 4
        low = 0x90 if lead == 0xF0 else 0x80
        high = 0x8F if lead == 0xF4 else 0xBF
    else:
        return NOT_PLAIN
    if end > limit or not low <= byte_at(text, at + 1) <= high:
        return NOT_PLAIN
    for i in range(at + 2, end):
        if not 0x80 <= byte_at(text, i) <= 0xBF:
            return NOT_PLAIN
    return end


@hot_kernel
def _is_simple_escape(c: int) -> bool:
    """Whether a backslash and this byte stand for one character by themselves: all escapes but `\\u`."""
    return c in _SIMPLE_ESCAPES


@hot_kernel
def string_end(text: UInt8Array, at: int, limit: int, may_escape: bool) -> int:
    """Index of the closing quote of the string whose first character is at `at`."""
    while at < limit:
        marks = _special_bytes(load_64(text, at))
        if marks == _ZERO_64:
            at += 8
            continue
        at += _lowest_byte(marks)
        if at >= limit:
            return NOT_PLAIN
        c = byte_at(text, at)
        if c == _QUOTE:
            return at
        if c >= 0x80:
            at = _multibyte_end(text, at, limit)
            if at == NOT_PLAIN:
                return NOT_PLAIN
        elif c == _BACKSLASH and may_escape and at + 1 < limit and _is_simple_escape(byte_at(text, at + 1)):
            at += 2
        else:
            return NOT_PLAIN
    return NOT_PLAIN


@hot_kernel
def digits_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind the digits at `at`, if any."""
    while at < limit and _ZERO <= byte_at(text, at) <= 0x39:
        at += 1
    return at


@hot_kernel
def _exponent_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind an exponent of one or two digits, `at` being behind the `e`."""
    if at < limit and (byte_at(text, at) == _PLUS or byte_at(text, at) == _MINUS):
        at += 1
    end = digits_end(text, at, limit)
    if not 1 <= end - at <= 2:
        return NOT_PLAIN
    return end


@hot_kernel
def number_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind the number at `at`; a plain number is finite."""
    first = at + 1 if byte_at(text, at) == _MINUS else at
    end = digits_end(text, first, limit)
    if end == first or (end - first > 1 and byte_at(text, first) == _ZERO):
        return NOT_PLAIN
    if end < limit and byte_at(text, end) == _POINT:
        fraction = end + 1
        end = digits_end(text, fraction, limit)
        if end == fraction:
            return NOT_PLAIN
    if end < limit and (byte_at(text, end) | 0x20) == 0x65:
        end = _exponent_end(text, end + 1, limit)
        if end == NOT_PLAIN:
            return NOT_PLAIN
    return end if end - at <= MAX_NUMBER_BYTES else NOT_PLAIN


@hot_kernel
def literal_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind `true`, `false` or `null`."""
    if at + 4 > limit:
        return NOT_PLAIN
    four = load_64(text, at) & np.uint64(0xFFFFFFFF)
    if four == np.uint64(0x65757274) or four == np.uint64(0x6C6C756E):  # "true", "null"
        return at + 4
    if four == np.uint64(0x736C6166) and at + 5 <= limit and byte_at(text, at + 4) == 0x65:  # "fals", "e"
        return at + 5
    return NOT_PLAIN


@hot_kernel
def colon_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind a colon and the white space around it, at the first byte of the value."""
    at = space_end(text, at, limit)
    if at >= limit or byte_at(text, at) != _COLON:
        return NOT_PLAIN
    at = space_end(text, at + 1, limit)
    return at if at < limit else NOT_PLAIN


@hot_kernel
def flat_object_end(text: UInt8Array, at: int, limit: int) -> int:
    """Behind an object of strings and numbers, `at` being at its brace. Repeated names are fine: each value is."""
    at = space_end(text, at + 1, limit)
    if at < limit and byte_at(text, at) == _CLOSE:
        return at + 1
    while at < limit and byte_at(text, at) == _QUOTE:
        at = string_end(text, at + 1, limit, True)
        if at == NOT_PLAIN:
            return NOT_PLAIN
        at = colon_end(text, at + 1, limit)
        if at == NOT_PLAIN:
            return NOT_PLAIN
        if byte_at(text, at) == _QUOTE:
            at = string_end(text, at + 1, limit, True)
            at = at + 1 if at != NOT_PLAIN else NOT_PLAIN
        else:
            at = number_end(text, at, limit)
        if at == NOT_PLAIN:
            return NOT_PLAIN
        at = space_end(text, at, limit)
        if at >= limit:
            return NOT_PLAIN
        if byte_at(text, at) == _CLOSE:
            return at + 1
        if byte_at(text, at) != _COMMA:
            return NOT_PLAIN
        at = space_end(text, at + 1, limit)
    return NOT_PLAIN
