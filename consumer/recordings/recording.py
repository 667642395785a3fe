"""A recorded file as a stream of mapped rows, in the file's order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumer.errors import BadRequest, BadRow
from consumer.recordings.places import Place
from consumer.recordings.row_files import FileLayout, RowFile, stem
from consumer.recordings.row_mapping import CellError, MappedRow, MappingPlan, RowMapper


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """Which rows of which file, and what becomes of them."""

    path: Path | Place
    layout: FileLayout
    mapping: MappingPlan
    start_row: int = 1
    limit: int | None = None  # None: to the end of the file
    skips_bad_rows: bool = False


class Recording:
    """One pass over a file. Raises BadRequest if it cannot be opened or the mapping doesn't fit its columns."""

    def __init__(self, plan: RecordingPlan) -> None:
        self._plan = plan
        self.file = RowFile(plan.path, plan.layout)
        try:
            self._mapper = RowMapper(plan.mapping, self.file.columns, stem(plan.path))
        except BadRequest:
            self.file.close()
            raise
        self.n_skipped = 0
        """Bad rows passed over so far."""
        self.first_skipped = ""

    def close(self) -> None:
        self.file.close()

    def mapped(self, number: int, columns: Mapping[str, Any]) -> MappedRow:
        """One row of it. Raises CellError."""
        return self._mapper.record(number, columns)

    def rows(self) -> Iterator[MappedRow]:
        """The rows, once. Raises BadRow at a bad one; see `blocks`."""
        return self._mapped()

    def blocks(self, size: int) -> Iterator[list[MappedRow]]:
        """The rows, once, so many at a time. Raises BadRow at a bad one, after those before it have been handed out;
        rows before `start_row` are read but not looked at."""
        rows: list[MappedRow] = []
        try:
            for row in self._mapped():
                rows.append(row)
                if len(rows) == size:
                    yield rows
                    rows = []
        except BadRow:
            if rows:
                yield rows
            raise
        if rows:
            yield rows

    def _mapped(self) -> Iterator[MappedRow]:
        n_left = self._plan.limit
        for row in self.file.rows():
            if n_left is not None and n_left <= 0:
                return
            number = row.row if isinstance(row, BadRow) else row.number
            if number < self._plan.start_row:
                continue
            try:
                if isinstance(row, BadRow):
                    raise row
                record = self._mapper.record(number, row.columns)
            except (BadRow, CellError) as error:
                self._skip_or_raise(number, error)
                continue
            yield record
            n_left = None if n_left is None else n_left - 1

    def _skip_or_raise(self, number: int, error: BadRow | CellError) -> None:
        bad_row = error if isinstance(error, BadRow) else BadRow(self._plan.path, number, str(error))
        if not self._plan.skips_bad_rows:
            raise bad_row from error
        self.n_skipped += 1
        self.first_skipped = self.first_skipped or str(bad_row)
