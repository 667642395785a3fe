"""Recorded behaviour as files hold it: CSV or NDJSON, plain or gzip, or Parquet; one row at a time, in their order."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from consumer.errors import BadRequest, BadRow, Named
from consumer.recordings.parquet_rows import ParquetRows
from consumer.recordings.places import LocalFile, Place
from consumer.unreadable_json import UNREADABLE_JSON


class FileFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


_GZIP_MAGIC = b"\x1f\x8b"
_SUFFIXES: dict[str, FileFormat] = {
    ".csv": FileFormat.CSV,
    ".tsv": FileFormat.CSV,
    ".ndjson": FileFormat.NDJSON,
    ".jsonl": FileFormat.NDJSON,
    ".json": FileFormat.NDJSON,
    ".parquet": FileFormat.PARQUET,
}


class Row(NamedTuple):
    number: int  # 1 is the first row after the header; blank lines are not counted
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How to read the file. `columns` empty: the names stand in the first line (CSV) or in each row (NDJSON)."""

    file_format: FileFormat
    columns: tuple[str, ...] = ()
    delimiter: str = ","


def layout_of(
    path: Named, file_format: FileFormat | None = None, columns: tuple[str, ...] = (), delimiter: str | None = None
) -> FileLayout:
    """The layout as given, and by the file's name where nothing is given. Raises BadRequest."""
    suffix = Path(_without_gz(path)).suffix.lower()
    found = file_format or _SUFFIXES.get(suffix)
    if found is None:
        raise BadRequest(f"{path.name}: its name doesn't say what it holds; give --file-format csv, ndjson or parquet")
    if found is not FileFormat.CSV and columns:
        raise BadRequest(f"{path.name}: --no-header and --columns are for CSV; {found.value} rows carry their names")
    separator = delimiter or ("\t" if suffix == ".tsv" else ",")
    if len(separator) != 1:
        raise BadRequest(f"the delimiter must be one character, got {separator!r}")
    _refuse_repeated(columns, "--columns")
    return FileLayout(found, columns, separator)


def stem(path: Named) -> str:
    """The file's name without `.gz` and without the ending before it."""
    return Path(_without_gz(path)).stem


class RowFile:
    """A file open for reading. Raises BadRequest if it cannot be opened or its header makes no sense."""

    def __init__(self, path: Path | Place, layout: FileLayout) -> None:
        self.path: Place = LocalFile(path) if isinstance(path, Path) else path
        self._layout = layout
        self._parquet: ParquetRows | None = None
        try:
            self.size_bytes = self.path.facts().size_bytes
            self._raw: BinaryIO = self.path.open()
        except OSError as error:
            raise BadRequest(f"{path} cannot be read: {error.strerror or error}") from error
        if layout.file_format is FileFormat.PARQUET:
            self._parquet = self._parquet_or_close()
            self.columns = self._parquet.columns
            return
        is_gzip = self._raw.read(2) == _GZIP_MAGIC
        self._raw.seek(0)
        content = gzip.GzipFile(fileobj=self._raw) if is_gzip else self._raw
        self._text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        self.columns = layout.columns
        """The columns' names; empty for NDJSON."""
        if layout.file_format is FileFormat.CSV:
            self._csv = csv.reader(self._text, delimiter=layout.delimiter, strict=True)
            if not self.columns:
                self.columns = self._header_or_close()

    def close(self) -> None:
        if self._parquet is None:
            self._text.close()
        self._raw.close()

    def bytes_read(self) -> int:
        """How far into the file (compressed, if it is) reading has come, out of `size_bytes`."""
        if self._parquet is not None:
            return round(self.size_bytes * self._parquet.share_read())
        return self._raw.tell() if not self._raw.closed else self.size_bytes

    def rows(self) -> Iterator[Row | BadRow]:
        """Every row, once, in order; a row that cannot be split into columns comes as its error. Raises BadRow where
        the file itself is damaged: nothing after that can be read."""
        number = 0
        lines: Iterator[dict[str, Any] | str]
        if self._parquet is not None:
            lines = self._parquet.rows()
        else:
            lines = self._csv_rows() if self._layout.file_format is FileFormat.CSV else self._json_rows()
        try:
            for columns in lines:
                number += 1
                yield BadRow(self.path, number, columns) if isinstance(columns, str) else Row(number, columns)
        except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError) as error:
            raise BadRow(self.path, number + 1, f"the file is damaged from here on: {error}") from error

    def _csv_rows(self) -> Iterator[dict[str, Any] | str]:
        names = self.columns
        for cells in self._csv:
            if len(cells) == len(names):
                yield dict(zip(names, cells, strict=True))
            elif cells:
                yield f"{len(cells)} columns instead of {len(names)} ({', '.join(names)})"

    def _json_rows(self) -> Iterator[dict[str, Any] | str]:
        decoder = msgspec.json.Decoder(dict[str, Any])
        for line in self._text:
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except UNREADABLE_JSON as error:
                yield f"no JSON object ({error}): {_shortened(line)}"

    def _parquet_or_close(self) -> ParquetRows:
        try:
            return ParquetRows(self.path, self._raw)
        except BadRequest:
            self._raw.close()
            raise

    def _header_or_close(self) -> tuple[str, ...]:
        try:
            return self._header()
        except BadRequest:
            self.close()
            raise

    def _header(self) -> tuple[str, ...]:
        try:
            names = tuple(next(self._csv, ()))
        except (OSError, EOFError, zlib.error, csv.Error, UnicodeDecodeError) as error:
            raise BadRequest(f"{self.path}: its header cannot be read: {error}") from error
        if not names:
            raise BadRequest(f"{self.path} is empty: it has no header")
        _refuse_repeated(names, f"the header of {self.path.name}")
        return names


def _without_gz(path: Named) -> str:
    return path.name[:-3] if path.name.lower().endswith(".gz") else path.name


def _refuse_repeated(names: tuple[str, ...], where: str) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BadRequest(f"{where}: each column needs a name of its own, but {', '.join(repeated)} is there twice")


def _shortened(text: str, n: int = 80) -> str:
    text = text.strip()
    return repr(text if len(text) <= n else text[:n] + "…")
