"""What generators and replays hand to the producer: blocks of records, columns rather than lists of objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
Int8Array = NDArray[np.int8]
Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Consecutive records in the order in which they are to be sent; entry i of each column is record i."""

    keys: Sequence[bytes]
    values: Sequence[bytes | None]  # None: a tombstone
    times_ms: Int64Array  # (n,) when each event truly happened; a planted wrong event time is in the value only

    def __len__(self) -> int:
        return len(self.values)
