"""What generators and replays hand to the producer: blocks of records, columns rather than lists of objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
Int8Array = NDArray[np.int8]
Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]

NULL: Final = -1
"""Length of a string that is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Strings(Sequence[bytes | None]):
    """n byte strings in one piece of memory; they may lie there in any order, and share bytes."""

    text: UInt8Array
    starts: Int64Array  # (n,)
    lengths: Int64Array  # (n,) bytes, or NULL

    @classmethod
    def of(cls, strings: Iterable[bytes | None]) -> Strings:
        given = list(strings)
        lengths = np.fromiter((NULL if s is None else len(s) for s in given), np.int64, len(given))
        ends = np.cumsum(np.maximum(lengths, 0))
        text = np.frombuffer(b"".join(s or b"" for s in given), np.uint8)
        return cls(text, ends - np.maximum(lengths, 0), lengths)

    def with_values(self, places: Sequence[int], values: Sequence[bytes]) -> Strings:
        """The same, but for other values at these places."""
        if not places:
            return self
        added = Strings.of(values)
        starts, lengths = self.starts.copy(), self.lengths.copy()
        starts[places], lengths[places] = added.starts + len(self.text), added.lengths
        return Strings(np.concatenate([self.text, added.text]), starts, lengths)

    def without(self, places: Int64Array) -> Strings:
        """The same, but null at these places."""
        lengths = self.lengths.copy()
        lengths[places] = NULL
        return Strings(self.text, self.starts, lengths)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[bytes | None]:
        text = self.text.tobytes()
        for start, length in zip(self.starts.tolist(), self.lengths.tolist(), strict=True):
            yield None if length == NULL else text[start : start + length]

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes | None]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes | None] | None:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start, length = int(self.starts[index]), int(self.lengths[index])
        return None if length == NULL else self.text[start : start + length].tobytes()


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Consecutive records in the order in which they are to be sent; entry i of each column is record i."""

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]  # None: a tombstone
    times_ms: Int64Array  # (n,) when each event truly happened; a planted wrong event time is in the value only

    def __len__(self) -> int:
        return len(self.values)

    def in_columns(self) -> RecordBlock:
        """The same, with keys and values as `Strings`."""
        return RecordBlock(_strings(self.keys), _strings(self.values), self.times_ms)


def _strings(given: Sequence[bytes | None]) -> Strings:
    return given if isinstance(given, Strings) else Strings.of(given)
