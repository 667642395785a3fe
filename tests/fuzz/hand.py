"""The case that a fuzzing process has in hand, in memory that outlives it: should it crash or hang, its parent knows
which case did it, and how many inputs went before."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

_HEAD: Final = struct.Struct("<QQQQ")  # cases begun, inputs done, cases found, bytes of the case in hand
SIZE: Final = 64 << 20


class Hand:
    """One process writes, another reads."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            with file.open("wb") as made:
                made.truncate(SIZE)
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), SIZE)

    def take(self, case: bytes) -> None:
        n_cases, n_inputs, n_found, _ = self._head()
        self._memory[_HEAD.size : _HEAD.size + len(case)] = case
        self._memory[: _HEAD.size] = _HEAD.pack(n_cases + 1, n_inputs, n_found, len(case))

    def done(self, n_inputs: int, *, is_found: bool = False) -> None:
        n_cases, before, n_found, size = self._head()
        self._memory[: _HEAD.size] = _HEAD.pack(n_cases, before + n_inputs, n_found + is_found, size)

    @property
    def n_cases(self) -> int:
        return self._head()[0]

    @property
    def n_inputs(self) -> int:
        return self._head()[1]

    @property
    def n_found(self) -> int:
        return self._head()[2]

    @property
    def case(self) -> bytes:
        size = self._head()[3]
        return self._memory[_HEAD.size : _HEAD.size + size]

    def _head(self) -> tuple[int, int, int, int]:
        head: tuple[int, int, int, int] = _HEAD.unpack(self._memory[: _HEAD.size])
        return head
