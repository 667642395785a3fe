"""Rows of a Parquet file, a few thousand in memory at a time. Needs pyarrow (`pip install 'freshrank[parquet]'`)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, BinaryIO

from consumer.errors import BadRequest
from consumer.recordings.places import Place

PIECE_ROWS = 8_192


class ParquetRows:
    """Raises BadRequest where it is no Parquet file."""

    def __init__(self, place: Place, file: BinaryIO) -> None:
        try:
            parquet: Any = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise BadRequest(f"{place}: reading Parquet needs pyarrow: pip install 'freshrank[parquet]'") from error
        try:
            self._file = parquet.ParquetFile(file)
        except (OSError, ValueError) as error:  # pyarrow's own errors are among these
            raise BadRequest(f"{place} cannot be read as Parquet: {error}") from error
        self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
        self._n_rows = int(self._file.metadata.num_rows)
        self._n_read = 0

    def share_read(self) -> float:
        return self._n_read / self._n_rows if self._n_rows else 1.0

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each once, with times as RFC 3339. Raises OSError where the file is damaged."""
        try:
            for piece in self._file.iter_batches(batch_size=PIECE_ROWS):
                for row in piece.to_pylist():
                    self._n_read += 1
                    yield {name: _as_files_write_it(cell) for name, cell in row.items()}
        except ValueError as error:
            raise OSError(str(error)) from error


def _as_files_write_it(cell: Any) -> Any:
    """Times as text: without a zone they are taken as UTC, as Parquet means it where it says so."""
    if isinstance(cell, datetime):
        return (cell if cell.tzinfo is not None else cell.replace(tzinfo=UTC)).isoformat()
    return cell.isoformat() if isinstance(cell, date) else cell
