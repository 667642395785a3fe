"""A recorded file as a stream of records, in the file's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from producer_tools.errors import UsageError
from producer_tools.records import RecordBlock
from producer_tools.row_files import FileLayout, RowError, RowFile, stem
from producer_tools.row_mapping import CellError, MappedRow, MappingPlan, RowMapper

_BLOCK_RECORDS = 2_000


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """Which rows of which file, and what becomes of them."""

    path: Path
    layout: FileLayout
    mapping: MappingPlan
    start_row: int = 1
    limit: int | None = None  # None: to the end of the file
    skips_bad_rows: bool = False


class Replay:
    """One pass over a file. Raises UsageError if it cannot be opened or the mapping doesn't fit its columns."""

    def __init__(self, plan: ReplayPlan) -> None:
        self._plan = plan
        self.file = RowFile(plan.path, plan.layout)
        try:
            self._mapper = RowMapper(plan.mapping, self.file.columns, stem(plan.path))
        except UsageError:
            self.file.close()
            raise
        self.n_skipped = 0
        """Bad rows passed over so far."""
        self.first_skipped = ""

    def close(self) -> None:
        self.file.close()

    def blocks(self) -> Iterator[RecordBlock]:
        """The records, once. Raises RowError at a bad row, after the records before it have been handed out; rows
        before `start_row` are read but not looked at."""
        rows: list[MappedRow] = []
        try:
            for row in self._mapped():
                rows.append(row)
                if len(rows) == _BLOCK_RECORDS:
                    yield _block(rows)
                    rows = []
        except RowError:
            if rows:
                yield _block(rows)
            raise
        if rows:
            yield _block(rows)

    def _mapped(self) -> Iterator[MappedRow]:
        n_left = self._plan.limit
        for row in self.file.rows():
            if n_left is not None and n_left <= 0:
                return
            number = row.row if isinstance(row, RowError) else row.number
            if number < self._plan.start_row:
                continue
            try:
                if isinstance(row, RowError):
                    raise row
                record = self._mapper.record(number, row.columns)
            except (RowError, CellError) as error:
                self._skip_or_raise(number, error)
                continue
            yield record
            n_left = None if n_left is None else n_left - 1

    def _skip_or_raise(self, number: int, error: RowError | CellError) -> None:
        bad_row = error if isinstance(error, RowError) else RowError(self._plan.path, number, str(error))
        if not self._plan.skips_bad_rows:
            raise bad_row from error
        self.n_skipped += 1
        self.first_skipped = self.first_skipped or str(bad_row)


def _block(rows: list[MappedRow]) -> RecordBlock:
    keys, values, times_ms = zip(*rows, strict=True)
    return RecordBlock(keys, values, np.array(times_ms, dtype=np.int64))
