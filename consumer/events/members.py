"""Kernels that find the known members of one plain JSON object, and the tables of names they compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from consumer.events.fields import N_FIELDS, Field
from consumer.events.hashing import load_64
from consumer.events.json_text import (
    NOT_PLAIN,
    byte_at,
    colon_end,
    flat_object_end,
    literal_end,
    number_end,
    space_end,
    string_end,
)
from consumer.kernels import hot_kernel
from consumer.messages import Int64Array, UInt8Array, UInt64Array

# What was found of a known member: entries of `kinds`.
ABSENT = 0  # not in the object, or null
STRING = 1
NUMBER = 2
FLAT_OBJECT = 3

UNKNOWN = -1
"""Instead of a `Field`: a member that isn't known."""
N_GUESSED = 32
"""Members of which the order is remembered from record to record, to be tried first."""

_FEATURES = int(Field.FEATURES)
_QUOTE, _COMMA, _OPEN, _CLOSE, _MINUS = 0x22, 0x2C, 0x7B, 0x7D, 0x2D
_ZERO_64 = np.uint64(0)
_NEVER = -1


class Names(NamedTuple):
    """Texts to compare with, each with the closing quote behind it, as words of eight bytes."""

    words: UInt64Array  # (n, most words)
    masks: UInt64Array  # (n, most words) which bits of `words` count
    lengths: Int64Array  # (n,) bytes without the quote; _NEVER: no plain string is this text


class Members(NamedTuple):
    """Where the known members of the record in hand lie; by `Field`, (N_FIELDS,) each."""

    kinds: Int64Array
    begins: Int64Array
    ends: Int64Array


def names_table(texts: Sequence[str]) -> Names:
    """The table of these texts, in this order."""
    encoded = [text.encode() for text in texts]
    n_words = max((len(text) + 8) // 8 for text in encoded)
    words = np.zeros((len(texts), n_words * 8), dtype=np.uint8)
    masks = np.zeros_like(words)
    lengths = np.full(len(texts), _NEVER, dtype=np.int64)
    for i, text in enumerate(encoded):
        if any(c < 0x20 or c in b'"\\' for c in text):
            continue  # JSON can only write it with an escape
        words[i, : len(text) + 1] = np.frombuffer(text + b'"', dtype=np.uint8)
        masks[i, : len(text) + 1] = 0xFF
        lengths[i] = len(text)
    return Names(words.view("<u8").astype(np.uint64), masks.view("<u8").astype(np.uint64), lengths)


def no_members() -> Members:
    """Room for the members of one record at a time."""
    return Members(*(np.zeros(N_FIELDS, dtype=np.int64) for _ in Members._fields))


@hot_kernel
def is_name(text: UInt8Array, at: int, limit: int, names: Names, i: int) -> bool:
    """Whether the i-th text and a closing quote stand at `at`, before `limit`."""
    length = names.lengths[i]
    if length < 0 or at + length >= limit:
        return False
    for word in range((length + 8) // 8):
        if (load_64(text, at + 8 * word) ^ names.words[i, word]) & names.masks[i, word] != _ZERO_64:
            return False
    return True


@hot_kernel
def index_of_name(text: UInt8Array, at: int, limit: int, names: Names) -> int:
    """Which text stands at `at` with a closing quote; UNKNOWN: none of them."""
    for i in range(len(names.lengths)):
        if is_name(text, at, limit, names, i):
            return i
    return UNKNOWN


@hot_kernel
def _value_end(text: UInt8Array, at: int, limit: int, field: int, members: Members) -> int:
    """Behind the value at `at`; if the field is known, notes where it lies."""
    c = byte_at(text, at)
    begin = at
    if c == _QUOTE:
        kind, begin = STRING, at + 1
        last = string_end(text, begin, limit, field == UNKNOWN)
        end = last + 1 if last != NOT_PLAIN else NOT_PLAIN
    elif c == _MINUS or 0x30 <= c <= 0x39:
        kind = NUMBER
        last = end = number_end(text, at, limit)
    elif c == _OPEN and field == _FEATURES:
        kind = FLAT_OBJECT
        last = end = flat_object_end(text, at, limit)
    else:
        kind = ABSENT
        last = end = literal_end(text, at, limit)
        if field != UNKNOWN and c != 0x6E:  # only null is as good as absent
            return NOT_PLAIN
    if field != UNKNOWN:
        members.kinds[field] = kind
        members.begins[field] = begin
        members.ends[field] = last
    return end


@hot_kernel
def find_members(text: UInt8Array, start: int, limit: int, names: Names, guesses: Int64Array, members: Members) -> bool:
    """Read the record from `start` to `limit`: one plain JSON object, nothing behind it, no known name twice.

    False: it is not that. `guesses` (N_GUESSED,) holds the field that stood at each place in the last record; it
    changes how fast the answer comes, never the answer.
    """
    members.kinds[:] = ABSENT
    at = space_end(text, start, limit)
    if at >= limit or byte_at(text, at) != _OPEN:
        return False
    seen = 0
    place = 0
    while True:
        at = space_end(text, at + 1, limit)  # behind the brace or the comma
        if at >= limit or byte_at(text, at) != _QUOTE:
            return False
        at += 1
        field = guesses[place]
        if field != UNKNOWN and is_name(text, at, limit, names, field):
            at += names.lengths[field] + 1
        else:
            end = string_end(text, at, limit, False)
            if end == NOT_PLAIN:
                return False
            field = index_of_name(text, at, limit, names)
            guesses[place] = field
            at = end + 1
        place = min(place + 1, N_GUESSED - 1)
        if field != UNKNOWN:
            if seen >> field & 1:
                return False
            seen |= 1 << field
        at = colon_end(text, at, limit)
        if at == NOT_PLAIN:
            return False
        at = _value_end(text, at, limit, field, members)
        if at == NOT_PLAIN:
            return False
        at = space_end(text, at, limit)
        if at >= limit:
            return False
        c = byte_at(text, at)
        if c == _CLOSE:
            return space_end(text, at + 1, limit) == limit
        if c != _COMMA:
            return False
