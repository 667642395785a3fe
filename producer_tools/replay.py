"""A recorded file as a stream of records, in the file's order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from consumer.errors import BadRow
from consumer.recordings.recording import Recording
from producer_tools.errors import ToolError
from producer_tools.records import RecordBlock

_BLOCK_RECORDS = 2_000


class RecordedBlocks:
    """The file's records, once, and from which rows they came."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._n_before = 0  # records before the block given out last
        self._last_before = 0
        self._rows: Sequence[int] = ()

    def __iter__(self) -> Iterator[RecordBlock]:
        """Raises ToolError at a bad row, after the records before it have been handed out."""
        try:
            for rows in self._recording.blocks(_BLOCK_RECORDS):
                self._last_before = self._rows[-1] if self._rows else 0
                self._n_before += len(self._rows)
                keys, values, times_ms, self._rows = zip(*rows, strict=True)
                yield RecordBlock(keys, values, np.array(times_ms, dtype=np.int64))
        except BadRow as error:
            raise ToolError(str(error)) from error

    def next_row(self, n_records: int) -> int:
        """The number of the row behind the one that the n-th record came from; it must be in the block given out last,
        or just before it."""
        place = n_records - self._n_before
        if not 0 <= place <= len(self._rows):
            raise ValueError(f"record {n_records} isn't in the block of {len(self._rows)} from {self._n_before} on")
        return (self._rows[place - 1] if place else self._last_before) + 1
