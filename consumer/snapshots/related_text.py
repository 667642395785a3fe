"""Writes the JSON of `item-related` rows, many at once: by far the greatest part of what a version holds.

Weights and masses have six significant digits; ids are escaped as JSON asks for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models.item_to_item import ItemToItemArrays, insert_ranked
from consumer.models.state import ItemText

DIGITS = 6
MAX_NUMBER_BYTES = 16
_QUOTE, _BACKSLASH, _ZERO, _POINT, _MINUS, _COMMA = (np.uint8(ord(c)) for c in '"\\0.-,')
_OPEN, _CLOSE, _EXPONENT, _U = (np.uint8(ord(c)) for c in "[]eu")
_HEX = np.frombuffer(bytearray(b"0123456789abcdef"), np.uint8)


class Around(NamedTuple):
    """The constant text of a row: before the entries, between them and the mass, behind the mass."""

    before: UInt8Array
    between: UInt8Array
    after: UInt8Array


def around(as_of: str, version: int) -> Around:
    texts = ('{"related":[', '],"mass":', f',"as_of":"{as_of}","version":{version}}}')
    return Around(*(np.frombuffer(bytearray(text.encode()), np.uint8) for text in texts))


def related_values(
    i2i: ItemToItemArrays,
    is_live: UInt8Array,
    ids: ItemText,
    rows: Int64Array,
    per_fresh_event: float,
    most: int,
    texts: Around,
) -> list[bytes]:
    """Values of these rows: their live entries, best first (ties: the smaller row number), at most `most`."""
    written, ends = _write_rows(i2i, is_live, ids, rows, per_fresh_event, most, texts)
    data = written.tobytes()
    return [data[start:end] for start, end in pairwise([0, *ends.tolist()])]


@hot_kernel
def _put(out: UInt8Array, at: int, text: UInt8Array) -> int:
    for byte in text:
        out[at] = byte
        at += 1
    return at


@hot_kernel
def _put_id(out: UInt8Array, at: int, text: UInt8Array, length: int) -> int:
    out[at] = _QUOTE
    at += 1
    for i in range(length):
        byte = text[i]
        if byte in (_QUOTE, _BACKSLASH):
            out[at] = _BACKSLASH
            out[at + 1] = byte
            at += 2
        elif byte < 0x20:
            out[at] = _BACKSLASH
            out[at + 1] = _U
            out[at + 2] = out[at + 3] = _ZERO
            out[at + 4] = _HEX[byte >> 4]
            out[at + 5] = _HEX[byte & 15]
            at += 6
        else:
            out[at] = byte
            at += 1
    out[at] = _QUOTE
    return at + 1


@hot_kernel
def _put_digits(out: UInt8Array, at: int, number: int, n_digits: int) -> int:
    for place in range(n_digits - 1, -1, -1):
        out[at + place] = _ZERO + np.uint8(number % 10)
        number //= 10
    return at + n_digits


@hot_kernel
def _put_number(out: UInt8Array, at: int, value: float) -> int:
    """A finite number that isn't negative, rounded to DIGITS significant digits, without trailing zeros."""
    if value <= 0.0:
        return _put_digits(out, at, 0, 1)
    exponent = int(np.floor(np.log10(value)))
    digits = int(np.rint(value * 10.0 ** (DIGITS - 1 - exponent)))
    if digits >= 10**DIGITS:
        digits //= 10
        exponent += 1
    n = DIGITS
    while digits % 10 == 0 and digits > 0:
        digits //= 10
        n -= 1
    if -5 <= exponent < 0:
        at = _put_digits(out, at, 0, 1)
        out[at] = _POINT
        at = _put_digits(out, at + 1, 0, -exponent - 1)
        return _put_digits(out, at, digits, n)
    if 0 <= exponent < 9:
        n_whole = exponent + 1
        if n <= n_whole:
            at = _put_digits(out, at, digits, n)
            return _put_digits(out, at, 0, n_whole - n)
        at = _put_digits(out, at, digits // 10 ** (n - n_whole), n_whole)
        out[at] = _POINT
        return _put_digits(out, at + 1, digits % 10 ** (n - n_whole), n - n_whole)
    at = _put_digits(out, at, digits // 10 ** (n - 1), 1)
    if n > 1:
        out[at] = _POINT
        at = _put_digits(out, at + 1, digits % 10 ** (n - 1), n - 1)
    out[at] = _EXPONENT
    at += 1
    if exponent < 0:
        out[at] = _MINUS
        at += 1
    return _put_digits(out, at, abs(exponent), 3)


@hot_kernel
def _best_entries(i2i: ItemToItemArrays, is_live: UInt8Array, row: int, best: Int32Array, weights: Float64Array) -> int:
    """Fill `best` and `weights` with the row's heaviest live entries, best first, as many as fit; returns how many."""
    n = 0
    for e in range(i2i.size[row]):
        item = i2i.neighbour[row, e]
        weight = np.float64(i2i.weight[row, e])
        if not is_live[item] or weight <= 0.0:
            continue
        n = insert_ranked(best, weights, n, item, weight)
    return n


@kernel
def _write_rows(
    i2i: ItemToItemArrays,
    is_live: UInt8Array,
    ids: ItemText,
    rows: Int64Array,
    per_fresh_event: float,
    most: int,
    texts: Around,
) -> tuple[UInt8Array, Int64Array]:
    """All texts behind each other, and where each ends."""
    n_around = len(texts.before) + len(texts.between) + len(texts.after) + MAX_NUMBER_BYTES
    n_most = 0  # untouched memory costs nothing, so the bound may be generous
    for row in rows:
        n_most += n_around
        for e in range(i2i.size[row]):
            n_most += 6 * ids.length[i2i.neighbour[row, e]] + MAX_NUMBER_BYTES + 6
    out = np.empty(n_most, np.uint8)
    ends = np.empty(len(rows), np.int64)
    best = np.empty(most, np.int32)
    weights = np.empty(most)
    at = 0
    for i in range(len(rows)):
        row = rows[i]
        at = _put(out, at, texts.before)
        n_entries = _best_entries(i2i, is_live, row, best, weights)
        for e in range(n_entries):
            if e > 0:
                out[at] = _COMMA
                at += 1
            out[at] = _OPEN
            at = _put_id(out, at + 1, ids.text[best[e]], ids.length[best[e]])
            out[at] = _COMMA
            at = _put_number(out, at + 1, weights[e] * per_fresh_event)
            out[at] = _CLOSE
            at += 1
        at = _put(out, at, texts.between)
        at = _put_number(out, at, i2i.counts[row] * per_fresh_event)
        at = _put(out, at, texts.after)
        ends[i] = at
    return out[:at], ends
