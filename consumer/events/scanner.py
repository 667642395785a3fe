"""The fast path: decodes the plain records of a batch in one compiled pass and leaves all others to the reference.

It has one property: what it accepts, the reference decodes to the same columns. It never decides that a record is bad.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.events import feature_entries
from consumer.events.feature_entries import read_entries
from consumer.events.fields import FARTHEST_MS, MAX_FEATURES, Field, event_type_index, field_names, max_future_ms
from consumer.events.hashing import hash_128, hash_coordinates
from consumer.events.json_text import NOT_PLAIN
from consumer.events.members import (
    ABSENT,
    FLAT_OBJECT,
    N_GUESSED,
    NUMBER,
    STRING,
    UNKNOWN,
    Members,
    Names,
    find_members,
    index_of_name,
    names_table,
    no_members,
)
from consumer.events.plain_values import NO_TIME, decimal_number, epoch_ms, is_plain_integer, rfc3339_ms
from consumer.kernels import hot_kernel
from consumer.messages import (
    FeatureEntries,
    Float64Array,
    Int16Array,
    Int32Array,
    Int64Array,
    Outcome,
    UInt8Array,
    UInt64Array,
)
from consumer.settings import Input

LEFT_TO_REFERENCE = 255
"""In the outcome column: this record is for the reference to decode."""

_TIME_FORMATS = ("rfc3339", "epoch_seconds", "epoch_milliseconds")
_RFC3339 = _TIME_FORMATS.index("rfc3339")
_EPOCH_SECONDS = _TIME_FORMATS.index("epoch_seconds")

_EVENT_ID = int(Field.EVENT_ID)
_USER_ID = int(Field.USER_ID)
_ITEM_ID = int(Field.ITEM_ID)
_EVENT_TYPE = int(Field.EVENT_TYPE)
_EVENT_TIME = int(Field.EVENT_TIME)
_SESSION_ID = int(Field.SESSION_ID)
_VALUE = int(Field.VALUE)
_FEATURES = int(Field.FEATURES)

_ADMITTED = int(Outcome.ADMITTED)
_TOMBSTONE = int(Outcome.TOMBSTONE)
_IGNORED_TYPE = int(Outcome.IGNORED_TYPE)
_NOT_LISTED = -1
_ID_FIELDS = (_EVENT_ID, _USER_ID, _ITEM_ID, _SESSION_ID)


class Rules(NamedTuple):
    """The settings, in the form kernels take."""

    fields: Names
    event_types: Names
    default_event_type: int  # _NOT_LISTED: none
    time_format: int
    may_lack_time: bool
    max_id_bytes: int
    earliest_ms: int
    max_future_ms: int
    keeps_features: bool


class Coordinates(NamedTuple):
    """Where each record of the batch came from."""

    topic_hash: np.uint64
    partitions: Int32Array  # (n,)
    offsets: Int64Array  # (n,)
    timestamps_ms: Int64Array  # (n,)


class Columns(NamedTuple):
    """What is decoded; see `EventBatch`. All zero where `outcome` isn't ADMITTED."""

    outcome: UInt8Array
    item_start: Int64Array
    item_length: Int32Array
    item_key: UInt64Array
    user_key: UInt64Array
    event_key: UInt64Array
    session_key: UInt64Array
    event_type: Int16Array
    event_time_ms: Int64Array
    value: Float64Array
    feature_start: Int64Array
    n_features: Int32Array


def rules_of(settings: Input, *, keeps_features: bool = False) -> Rules:
    """The rules of these settings."""
    types = event_type_index(settings)
    default = settings.default_event_type
    return Rules(
        fields=names_table(field_names(settings)),
        event_types=names_table(list(types)),
        default_event_type=_NOT_LISTED if default is None else types[default],
        time_format=_TIME_FORMATS.index(settings.time_format),
        may_lack_time=settings.missing_event_time == "record_timestamp",
        max_id_bytes=settings.max_id_bytes,
        earliest_ms=max(-FARTHEST_MS, min(settings.earliest_event_time_ms, FARTHEST_MS)),
        max_future_ms=max_future_ms(settings),
        keeps_features=keeps_features,
    )


def empty_columns(n: int) -> Columns:
    """Columns of n records, all zero."""
    return Columns(
        outcome=np.zeros(n, dtype=np.uint8),
        item_start=np.zeros(n, dtype=np.int64),
        item_length=np.zeros(n, dtype=np.int32),
        item_key=np.zeros((n, 2), dtype=np.uint64),
        user_key=np.zeros((n, 2), dtype=np.uint64),
        event_key=np.zeros((n, 2), dtype=np.uint64),
        session_key=np.zeros(n, dtype=np.uint64),
        event_type=np.zeros(n, dtype=np.int16),
        event_time_ms=np.zeros(n, dtype=np.int64),
        value=np.zeros(n, dtype=np.float64),
        feature_start=np.zeros(n, dtype=np.int64),
        n_features=np.zeros(n, dtype=np.int32),
    )


def scan(
    text: UInt8Array, bounds: Int64Array, coordinates: Coordinates, rules: Rules, columns: Columns
) -> FeatureEntries:
    """Decode records into `columns` (their `outcome` TOMBSTONE where there is nothing to decode).

    Record i is `text[bounds[i]:bounds[i + 1]]`; `text` ends with PADDING. Every record that isn't plain gets the
    outcome LEFT_TO_REFERENCE and zeros. Gives the entries to which the columns point, where the rules keep features.
    Releases the GIL.
    """
    guesses = np.full(N_GUESSED, UNKNOWN, dtype=np.int64)
    n_rows, row = len(columns.outcome), 0
    n_entries = np.zeros(1, dtype=np.int64)
    entries = feature_entries.allocate(MAX_FEATURES + 2 * n_rows if rules.keeps_features else 0)
    while True:
        row = _scan(text, bounds, coordinates, rules, columns, guesses, no_members(), entries, n_entries, row)
        if row == n_rows:
            return feature_entries.first_entries(entries, int(n_entries[0]))
        entries = feature_entries.joined(entries, feature_entries.allocate(len(entries.name)))


@hot_kernel
def _scan(
    text: UInt8Array,
    bounds: Int64Array,
    coordinates: Coordinates,
    rules: Rules,
    columns: Columns,
    guesses: Int64Array,
    members: Members,
    entries: FeatureEntries,
    n_entries: Int64Array,
    first: int,
) -> int:
    """Decode from record `first` on; returns the record before which it stopped for want of room."""
    for row in range(first, len(columns.outcome)):
        if rules.keeps_features and n_entries[0] + MAX_FEATURES > len(entries.name):
            return row
        if columns.outcome[row] == _TOMBSTONE:
            continue
        columns.outcome[row] = LEFT_TO_REFERENCE
        if find_members(text, bounds[row], bounds[row + 1], rules.fields, guesses, members):
            columns.outcome[row] = _decoded(
                text, bounds[row + 1], row, coordinates, rules, members, columns, entries, n_entries
            )
    return len(columns.outcome)


@hot_kernel
def _is_plain_id(text: UInt8Array, members: Members, field: int, max_id_bytes: int) -> bool:
    """Whether the bytes of the member are, as they lie there, the text of a valid id."""
    begin, end = members.begins[field], members.ends[field]
    if not 1 <= end - begin <= max_id_bytes:
        return False
    kind = members.kinds[field]
    return kind == STRING or (kind == NUMBER and is_plain_integer(text, begin, end))


@hot_kernel
def _has_plain_ids(text: UInt8Array, members: Members, max_id_bytes: int) -> bool:
    for field in _ID_FIELDS:
        is_required = field in (_USER_ID, _ITEM_ID)
        if members.kinds[field] == ABSENT:
            if is_required:
                return False
        elif not _is_plain_id(text, members, field, max_id_bytes):
            return False
    return True


@hot_kernel
def _time_ms(text: UInt8Array, members: Members, rules: Rules, timestamp_ms: int) -> int:
    """The event's time, if it is plain and allowed; else NO_TIME."""
    if not -FARTHEST_MS < timestamp_ms < FARTHEST_MS:
        return NO_TIME
    kind, begin, end = members.kinds[_EVENT_TIME], members.begins[_EVENT_TIME], members.ends[_EVENT_TIME]
    time_ms = NO_TIME
    if kind == ABSENT:
        if rules.may_lack_time:
            time_ms = timestamp_ms
    elif rules.time_format == _RFC3339:
        if kind == STRING:
            time_ms = rfc3339_ms(text, begin, end)
    elif kind == NUMBER:
        time_ms = epoch_ms(text, begin, end, rules.time_format == _EPOCH_SECONDS)
    if time_ms < rules.earliest_ms or time_ms > timestamp_ms + rules.max_future_ms:
        return NO_TIME
    return time_ms


@hot_kernel
def _decoded(
    text: UInt8Array,
    limit: int,
    row: int,
    coordinates: Coordinates,
    rules: Rules,
    members: Members,
    columns: Columns,
    entries: FeatureEntries,
    n_entries: Int64Array,
) -> int:
    """The record's outcome; if it is ADMITTED, its columns are written."""
    kinds = members.kinds
    if not _has_plain_ids(text, members, rules.max_id_bytes):
        return LEFT_TO_REFERENCE
    event_type = rules.default_event_type
    if kinds[_EVENT_TYPE] == STRING:
        event_type = index_of_name(text, members.begins[_EVENT_TYPE], limit, rules.event_types)
    elif kinds[_EVENT_TYPE] != ABSENT or event_type == _NOT_LISTED:
        return LEFT_TO_REFERENCE
    time_ms = _time_ms(text, members, rules, coordinates.timestamps_ms[row])
    if time_ms == NO_TIME:
        return LEFT_TO_REFERENCE
    value = np.nan
    if kinds[_VALUE] == NUMBER:
        value = decimal_number(text, members.begins[_VALUE], members.ends[_VALUE])
    if (np.isnan(value) and kinds[_VALUE] != ABSENT) or kinds[_FEATURES] == STRING or kinds[_FEATURES] == NUMBER:
        return LEFT_TO_REFERENCE
    n_features = 0
    if rules.keeps_features and kinds[_FEATURES] == FLAT_OBJECT:
        n_features = read_entries(text, members.begins[_FEATURES], members.ends[_FEATURES], entries, n_entries[0])
        if n_features == NOT_PLAIN:
            return LEFT_TO_REFERENCE
    if event_type == UNKNOWN:
        return _IGNORED_TYPE
    columns.feature_start[row] = n_entries[0]
    columns.n_features[row] = n_features
    n_entries[0] += n_features
    columns.event_type[row] = event_type
    columns.event_time_ms[row] = time_ms
    columns.value[row] = value
    _write_ids(text, row, coordinates, members, columns)
    return _ADMITTED


@hot_kernel
def _write_ids(text: UInt8Array, row: int, coordinates: Coordinates, members: Members, columns: Columns) -> None:
    columns.item_start[row] = members.begins[_ITEM_ID]
    columns.item_length[row] = members.ends[_ITEM_ID] - members.begins[_ITEM_ID]
    for field in _ID_FIELDS:
        if members.kinds[field] != ABSENT:
            first, second = hash_128(text, members.begins[field], members.ends[field] - members.begins[field])
        elif field == _EVENT_ID:
            first, second = hash_coordinates(
                coordinates.topic_hash, coordinates.partitions[row], coordinates.offsets[row]
            )
        else:
            continue
        if field == _SESSION_ID:
            columns.session_key[row] = max(first, np.uint64(1))
        else:
            keys = columns.event_key
            if field == _USER_ID:
                keys = columns.user_key
            elif field == _ITEM_ID:
                keys = columns.item_key
            keys[row, 0] = first
            keys[row, 1] = second
