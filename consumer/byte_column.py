"""A column of byte strings: all of them in one piece of memory, as kernels read them, any of them null."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

PADDING: Final = 16
"""Bytes behind the last string that may be read, though they mean nothing: kernels load eight at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class ByteColumn(Sequence[bytes | None]):
    """n byte strings; string i is text[bounds[i]:bounds[i + 1]], unless it is null (then it takes no place)."""

    text: NDArray[np.uint8]  # (bounds[n] + PADDING,), writable
    bounds: NDArray[np.int64]  # (n + 1,), from 0, ascending
    is_null: NDArray[np.uint8]  # (n,)

    @classmethod
    def of(cls, strings: Iterable[bytes | None]) -> ByteColumn:
        given = list(strings)
        present = [string or b"" for string in given]
        bounds = np.zeros(len(given) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, present), np.int64, len(given)), out=bounds[1:])
        text = bytearray().join([*present, bytes(PADDING)])
        is_null = np.fromiter((string is None for string in given), np.uint8, len(given))
        return cls(np.frombuffer(text, np.uint8), bounds, is_null)

    @classmethod
    def joined(cls, columns: Sequence[ByteColumn]) -> ByteColumn:
        """Several columns, one behind the other."""
        if len(columns) == 1:
            return columns[0]
        ends = np.cumsum([0, *(column.n_bytes for column in columns)])
        return cls(
            np.concatenate([*(column.text[: column.n_bytes] for column in columns), np.zeros(PADDING, np.uint8)]),
            np.concatenate([[0], *(c.bounds[1:] + end for c, end in zip(columns, ends[:-1], strict=True))]),
            np.concatenate([column.is_null for column in columns]),
        )

    @property
    def n_bytes(self) -> int:
        """Of all strings together, without the padding."""
        return int(self.bounds[-1])

    def __len__(self) -> int:
        return len(self.is_null)

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes | None]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes | None] | None:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        if self.is_null[row]:
            return None
        return self.text[self.bounds[row] : self.bounds[row + 1]].tobytes()
