"""The world outside as one worker sees it: an adapter for each port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consumer.checkpoints.writer import Writer
from consumer.clock import Clock
from consumer.messages import DeadLetter, EventBatch, OutputRecord, RecordBatch, StoredRecord
from consumer.ports import CheckpointStore, EventInput, OutputLog, Telemetry, TransactionalOutput
from consumer.read_ahead import Reader
from consumer.status.board import Board


@dataclass(frozen=True, slots=True)
class Adapters:
    """`new_writer` and `new_reader` start what works beside the loop for one term; the term closes them."""

    clock: Clock
    source: EventInput
    output: TransactionalOutput
    log: OutputLog
    store: CheckpointStore
    telemetry: Telemetry
    board: Board
    new_writer: Callable[[], Writer]
    new_reader: Callable[[Callable[[RecordBatch], EventBatch]], Reader]
    letter: Callable[[DeadLetter], OutputRecord]
    """Makes the record for the dead-letter topic."""
    letter_coordinates: Callable[[StoredRecord], tuple[str, int, int] | None]
    """Reads from such a record the topic, partition and offset where it lay."""
