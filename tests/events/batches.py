"""Batches for the tests of this room, and what the reference alone makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.errors import MalformedEvent
from consumer.events.hashing import coordinates_as_bytes, hash_text, hash_text_32, hash_topic
from consumer.events.reference import DecodedEvent, ReferenceDecoder
from consumer.events.scanner import Coordinates, empty_columns, rules_of, scan
from consumer.messages import EventBatch, Outcome, RecordBatch
from consumer.settings import Input

TOPIC = "behaviour-events"
NOW_MS = 1_795_429_000_000
"""Timestamp of every record here, 2026-11-23T10:16:40Z."""

Row = tuple[object, ...]


def event_json(**changes: object) -> bytes:
    """A record as any producer would write it; a change to `...` leaves the member out."""
    members: dict[str, object] = {
        "event_id": "e-1",
        "user_id": "u-1",
        "item_id": "i-1",
        "event_type": "view",
        "event_time": "2026-11-23T08:15:00.123Z",
        "session_id": "s-1",
        "value": 12.5,
        **changes,
    }
    kept = {name: value for name, value in members.items() if value is not ...}
    return json.dumps(kept, ensure_ascii=False).encode()


def batch_of(values: Sequence[bytes | None], timestamp_ms: int = NOW_MS, first_offset: int = 0) -> RecordBatch:
    """Records with these values, at consecutive offsets of one partition."""
    n = len(values)
    return RecordBatch(
        topic=TOPIC,
        values=ByteColumn.of(values),
        partitions=np.full(n, 3, dtype=np.int32),
        offsets=np.arange(first_offset, first_offset + n, dtype=np.int64),
        timestamps_ms=np.full(n, timestamp_ms, dtype=np.int64),
        originals=(),
    )


def rows_of(events: EventBatch) -> list[Row]:
    """Each record of a decoded batch as bytes and numbers that can be compared; a dead letter is its outcome only."""
    rows: list[Row] = []
    for i in range(len(events)):
        if events.outcome[i] != Outcome.ADMITTED:
            rows.append((Outcome(int(events.outcome[i])),))
            continue
        start, length = int(events.item_start[i]), int(events.item_length[i])
        rows.append(
            (
                Outcome.ADMITTED,
                events.text[start : start + length].tobytes(),
                *(tuple(keys[i].tolist()) for keys in (events.item_key, events.user_key, events.event_key)),
                int(events.session_key[i]),
                int(events.event_type[i]),
                int(events.event_time_ms[i]),
                events.value[i].tobytes(),
                features_of(events, i),
            )
        )
    return rows


def features_of(events: EventBatch, i: int) -> list[tuple[int, int, bytes]]:
    """Name, text and the bytes of the value of each feature of a record."""
    start = int(events.feature_start[i])
    names, texts, values = (column[start : start + int(events.n_features[i])] for column in events.features)
    return [(int(n), int(t), v.tobytes()) for n, t, v in zip(names, texts, values, strict=True)]


def scanner_outcomes(settings: Input, batch: RecordBatch, *, keeps_features: bool = False) -> list[int]:
    """What the scanner alone says of each record, none of which is a tombstone."""
    columns = empty_columns(len(batch))
    coordinates = Coordinates(np.uint64(1), batch.partitions, batch.offsets, batch.timestamps_ms)
    scan(
        batch.values.text, batch.values.bounds, coordinates, rules_of(settings, keeps_features=keeps_features), columns
    )
    outcomes: list[int] = columns.outcome.tolist()
    return outcomes


def reference_row(
    settings: Input,
    value: bytes | None,
    timestamp_ms: int = NOW_MS,
    offset: int = 0,
    *,
    keeps_features: bool = False,
) -> Row:
    """What the reference makes of one record, in the form of `rows_of`."""
    if value is None:
        return (Outcome.TOMBSTONE,)
    try:
        event = ReferenceDecoder(settings, keeps_features=keeps_features).decode(value, timestamp_ms)
    except MalformedEvent as error:
        return (Outcome(error.reason),)
    return row_of(event, offset)


def row_of(event: DecodedEvent, offset: int) -> Row:
    """An event in the form of `rows_of`."""
    if event.event_type is None:
        return (Outcome.IGNORED_TYPE,)
    event_id = event.event_id or coordinates_as_bytes(hash_topic(TOPIC), 3, offset)
    return (
        Outcome.ADMITTED,
        event.item_id,
        hash_text(event.item_id),
        hash_text(event.user_id),
        hash_text(event_id),
        0 if event.session_id is None else max(hash_text(event.session_id)[0], 1),
        event.event_type,
        event.event_time_ms,
        np.float64(event.value).tobytes(),
        [
            (
                hash_text_32(name.encode()),
                hash_text_32(found.encode()) if isinstance(found, str) else 0,
                np.float64(0.0 if isinstance(found, str) else found).tobytes(),
            )
            for name, found in event.features
        ],
    )
