"""What a reader holds of `item-vectors`: laid out for the network's kernel, row-aligned with a `Catalogue`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from consumer.errors import Fatal
from consumer.messages import Int64Array, UInt64Array
from consumer.models import neural, neural_encoder
from consumer.models.neural import Encoder, NeuralArrays
from consumer.models.neural_encoder import NeuralScratch
from consumer.settings import Neural
from consumer.snapshots.formats import MODULUS, row_hash
from consumer.snapshots.rows import Float32Array, Numbering, id_of
from consumer.snapshots.vector_format import ENCODER_KEY, read_encoder, read_vectors


@dataclass(frozen=True, slots=True)
class VectorColumns:
    rows: Int64Array  # (n,) distinct
    vectors: Float32Array  # (n, D) zeros: deleted
    hashes: UInt64Array  # (n,) 0: deleted
    encoder: Encoder | None = None  # None: as before
    encoder_hash: int = 0


NO_VECTORS = VectorColumns(np.zeros(0, np.int64), np.zeros((0, 0), np.float32), np.zeros(0, np.uint64))


def vector_columns(topic: str, values: Mapping[bytes, bytes | None], numbering: Numbering) -> VectorColumns:
    """Raises Fatal for a row that cannot be read."""
    items = {key: value for key, value in values.items() if key != ENCODER_KEY}
    rows, hashes = np.empty(len(items), np.int64), np.zeros(len(items), np.uint64)
    for i, (key, value) in enumerate(items.items()):
        rows[i] = numbering.row(id_of(topic, key))
        hashes[i] = 0 if value is None else row_hash(topic, key, value)
    found = read_vectors(topic, {key: value for key, value in items.items() if value is not None})
    width = len(found[0]) if found else 0
    if any(len(vector) != width for vector in found):
        raise Fatal(f"vectors in {topic} differ in length; does anything else than a freshrank worker write there?")
    vectors = np.zeros((len(items), width), np.float32)
    if found:
        vectors[hashes != 0] = found
    encoder = values.get(ENCODER_KEY)
    if encoder is None:
        return VectorColumns(rows, vectors, hashes)
    encoder_hash = row_hash(topic, ENCODER_KEY, encoder)
    return VectorColumns(rows, vectors, hashes, read_encoder(topic, encoder), encoder_hash)


class ReadVectors:
    """Of one version; an item without a row has no scale."""

    def __init__(self) -> None:
        self.checksum = 0
        self.encoder: Encoder | None = None
        self.encoder_hash = 0
        self.hash: UInt64Array = np.zeros(0, np.uint64)
        self.vector: Float32Array = np.zeros((0, 0), np.float32)
        self.scale: NDArray[np.float32] = np.zeros(0, np.float32)

    def checksum_with(self, columns: VectorColumns) -> int:
        """Of all rows once these are put in."""
        held = columns.rows[columns.rows < len(self.hash)]
        total = self.checksum + int(columns.hashes.sum()) - int(self.hash[held].sum())
        if columns.encoder is not None:
            total += columns.encoder_hash - self.encoder_hash
        return total % MODULUS

    def put(self, columns: VectorColumns, capacity: int) -> None:
        """Replace or delete these rows. Raises Fatal where vectors are of another length than those held."""
        width, held = columns.vectors.shape[1], self.vector.shape[1]
        if width and held and width != held:
            raise Fatal(f"a vector of {width} numbers beside others of {held}: does anything else write this topic?")
        self.checksum = self.checksum_with(columns)
        self.fit(capacity, columns.vectors.shape[1])
        rows = columns.rows
        self.vector[rows] = columns.vectors if columns.vectors.shape[1] else 0.0
        length = np.linalg.norm(self.vector[rows], axis=1)
        self.scale[rows] = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0.0)
        self.hash[rows] = columns.hashes
        if columns.encoder is not None:
            self.encoder, self.encoder_hash = columns.encoder, columns.encoder_hash

    def fit(self, capacity: int, width: int = 0) -> None:
        """Room for so many rows, of vectors of this length once it is known."""
        width = self.vector.shape[1] or width
        if (capacity, width) == self.vector.shape:
            return
        old_hash, old_vector, old_scale, n = self.hash, self.vector, self.scale, len(self.hash)
        self.hash, self.scale = np.zeros(capacity, np.uint64), np.zeros(capacity, np.float32)
        self.vector = np.zeros((capacity, width), np.float32)
        self.hash[:n], self.scale[:n], self.vector[:n, : old_vector.shape[1]] = old_hash, old_scale, old_vector

    def kept(self, rows: Int64Array, capacity: int) -> ReadVectors:
        """A copy with these rows only, in this order."""
        copy = ReadVectors()
        copy.checksum, copy.encoder, copy.encoder_hash = self.checksum, self.encoder, self.encoder_hash
        self.fit(max(len(self.hash), int(rows.max(initial=-1)) + 1))
        copy.fit(capacity, self.vector.shape[1])
        n = len(rows)
        copy.hash[:n], copy.scale[:n], copy.vector[:n] = self.hash[rows], self.scale[rows], self.vector[rows]
        return copy

    @property
    def is_complete(self) -> bool:
        """Whether a history can be encoded."""
        return self.encoder is not None and len(self.encoder.attention) == self.vector.shape[1]

    def arrays(self) -> NeuralArrays:
        """As the kernels want them; what only learning needs is empty. Needs an encoder."""
        assert self.encoder is not None  # is_complete
        off = neural.allocate(Neural(), 0)
        return off._replace(items=off.items._replace(vector=self.vector, scale=self.scale), encoder=self.encoder)

    def scratch(self) -> NeuralScratch:
        return neural_encoder.allocate_scratch(Neural(enabled=True, dimensions=self.vector.shape[1]), len(self.scale))
