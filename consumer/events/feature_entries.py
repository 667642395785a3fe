"""Features of events as columns: a name's and a text's hash, a number's value; see `FeatureEntries`."""

from __future__ import annotations

import numpy as np

from consumer.events.fields import MAX_FEATURES
from consumer.events.hashing import hash_32
from consumer.events.json_text import NOT_PLAIN, byte_at, colon_end, number_end, space_end, string_end
from consumer.events.plain_values import decimal_number
from consumer.kernels import hot_kernel
from consumer.messages import EventBatch, FeatureEntries, Int64Array, UInt8Array

_QUOTE, _CLOSE = 0x22, 0x7D


def allocate(n: int) -> FeatureEntries:
    return FeatureEntries(np.zeros(n, np.uint32), np.zeros(n, np.uint32), np.zeros(n))


def first_entries(entries: FeatureEntries, n: int) -> FeatureEntries:
    """The first n."""
    return FeatureEntries(entries.name[:n], entries.text[:n], entries.value[:n])


def joined(one: FeatureEntries, other: FeatureEntries) -> FeatureEntries:
    """One behind the other."""
    return FeatureEntries(
        np.concatenate((one.name, other.name)),
        np.concatenate((one.text, other.text)),
        np.concatenate((one.value, other.value)),
    )


def gathered(events: EventBatch) -> tuple[FeatureEntries, Int64Array]:
    """The entries of these events alone, in their order, and where those of each begin (n,)."""
    ends = np.cumsum(events.n_features, dtype=np.int64)
    starts = ends - events.n_features
    n = int(ends[-1]) if len(ends) else 0
    place = np.arange(n) + np.repeat(events.feature_start - starts, events.n_features)
    return FeatureEntries(*(column[place] for column in events.features)), starts


@hot_kernel
def _is_there(entries: FeatureEntries, first: int, end: int) -> bool:
    """Whether the name of entry `end` stands among those from `first` on."""
    found = False
    for other in range(first, end):
        found |= entries.name[other] == entries.name[end]
    return found


@hot_kernel
def read_entries(text: UInt8Array, at: int, limit: int, entries: FeatureEntries, first: int) -> int:
    """Write the features of the flat object at `at`, which ends before `limit`, from entry `first` on; there is room
    for MAX_FEATURES. Returns how many there are; NOT_PLAIN: that is for the reference to say (escapes, numbers that
    take rounding, a name twice, too many)."""
    n = first
    at = space_end(text, at + 1, limit)
    while byte_at(text, at) != _CLOSE:
        if byte_at(text, at) != _QUOTE:  # behind a comma
            at = space_end(text, at + 1, limit)
        if n == first + MAX_FEATURES:
            return NOT_PLAIN
        end = string_end(text, at + 1, limit, False)
        if end == NOT_PLAIN:
            return NOT_PLAIN
        entries.name[n] = hash_32(text, at + 1, end - at - 1)
        at = colon_end(text, end + 1, limit)
        if byte_at(text, at) == _QUOTE:
            end = string_end(text, at + 1, limit, False)
            if end == NOT_PLAIN:
                return NOT_PLAIN
            entries.text[n] = hash_32(text, at + 1, end - at - 1)
            entries.value[n] = 0.0
            at = end + 1
        else:
            end = number_end(text, at, limit)
            entries.text[n] = 0
            entries.value[n] = decimal_number(text, at, end)
            if np.isnan(entries.value[n]):
                return NOT_PLAIN
            at = end
        if _is_there(entries, first, n):
            return NOT_PLAIN
        n += 1
        at = space_end(text, at, limit)
    return n - first
