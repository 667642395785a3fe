"""Writes records to a file, one value a line, instead of producing them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from producer_tools.errors import ToolError, UsageError
from producer_tools.records import RecordBlock


def write_ndjson(path: Path, blocks: Iterable[RecordBlock], on_progress: Callable[[int], None]) -> int:
    """Returns the number of lines. A name ending in `.gz` is written compressed, the same bytes for the same records.

    Raises UsageError if the file cannot be opened, ToolError if writing fails or a record is a tombstone.
    """
    n_written = 0
    try:
        with opened(path) as out:
            for block in blocks:
                whole = [value for value in block.values if value is not None]
                if len(whole) < len(block):
                    raise UsageError("a line cannot hold a tombstone: leave --tombstones out, or produce to a topic")
                out.write(b"\n".join(whole) + b"\n")
                n_written += len(whole)
                on_progress(n_written)
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}") from error
    return n_written


def opened(path: Path) -> AbstractContextManager[IO[bytes] | gzip.GzipFile]:
    """For writing; compressed, and always to the same bytes, if the name ends in `.gz`."""
    if path.name.endswith(".gz"):
        return gzip.GzipFile(path, "wb", mtime=0)
    return path.open("wb")
