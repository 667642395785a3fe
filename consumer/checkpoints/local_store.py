"""Checkpoints as directories of raw array files on a local disk.

    DIRECTORY/checkpoint-0000000002-000000000000417/   one complete checkpoint: epoch 2, version 417
        contents.json                                  dtype, shape and CRC-32 of each array; the notes
        items.keys  users.items  …                     little-endian, C order
    DIRECTORY/unfinished-…                             the one being written, by one process

Every checkpoint stands alone: damage to one file damages one checkpoint. Processes may share the directory: what a
paused writer goes on to write when it wakes touches no file of its successor.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from consumer.errors import CorruptCheckpoint, Fatal
from consumer.messages import Int64Array
from consumer.tables import Array

CONTENTS = "contents.json"
UNFINISHED = "unfinished-"
PREFIX = "checkpoint-"
COPY_BYTES = 1 << 22
ABANDONED_S = 86_400.0
"""An unfinished checkpoint untouched for so long belongs to nobody."""
DTYPES = frozenset(["u1", "i4", "u4", "i8", "u8", "f4", "f8"])


class LocalStore:
    """A `CheckpointStore` in one directory of this machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unfinished = directory / f"{UNFINISHED}{uuid.uuid4().hex}"
        self._written: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Fatal(f"the checkpoint directory {directory} cannot be made: {error.strerror}") from error

    def names(self) -> Sequence[str]:
        return sorted(path.name for path in self._directory.glob(f"{PREFIX}*") if path.is_dir())

    def begin(self, base: str | None) -> None:
        self._remove_abandoned()
        self._unfinished.mkdir()
        self._written = {}
        if base is None:
            return
        try:
            for name, entry in self._contents(base)["arrays"].items():
                self._copy(self._directory / base / name, self._unfinished / name, entry["crc32"])
                self._written[name] = (np.dtype(entry["dtype"]), tuple(entry["shape"]))
        except CorruptCheckpoint as error:
            raise OSError(errno.EIO, f"cannot start from {base}: {error}") from error

    def _copy(self, source: Path, target: Path, crc32: int) -> None:
        """Checked: damage must not be copied and given a new checksum."""
        shutil.copyfile(source, target)
        if _crc32(target) != crc32:
            raise CorruptCheckpoint(f"{source.name}: the checksum does not match")
        _allocate(target, target.stat().st_size)

    def _remove_abandoned(self) -> None:
        """Our own unfinished checkpoint, and what processes that have died left behind."""
        for path in self._directory.glob(f"{UNFINISHED}*"):
            if path == self._unfinished or time.time() - path.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(path)

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
            _allocate(path, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
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


def _allocate(path: Path, n_bytes: int) -> None:
    """Give the file this size on the medium. A hole written to through a memory map where the disk is full would end
    the process; asked for beforehand, the space is refused with an OSError."""
    if n_bytes == 0:
        return
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, n_bytes)


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
