"""What a replay reads: the partitions of a topic, or files, each from a place on up to an end that was captured before.

A file counts as a partition, its rows' numbers as offsets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from consumer.messages import RecordBatch


class Partitions(Protocol):
    """Partitions that are read apart from each other. Raises Fatal where one cannot be read on."""

    @property
    def numbers(self) -> Sequence[int]:
        """Ascending."""
        ...

    def read(self, partition: int, n: int, timeout_s: float) -> RecordBatch | None:
        """The next records of it, at most n, as `consumer.record_columns.batch_of` makes them; None after the timeout
        or at its end."""
        ...

    def is_at_end(self, partition: int) -> bool:
        """Whether nothing more will come of it."""
        ...

    def close(self) -> None: ...
