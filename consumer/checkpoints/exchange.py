"""Two directories exchange their names in one step, so that nobody ever finds neither."""

from __future__ import annotations

import ctypes
import os
import uuid
from pathlib import Path
from typing import Final

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def exchange(one: Path, other: Path) -> None:
    """By Linux' renameat2. Where system or file system don't have it, by three renames: between two of them `other` has
    no name, for microseconds. Raises OSError."""
    if not _at_once(one, other):
        aside = one.with_name(f"{one.name}-{uuid.uuid4().hex}")
        other.rename(aside)
        one.rename(other)
        aside.rename(one)


def _at_once(one: Path, other: Path) -> bool:
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    return int(renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)) == 0
