"""The file `contents.json` of a checkpoint: type, shape and checksum of each array, and the notes.

It is read with distrust: what it says is checked before any memory is spent or any path is made of it.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from consumer.errors import CorruptCheckpoint
from consumer.unreadable_json import UNREADABLE_JSON

FORMAT = 1
CONTENTS = "contents.json"
DTYPES = frozenset(["|u1", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"])
MAX_ENTRIES = 1 << 40
MAX_DIMENSIONS = 8
ARRAY_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


class Entry(msgspec.Struct, frozen=True):
    """One array file."""

    dtype: str
    shape: tuple[int, ...]
    crc32: int

    @property
    def type(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * self.type.itemsize


class Listing(msgspec.Struct, frozen=True):
    format: int
    arrays: dict[str, Entry]
    notes: str


class _Envelope(msgspec.Struct, frozen=True):
    crc32: int
    contents: str


def encode(arrays: Mapping[str, Entry], notes: bytes) -> bytes:
    listing = Listing(FORMAT, dict(arrays), notes.decode())
    text = msgspec.json.format(msgspec.json.encode(listing), indent=1)
    return msgspec.json.encode(_Envelope(zlib.crc32(text), text.decode()))


def decode(name: str, data: bytes) -> Listing:
    """`name` is the checkpoint's, for messages. Raises CorruptCheckpoint."""
    try:
        envelope = msgspec.json.decode(data, type=_Envelope)
        text = envelope.contents.encode()
        if zlib.crc32(text) != envelope.crc32:
            raise CorruptCheckpoint(f"{name}: the checksum of its contents does not match")
        listing = msgspec.json.decode(text, type=Listing)
    except (*UNREADABLE_JSON, UnicodeError) as error:
        raise CorruptCheckpoint(f"{name}: its contents cannot be read: {error}") from error
    if listing.format != FORMAT:
        raise CorruptCheckpoint(f"{name}: format {listing.format} is not known to this version, which reads {FORMAT}")
    for array, entry in listing.arrays.items():
        _require_plausible(name, array, entry)
    return listing


def _require_plausible(name: str, array: str, entry: Entry) -> None:
    if not ARRAY_NAME.fullmatch(array) or array == CONTENTS:
        raise CorruptCheckpoint(f"{name}: {array!r} is not the name of an array")
    if entry.dtype not in DTYPES:
        raise CorruptCheckpoint(f"{name}: {array} has the type {entry.dtype!r}, which is none of a checkpoint's")
    is_impossible = len(entry.shape) > MAX_DIMENSIONS or min(entry.shape, default=0) < 0
    # A dimension of 0 makes the others no smaller: numpy refuses them all the same.
    if is_impossible or math.prod(max(1, n) for n in entry.shape) > MAX_ENTRIES:
        raise CorruptCheckpoint(f"{name}: {array} has the impossible shape {entry.shape}")
