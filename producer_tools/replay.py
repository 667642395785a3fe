"""A recorded file as a stream of records, in the file's order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from consumer.errors import BadRow
from consumer.recordings.recording import Recording
from producer_tools.errors import ToolError
from producer_tools.records import RecordBlock

_BLOCK_RECORDS = 2_000


def record_blocks(recording: Recording) -> Iterator[RecordBlock]:
    """The file's records, once. Raises ToolError at a bad row, after the records before it have been handed out."""
    try:
        for rows in recording.blocks(_BLOCK_RECORDS):
            keys, values, times_ms, _ = zip(*rows, strict=True)
            yield RecordBlock(keys, values, np.array(times_ms, dtype=np.int64))
    except BadRow as error:
        raise ToolError(str(error)) from error
