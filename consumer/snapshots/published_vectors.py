"""What readers hold of `item-vectors`: of each item row the vector as it was published, and of which encoder.

Where the network is off it holds nothing. Its checksum is one of its own, so that readers of the other row topics
need not read this one to prove what they hold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from consumer.messages import Int64Array, UInt64Array
from consumer.snapshots.formats import MODULUS
from consumer.snapshots.vector_format import Float16Array

NEVER = -1


class PublishedVectors:
    """Row-aligned with the items of a `ModelState`."""

    def __init__(self, capacity: int, dimensions: int) -> None:
        self._dimensions = dimensions
        self._allocate(capacity)
        self.checksum = 0
        self.encoder_hash = 0
        self.encoder_steps = NEVER
        """Optimiser steps of the encoder that readers hold."""
        self.encoder_version = 0
        """In which it went out; 0: not since this process began."""

    def _allocate(self, capacity: int) -> None:
        n = capacity if self._dimensions else 0
        self.vector: Float16Array = np.zeros((n, self._dimensions), np.float16)
        self.hash: UInt64Array = np.zeros(n, np.uint64)  # 0: no row
        self.waits_since: Int64Array = np.zeros(n, np.int64)  # version; 0: doesn't wait

    @property
    def is_kept(self) -> bool:
        return self._dimensions > 0

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """For checkpoints; none where the network is off."""
        if not self.is_kept:
            return {}
        return {"vector": self.vector, "vector_hash": self.hash, "vector_waits_since": self.waits_since}

    def small(self) -> dict[str, NDArray[np.generic]]:
        return {"sums": np.array([self.checksum, self.encoder_hash], np.uint64)} if self.is_kept else {}

    def restore_small(self, sums: NDArray[np.generic]) -> None:
        """Readers may hold a later encoder than this; it goes out anew."""
        self.checksum, self.encoder_hash = (int(total) for total in sums.astype(np.uint64))

    def fit(self, capacity: int) -> None:
        """Room for so many rows."""
        old = self.arrays()
        self._allocate(capacity)
        for name, array in self.arrays().items():
            array[: len(old[name])] = old[name]

    def hash_of(self, row: int) -> int:
        return int(self.hash[row]) if self.is_kept else 0

    def clear(self, row: int, new_hash: int = 0) -> None:
        """Nobody knows what is published in this row; of which hash it is, where that is known."""
        if self.is_kept:
            self.vector[row] = 0.0
            self.hash[row] = new_hash
            self.waits_since[row] = 0

    def clear_all(self) -> None:
        self._allocate(len(self.hash))
        self.checksum = self.encoder_hash = 0
        self.encoder_steps, self.encoder_version = NEVER, 0

    def replace(self, rows: Int64Array, vectors: Float16Array, hashes: UInt64Array) -> None:
        """These rows were committed."""
        self.checksum = self.checksum_with(rows, hashes)
        self.vector[rows], self.hash[rows], self.waits_since[rows] = vectors, hashes, 0

    def checksum_with(self, rows: Int64Array, hashes: UInt64Array) -> int:
        # Sums of uint64 wrap around, as the checksum does.
        return (self.checksum - int(self.hash[rows].sum()) + int(hashes.sum())) % MODULUS

    def note(self, row: int, new_hash: int) -> None:
        """Found in the topic."""
        if self.is_kept:
            self.add_to_checksum(new_hash - int(self.hash[row]))
            self.clear(row, new_hash)

    def note_encoder(self, new_hash: int) -> None:
        self.add_to_checksum(new_hash - self.encoder_hash)
        self.encoder_hash = new_hash

    def add_to_checksum(self, difference: int) -> None:
        self.checksum = (self.checksum + difference) % MODULUS
