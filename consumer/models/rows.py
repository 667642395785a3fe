"""Arrays whose entries of one row lie side by side, so that touching a row costs one cache line, not one an array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike

from consumer.tables import Array

LINE_BYTES: Final = 64
Field = tuple[str, DTypeLike] | tuple[str, DTypeLike, tuple[int, ...]]


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Zeros that begin with a cache line."""
    kind = np.dtype(dtype)
    n_bytes = int(np.prod(shape)) * kind.itemsize
    memory = np.zeros(n_bytes + LINE_BYTES, np.uint8)
    start = -memory.ctypes.data % LINE_BYTES
    return memory[start : start + n_bytes].view(kind).reshape(shape)


def side_by_side(capacity: int, fields: Iterable[Field], each: int = 1) -> Mapping[str, Array]:
    """For each field (name, type, shape of an entry if any) an array (capacity, ...) of zeros, over shared memory.

    Rows of up to a cache line are padded so that none lies on two. With `each` above 1 a row holds so many entries of
    all fields, one after the other: arrays (capacity, each, ...).
    """
    entry = np.dtype(list(fields), align=True)
    n_bytes = entry.itemsize * each
    if each == 1 and n_bytes < LINE_BYTES:
        n_bytes = 1 << (n_bytes - 1).bit_length()
    row = np.dtype({"names": ["row"], "formats": [(entry, (each,))], "offsets": [0], "itemsize": n_bytes})
    block = aligned((capacity,), row)["row"]
    return {name: block[name] if each > 1 else block[name][:, 0] for name in entry.names or ()}


def flat(group: Iterable[Any]) -> Iterator[Array]:
    """The arrays of a tuple of arrays and of such tuples."""
    for part in group:
        if isinstance(part, tuple):
            yield from flat(part)
        else:
            yield part


def memory_of(arrays: Iterable[Array]) -> int:
    """Bytes that these arrays take, each piece of shared memory once."""
    pieces = {}
    for array in arrays:
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        pieces[id(owner)] = owner.nbytes
    return sum(pieces.values())
