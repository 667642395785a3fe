"""What the reference decoded of a batch, gathered so that columns are written and ids hashed at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.events.hashing import coordinates_as_bytes, hash_each, hash_text_32
from consumer.events.reference import DecodedEvent
from consumer.events.scanner import Columns
from consumer.messages import FeatureEntries, Outcome, UInt8Array

_ITEM, _USER, _EVENT, _SESSION = range(4)
_N_IDS = 4


class _Row(NamedTuple):
    row: int
    event_type: int
    event_time_ms: int
    value: float
    n_features: int


class Leftovers:
    """Events of one batch that are to be written into its columns."""

    def __init__(self, topic_hash: int) -> None:
        self._topic_hash = topic_hash
        self._rows: list[_Row] = []
        self._ids: list[bytes] = []  # _N_IDS of each row
        self._features: list[tuple[int, int, float]] = []  # name, text, value

    def add(self, row: int, event: DecodedEvent, partition: int, offset: int) -> None:
        """Take up the event of this row, of a type that is listed."""
        assert event.event_type is not None, "an event that is ignored has no columns"
        self._rows.append(_Row(row, event.event_type, event.event_time_ms, event.value, len(event.features)))
        for name, value in event.features:
            text, number = (hash_text_32(value.encode()), 0.0) if isinstance(value, str) else (0, value)
            self._features.append((hash_text_32(name.encode()), text, number))
        event_id = event.event_id
        if event_id is None:
            event_id = coordinates_as_bytes(self._topic_hash, partition, offset)
        self._ids += (event.item_id, event.user_id, event_id, event.session_id or b"")

    def text(self) -> bytes:
        """The bytes of all ids, one behind the other."""
        return b"".join(self._ids)

    def features(self) -> FeatureEntries:
        """The features of all events, one behind the other."""
        columns = np.array(self._features, dtype=np.float64).reshape(-1, 3).T
        return FeatureEntries(columns[0].astype(np.uint32), columns[1].astype(np.uint32), columns[2].copy())

    def write(self, text: UInt8Array, start: int, first_entry: int, columns: Columns) -> None:
        """Fill in the columns of all rows; `text` holds what `text()` gave, from `start` on, and the batch's entries
        what `features()` gave, from `first_entry` on."""
        if not self._rows:
            return
        lengths = np.fromiter(map(len, self._ids), dtype=np.int64, count=len(self._ids))
        begins = start + np.cumsum(lengths) - lengths
        hashes = np.empty((len(lengths), 2), dtype=np.uint64)
        hash_each(text, begins, lengths, hashes)
        rows, event_types, times_ms, values, n_features = (np.array(column) for column in zip(*self._rows, strict=True))
        columns.n_features[rows] = n_features
        columns.feature_start[rows] = first_entry + np.cumsum(n_features) - n_features
        columns.outcome[rows] = Outcome.ADMITTED
        columns.event_type[rows] = event_types
        columns.event_time_ms[rows] = times_ms
        columns.value[rows] = values
        columns.item_start[rows] = begins[_ITEM::_N_IDS]
        columns.item_length[rows] = lengths[_ITEM::_N_IDS]
        columns.item_key[rows] = hashes[_ITEM::_N_IDS]
        columns.user_key[rows] = hashes[_USER::_N_IDS]
        columns.event_key[rows] = hashes[_EVENT::_N_IDS]
        sessions = np.maximum(hashes[_SESSION::_N_IDS, 0], np.uint64(1))
        columns.session_key[rows] = np.where(lengths[_SESSION::_N_IDS] > 0, sessions, np.uint64(0))
