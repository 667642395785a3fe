"""The bytes of `item-vectors`: a vector an item, and the encoder that makes a query of a history, under an empty key.

Numbers are IEEE half precision, little-endian, in base64: they tell a cosine to about 0.0001, and a row takes a third
of what their decimals would.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from consumer.errors import Fatal
from consumer.models.neural import Encoder, new_encoder
from consumer.unreadable_json import UNREADABLE_JSON

Float16Array = NDArray[np.float16]
ENCODER_KEY = b""
"""No item has an empty id."""
MAX_DIMENSIONS = 512
_TYPE = np.dtype("<f2")


class VectorRow(msgspec.Struct):
    """Value of `item-vectors`: of unit length, D numbers."""

    vector: str
    version: int


class EncoderRow(msgspec.Struct):
    """Value under `ENCODER_KEY`: the matrices row by row."""

    encoder: dict[str, str]
    dimensions: int
    version: int


_vector_row = msgspec.json.Decoder(VectorRow).decode
_encoder_row = msgspec.json.Decoder(EncoderRow).decode


def vector_values(vectors: Float16Array, version: int) -> list[bytes]:
    """(n, D) to n values."""
    behind = f'","version":{version}}}'.encode()
    return [b'{"vector":"' + base64.b64encode(row.tobytes()) + behind for row in vectors.astype(_TYPE)]


def encoder_value(encoder: Encoder, version: int) -> bytes:
    texts = {
        name: base64.b64encode(array.astype(_TYPE).tobytes()).decode() for name, array in encoder._asdict().items()
    }
    return msgspec.json.encode(EncoderRow(texts, encoder.attention.shape[0], version))


def read_vectors(topic: str, values: Mapping[bytes, bytes]) -> Sequence[NDArray[np.float32]]:
    """One an entry. Raises Fatal for a row that cannot be read."""
    found = []
    for key, value in values.items():
        try:
            found.append(_numbers(_vector_row(value).vector))
            if len(found[-1]) > MAX_DIMENSIONS:
                raise ValueError(f"{len(found[-1])} numbers, more than {MAX_DIMENSIONS}")
        except (*UNREADABLE_JSON, ValueError) as error:
            raise _unreadable(topic, key, error) from error
    return found


def read_encoder(topic: str, value: bytes) -> Encoder:
    """Raises Fatal where it cannot be read."""
    try:
        row = _encoder_row(value)
        if not 0 < row.dimensions <= MAX_DIMENSIONS:
            raise ValueError(f"{row.dimensions} dimensions, expected 1 to {MAX_DIMENSIONS}")
        like = new_encoder(row.dimensions)._asdict()
        return Encoder(**{name: _numbers(row.encoder[name]).reshape(like[name].shape) for name in like})
    except (*UNREADABLE_JSON, ValueError, KeyError) as error:
        raise _unreadable(topic, ENCODER_KEY, error) from error


def _numbers(text: str) -> NDArray[np.float32]:
    try:
        numbers = np.frombuffer(base64.b64decode(text, validate=True), _TYPE).astype(np.float32)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error
    if not np.isfinite(numbers).all():
        raise ValueError("a number that is not finite")
    return numbers


def _unreadable(topic: str, key: bytes, error: Exception) -> Fatal:
    what = f"row {key.decode(errors='replace')!r}" if key else "the encoder (empty key)"
    return Fatal(
        f"{what} of {topic} cannot be read: {error}; does anything else than a freshrank worker write to this topic?"
    )
