"""Recorded files as the input of a replay: `consumer.replay.partitions.Partitions`. A file counts as a partition; the
number of rows before a row is its offset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec
import numpy as np

from consumer import record_columns
from consumer.byte_column import ByteColumn
from consumer.errors import BadRequest, BadRow
from consumer.messages import RecordBatch
from consumer.recordings.places import Place, facts_of
from consumer.recordings.recording import Recording, RecordingPlan
from consumer.recordings.row_files import FileLayout
from consumer.recordings.row_mapping import CellError, MappedRow, MappingPlan
from consumer.replay.ranges import FoundRange, Peek

FILES_TOPIC: Final = "recorded-files"
"""Stands for the input topic in the checkpoints: their positions are none in the live one."""


@dataclass(frozen=True, slots=True)
class FileInput:
    """Which files, and what their rows mean. Rows outside of `from_ms` … `to_ms` in event time are passed over."""

    places: Sequence[Place]
    layouts: Sequence[FileLayout]
    mapping: MappingPlan
    skips_bad_rows: bool = False
    from_ms: int | None = None
    to_ms: int | None = None

    def recording(self, n: int, start_row: int = 1) -> Recording:
        """Opens file n."""
        place, layout = self.places[n], self.layouts[n]
        return Recording(
            RecordingPlan(place, layout, self.mapping, start_row=start_row, skips_bad_rows=self.skips_bad_rows)
        )


class FileMark(msgspec.Struct, frozen=True):
    """A file as it was when the replay began."""

    place: str
    size_bytes: int
    modified: str
    n_rows: int
    has_event_ids: bool
    """Whether every row brings an id of its own."""


@dataclass(frozen=True, slots=True)
class Survey:
    mark: FileMark
    found: FoundRange


def survey(files: FileInput) -> list[Survey]:
    """Reads each file once, without learning anything. Raises BadRequest for one without rows, BadRow for a bad one."""
    return [_surveyed(files, n) for n in range(len(files.places))]


def _surveyed(files: FileInput, n: int) -> Survey:
    place = files.places[n]
    facts = facts_of(place)
    id_column = files.mapping.columns.get("event_id", "event_id")
    n_rows, has_ids = 0, True
    first: MappedRow | None = None
    last: MappedRow | None = None
    with closing(files.recording(n)) as recording:
        for row in recording.file.rows():
            n_rows += 1
            if isinstance(row, BadRow):
                if not files.skips_bad_rows:
                    raise row
                continue
            has_ids = has_ids and row.columns.get(id_column) not in ("", None)
            if first is None:
                first = _mapped(recording, row.number, row.columns, files, place)
            newest = row
        if first is not None:
            last = _mapped(recording, newest.number, newest.columns, files, place)
    if first is None or last is None:
        raise BadRequest(f"{place} holds no row: there is nothing to replay")
    mark = FileMark(str(place), facts.size_bytes, facts.modified, n_rows, has_ids)
    peeks = (Peek(first.number - 1, first.time_ms), Peek(last.number - 1, last.time_ms))
    return Survey(mark, FoundRange(n, (0, n_rows), (0, n_rows), 0, n_rows, *peeks, peeks[1]))


def _mapped(
    recording: Recording, number: int, columns: Mapping[str, object], files: FileInput, place: Place
) -> MappedRow | None:
    try:
        return recording.mapped(number, columns)
    except CellError as error:
        if files.skips_bad_rows:
            return None
        raise BadRow(place, number, str(error)) from error


def require_unchanged(marks: Sequence[FileMark], files: FileInput) -> None:
    """Raises BadRequest where a file is no longer the one that the replay began with."""
    for mark, place in zip(marks, files.places, strict=True):
        facts = facts_of(place)
        if (mark.size_bytes, mark.modified) != (facts.size_bytes, facts.modified):
            raise BadRequest(
                f"{place} has changed since the replay began ({mark.size_bytes:,} bytes then, {facts.size_bytes:,} "
                "now); --restart begins anew"
            )


class FilePartitions:
    """`ranges`: file → rows passed over already, and how many it has."""

    def __init__(self, files: FileInput, ranges: Mapping[int, tuple[int, int]]) -> None:
        self._files = files
        self._ranges = ranges
        self._open: dict[int, tuple[Recording, Iterator[MappedRow]]] = {}
        for n, (position, end) in ranges.items():
            if position < end:
                recording = files.recording(n, position + 1)
                self._open[n] = (recording, recording.rows())

    @property
    def numbers(self) -> Sequence[int]:
        return sorted(self._ranges)

    def read(self, partition: int, n: int, timeout_s: float) -> RecordBatch | None:
        """Never waits. Raises BadRow."""
        if partition not in self._open:
            return None
        rows = list(islice(self._open[partition][1], n))
        if len(rows) < n:
            self._open.pop(partition)[0].close()
        rows = [row for row in rows if self._is_inside(row)]
        return _records(partition, rows) if rows else None

    def is_at_end(self, partition: int) -> bool:
        return partition not in self._open

    def close(self) -> None:
        for recording, _ in self._open.values():
            recording.close()

    def _is_inside(self, row: MappedRow) -> bool:
        files = self._files
        return (files.from_ms is None or row.time_ms >= files.from_ms) and (
            files.to_ms is None or row.time_ms < files.to_ms
        )


def _records(partition: int, rows: Sequence[MappedRow]) -> RecordBatch:
    """With the rows' event times as the records' timestamps."""
    n = len(rows)
    return record_columns.batch_of(
        FILES_TOPIC,
        np.full(n, partition, np.int32),
        np.array([row.number - 1 for row in rows], np.int64),
        np.array([row.time_ms for row in rows], np.int64),
        ByteColumn.of(row.value for row in rows),
        ByteColumn.of(row.key for row in rows),
        ByteColumn.of(None for _ in rows),
    )
