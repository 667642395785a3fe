"""Arrays that share a row axis: the unit in which state is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from consumer.messages import UInt8Array

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows from `n_rows` on are in their initial state; `dirty` marks rows changed since they were last copied."""

    arrays: Mapping[str, Array]
    dirty: UInt8Array
    n_rows: int
