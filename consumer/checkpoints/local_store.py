"""Checkpoints as directories of raw array files on a local disk.

    DIRECTORY/checkpoint-0000000002-000000000000417/   one complete checkpoint: epoch 2, version 417
        contents.json                                  dtype, shape and CRC-32 of each array; the notes
        items.keys  users.items  …                     little-endian, C order
    DIRECTORY/unfinished                               the one being written

Every checkpoint stands alone: damage to one file damages one checkpoint.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consumer.errors import CorruptCheckpoint, Fatal
from consumer.messages import Int64Array
from consumer.tables import Array

CONTENTS = "contents.json"
UNFINISHED = "unfinished"
PREFIX = "checkpoint-"
COPY_BYTES = 1 << 22
DTYPES = frozenset(["u1", "i4", "u4", "i8", "u8", "f4", "f8"])


class LocalStore:
    """A `CheckpointStore` in one directory of this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unfinished = directory / UNFINISHED
        self._written: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Fatal(f"the checkpoint directory {directory} cannot be made: {error.strerror}") from error

    def names(self) -> Sequence[str]:
        return sorted(path.name for path in self._directory.glob(f"{PREFIX}*") if path.is_dir())

    def begin(self, base: str | None) -> None:
        if self._unfinished.exists():
            shutil.rmtree(self._unfinished)
        self._unfinished.mkdir()
        self._written = {}
        if base is None:
            return
        for name, entry in self._contents(base)["arrays"].items():
            shutil.copyfile(self._directory / base / name, self._unfinished / name)
            self._written[name] = (np.dtype(entry["dtype"]), tuple(entry["shape"]))

    def write_rows(self, array: str, rows: Int64Array, values: Array) -> None:
        row_shape = values.shape[1:]
        n_needed = int(rows.max(initial=-1)) + 1
        dtype, shape = self._written.get(array, (values.dtype, (0, *row_shape)))
        path = self._unfinished / array
        if dtype != values.dtype or shape[1:] != row_shape or array not in self._written:
            path.write_bytes(b"")
            dtype, shape = values.dtype, (0, *row_shape)
        if n_needed > shape[0]:
            shape = (n_needed, *row_shape)
            os.truncate(path, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        self._written[array] = (dtype, shape)
        if len(rows):
            file = np.memmap(path, dtype, "r+", shape=shape)
            file[rows] = values

    def write_array(self, array: str, values: Array) -> None:
        values = np.ascontiguousarray(values)
        (self._unfinished / array).write_bytes(values.tobytes())
        self._written[array] = (values.dtype, values.shape)

    def commit(self, name: str, notes: bytes) -> None:
        arrays = {}
        for array, (dtype, shape) in sorted(self._written.items()):
            path = self._unfinished / array
            arrays[array] = {"dtype": dtype.str, "shape": list(shape), "crc32": _crc32(path)}
            _sync(path)
        contents = {"format": 1, "arrays": arrays, "notes": notes.decode()}
        text = json.dumps(contents, indent=1).encode()
        envelope = {"crc32": zlib.crc32(text), "contents": text.decode()}
        path = self._unfinished / CONTENTS
        path.write_bytes(json.dumps(envelope).encode())
        _sync(path)
        _sync(self._unfinished)
        self._unfinished.rename(self._directory / name)
        _sync(self._directory)

    def remove(self, name: str) -> None:
        # Renamed first, so that a half-removed checkpoint is never taken for a whole one.
        doomed = self._directory / f"removed-{name}"
        (self._directory / name).rename(doomed)
        shutil.rmtree(doomed)

    def notes(self, name: str) -> bytes:
        return str(self._contents(name)["notes"]).encode()

    def arrays(self, name: str) -> Mapping[str, Array]:
        entries: Mapping[str, Any] = self._contents(name)["arrays"]
        return {array: self._array(name, array, entry) for array, entry in entries.items()}

    def _array(self, name: str, array: str, entry: Mapping[str, Any]) -> Array:
        path = self._directory / name / array
        if Path(array).name != array or str(entry["dtype"])[1:] not in DTYPES:
            raise CorruptCheckpoint(f"{name}: {array!r} of type {entry['dtype']!r} is not an array of a checkpoint")
        dtype, shape = np.dtype(entry["dtype"]), tuple(int(n) for n in entry["shape"])
        n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
        try:
            if path.stat().st_size != n_bytes or min(shape, default=0) < 0:
                raise CorruptCheckpoint(f"{name}/{array}: {path.stat().st_size} bytes where {n_bytes} belong")
            if _crc32(path) != entry["crc32"]:
                raise CorruptCheckpoint(f"{name}/{array}: the checksum does not match")
            return np.fromfile(path, dtype).reshape(shape)
        except OSError as error:
            raise CorruptCheckpoint(f"{name}/{array}: {error.strerror}") from error

    def _contents(self, name: str) -> Mapping[str, Any]:
        try:
            envelope = json.loads((self._directory / name / CONTENTS).read_bytes())
            text = envelope["contents"]
            if zlib.crc32(text.encode()) != envelope["crc32"]:
                raise CorruptCheckpoint(f"{name}/{CONTENTS}: the checksum does not match")
            contents: Mapping[str, Any] = json.loads(text)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptCheckpoint(f"{name}/{CONTENTS} cannot be read: {error}") from error
        if contents.get("format") != 1:
            raise CorruptCheckpoint(f"{name}: format {contents.get('format')!r} is not known to this version")
        return contents


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while block := file.read(COPY_BYTES):
            crc = zlib.crc32(block, crc)
    return crc


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
