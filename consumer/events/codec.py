"""Bytes to columns: decodes a whole batch at once, plain records by the scanner, all others by the reference."""

from __future__ import annotations

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.errors import MalformedEvent
from consumer.events import feature_entries
from consumer.events.hashing import hash_each, hash_topic
from consumer.events.leftovers import Leftovers
from consumer.events.reference import ReferenceDecoder
from consumer.events.scanner import LEFT_TO_REFERENCE, Columns, Coordinates, empty_columns, rules_of, scan
from consumer.messages import EventBatch, FeatureEntries, Int64Array, Outcome, RecordBatch, UInt8Array
from consumer.settings import Input


class JsonCodec:
    """Decodes records whose values are JSON objects, as the settings describe them.

    What a record becomes depends on its own bytes and coordinates alone, never on its neighbours.
    """

    def __init__(self, settings: Input, *, keeps_features: bool = False) -> None:
        """`keeps_features`: somebody learns from the events' features; else they are only looked at."""
        self._rules = rules_of(settings, keeps_features=keeps_features)
        self._reference = ReferenceDecoder(settings, keeps_features=keeps_features)

    def compile(self) -> None:
        """Compile the kernels, or load them from the cache, so that the first batch isn't slow."""
        nothing = np.zeros(0, dtype=np.int64)
        self.decode(RecordBatch("", ByteColumn.of(()), nothing.astype(np.int32), nothing, nothing, ()))
        hash_each(np.zeros(0, dtype=np.uint8), nothing, nothing, np.zeros((0, 2), dtype=np.uint64))

    def decode(self, batch: RecordBatch) -> EventBatch:
        """The batch as columns; each record has an outcome: ADMITTED, IGNORED_TYPE, TOMBSTONE or a dead letter's.

        The numbers of records that aren't ADMITTED are zero.
        """
        columns = empty_columns(len(batch))
        topic_hash = hash_topic(batch.topic)
        coordinates = Coordinates(np.uint64(topic_hash), batch.partitions, batch.offsets, batch.timestamps_ms)
        columns.outcome[batch.values.is_null != 0] = Outcome.TOMBSTONE
        text = batch.values.text
        features = scan(text, batch.values.bounds, coordinates, self._rules, columns)
        left = np.flatnonzero(columns.outcome == LEFT_TO_REFERENCE)
        if len(left):
            text, features = self._decode_left(batch, left, topic_hash, columns, features)
        return EventBatch(
            topic_hash=topic_hash,
            partitions=batch.partitions,
            offsets=batch.offsets,
            timestamps_ms=batch.timestamps_ms,
            text=text,
            features=features,
            **columns._asdict(),
        )

    def explain(self, batch: RecordBatch, row: int) -> str:
        """Why the record is a dead letter: member, value and complaint, at most 200 characters.

        Empty for a record that isn't one.
        """
        value = batch.values[row]
        if value is None:
            return ""
        try:
            self._reference.decode(value, int(batch.timestamps_ms[row]))
        except MalformedEvent as error:
            return error.detail
        return ""

    def _decode_left(
        self, batch: RecordBatch, rows: Int64Array, topic_hash: int, columns: Columns, features: FeatureEntries
    ) -> tuple[UInt8Array, FeatureEntries]:
        """Decode these rows by the reference; gives the batch's text with their ids behind it, and its features with
        theirs behind them."""
        leftovers = Leftovers(topic_hash)
        for row in rows.tolist():
            value = batch.values[row]
            assert value is not None, "tombstones are never left to the reference"
            try:
                event = self._reference.decode(value, int(batch.timestamps_ms[row]))
            except MalformedEvent as error:
                columns.outcome[row] = error.reason
                continue
            if event.event_type is None:
                columns.outcome[row] = Outcome.IGNORED_TYPE
            else:
                leftovers.add(row, event, int(batch.partitions[row]), int(batch.offsets[row]))
        text = np.concatenate((batch.values.text, np.frombuffer(leftovers.text(), np.uint8)))
        leftovers.write(text, len(batch.values.text), len(features.name), columns)
        return text, feature_entries.joined(features, leftovers.features())
