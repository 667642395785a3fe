"""Checkpoints as directories of raw array files on a local disk.

    DIRECTORY/checkpoint-0000000002-000000000000417/   one complete checkpoint: epoch 2, version 417
        contents.json                                  dtype, shape and CRC-32 of each array; the notes
        items.keys  users.items  …                     little-endian, C order
    DIRECTORY/unfinished-…                             the one being written, by one process
    DIRECTORY/erasures/000000000003.json               a request to forget users

Every checkpoint stands alone: damage to one file damages one checkpoint. Processes may share the directory: what a
paused writer goes on to write when it wakes touches no file of its successor. One that is written anew shares files
with what it was before, until that is removed; nobody changes a file of a complete one.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from consumer.checkpoints import contents, listing
from consumer.checkpoints.exchange import exchange
from consumer.checkpoints.files import NoSmallFile, memory_bytes, read_small, size_of
from consumer.checkpoints.listing import CONTENTS, Entry, Listing
from consumer.checkpoints.lock import Running, locked
from consumer.errors import CorruptCheckpoint, Fatal, Fenced
from consumer.messages import Int64Array
from consumer.tables import Array

REQUEST = "request.json"
ERASURES = "erasures"
"""Requests to forget users, a file each."""
REPLAYS = "replays"
"""Below the checkpoints of a model: those of its replays, a directory each."""
UNFINISHED = "unfinished-"
REMOVED = "removed-"
NAME = re.compile(r"checkpoint-[0-9]{10}-[0-9]{15}(-[0-9]{19})?")
COPY_BYTES = 1 << 22
MAP_BYTES = 1 << 23
PROBE_BYTES = 4_096
ABANDONED_S = 86_400.0
"""An unfinished checkpoint untouched for so long belongs to nobody."""


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

    def require_writable(self) -> None:
        """Raises Fatal, with the reason, where nothing can be saved: better told before anybody is fenced."""
        probe = self._directory / f"{UNFINISHED}{uuid.uuid4().hex}"
        try:
            self.names()
            probe.mkdir()
            (probe / "probe").write_bytes(b"\0" * PROBE_BYTES)
            _sync(probe / "probe")
        except OSError as error:
            raise Fatal(
                f"nothing can be saved in the checkpoint directory {self._directory}: {error.strerror}. "
                f"User {os.getuid()} needs to write there, and free space; checkpoints.directory names another"
            ) from error
        finally:
            shutil.rmtree(probe, ignore_errors=True)

    def names(self) -> Sequence[str]:
        return sorted(
            path.name
            for path in self._directory.iterdir()
            if NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
        )

    def begin(self, base: str | None) -> None:
        self._remove_abandoned()
        self._unfinished.mkdir()
        self._written = {}
        if base is None:
            return
        try:
            for name, entry in self._listing(base).arrays.items():
                self._copy(self._directory / base / name, self._unfinished / name, entry.crc32)
                self._written[name] = (entry.type, entry.shape)
        except CorruptCheckpoint as error:
            raise OSError(errno.EIO, f"cannot start from {base}: {error}") from error

    def _copy(self, source: Path, target: Path, crc32: int) -> None:
        """Checked: damage must not be copied and given a new checksum."""
        size_of(source)
        shutil.copyfile(source, target)
        if _crc32(target) != crc32:
            raise CorruptCheckpoint(f"{source.name}: the checksum does not match")
        _allocate(target, target.stat().st_size)

    def _remove_abandoned(self) -> None:
        """Our own unfinished checkpoint, and what processes that have died left behind."""
        for path in (*self._directory.glob(f"{UNFINISHED}*"), *self._directory.glob(f"{REMOVED}*")):
            if path == self._unfinished or _age_s(path) > ABANDONED_S:
                shutil.rmtree(path, ignore_errors=path != self._unfinished)

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
        _scatter(path, rows, values)

    def write_array(self, array: str, values: Array) -> None:
        values = np.ascontiguousarray(values)
        (self._unfinished / array).write_bytes(values.tobytes())
        self._written[array] = (values.dtype, values.shape)

    def commit(self, name: str, notes: bytes) -> None:
        entries = {}
        for array, (dtype, shape) in sorted(self._written.items()):
            path = self._unfinished / array
            entries[array] = Entry(dtype.str, shape, _crc32(path))
            _sync(path)
        self._list(entries, notes)
        if (self._directory / name).exists():  # of the same moment: its writer failed behind the rename
            self.remove(name)
        self._refuse_beside_a_successor(name)
        self._unfinished.rename(self._directory / name)
        _sync(self._directory)

    def _list(self, entries: Mapping[str, Entry], notes: bytes) -> None:
        """What the unfinished one holds; from then on it is whole."""
        path = self._unfinished / CONTENTS
        path.write_bytes(listing.encode(entries, notes))
        _sync(path)
        _sync(self._unfinished)

    def _refuse_beside_a_successor(self, name: str) -> None:
        """Asked just before the rename. Should a process fall asleep between the two, what it still makes visible
        belongs to an older epoch, and nobody takes it for the newest."""
        newest = max(self.names(), default=name)
        if contents.epoch_of(newest) > contents.epoch_of(name):
            raise Fenced(f"{name} is not kept: {newest} is of a later writer")

    def remove(self, name: str) -> None:
        # Renamed first, so that a half-removed checkpoint is never taken for a whole one.
        doomed = self._directory / f"{REMOVED}{uuid.uuid4().hex}"
        (self._directory / name).rename(doomed)
        shutil.rmtree(doomed)

    def array(self, name: str, array: str) -> Array | None:
        entry = self._listing(name).arrays.get(array)
        return None if entry is None else self._array(name, array, entry, is_mapped=True)

    def rewrite(self, name: str, changes: Mapping[str, tuple[Int64Array, Array]], notes: bytes) -> None:
        """What doesn't change is shared with the checkpoint as it was."""
        self._remove_abandoned()
        self._unfinished.mkdir()
        entries = dict(self._listing(name).arrays)
        try:
            for array, entry in entries.items():
                entries[array] = self._changed(self._directory / name / array, entry, changes.get(array))
        except FileNotFoundError as error:
            raise CorruptCheckpoint(f"{name}: {error.filename} is missing") from error
        self._list(entries, notes)
        exchange(self._unfinished, self._directory / name)
        _sync(self._directory)
        shutil.rmtree(self._unfinished)

    def _changed(self, source: Path, entry: Entry, change: tuple[Int64Array, Array] | None) -> Entry:
        """The array among the unfinished ones, with these rows."""
        target = self._unfinished / source.name
        if change is None:
            _share(source, target)
            return entry
        self._copy(source, target, entry.crc32)
        _scatter(target, *change)
        _sync(target)
        return Entry(entry.dtype, entry.shape, _crc32(target))

    def replays(self) -> Sequence[str]:
        directory = self._directory / REPLAYS
        return sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []

    @contextmanager
    def idle_replay(self, name: str) -> Iterator[LocalStore | None]:
        try:
            with locked(self._directory / REPLAYS / name, name):
                yield self.replay(name)
        except Running:
            yield None

    def replay(self, name: str) -> LocalStore:
        directory = self._directory / REPLAYS / name
        if directory.parent != self._directory / REPLAYS or name == ".." or not directory.is_dir():
            raise Fatal(f"there is no replay {name!r} in {self._directory / REPLAYS}")
        return LocalStore(directory)

    def request(self) -> bytes | None:
        try:
            return read_small(self._directory / REQUEST)
        except FileNotFoundError:
            return None
        except OSError:  # nobody can do it, but everybody can say so and take it away
            return b""

    def put_request(self, request: bytes) -> None:
        unfinished = self._directory / f"{REQUEST}.{uuid.uuid4().hex}"
        try:
            unfinished.write_bytes(request)
            _sync(unfinished)
            unfinished.rename(self._directory / REQUEST)
        except OSError:
            unfinished.unlink(missing_ok=True)  # it will be tried again, and a full disk must not fill with names
            raise
        _sync(self._directory)

    def drop_request(self) -> None:
        (self._directory / REQUEST).unlink(missing_ok=True)
        _sync(self._directory)

    def erasures(self, after: int) -> Sequence[tuple[int, bytes]]:
        found = []
        for number in self._erasure_numbers():
            if number > after:
                try:
                    found.append((number, read_small(self._erasure(number))))
                except FileNotFoundError:  # settled meanwhile
                    continue
                except NoSmallFile as error:
                    found.append((number, str(error).encode()))  # whoever reads it will say so
        return found

    def add_erasure(self, erasure: bytes) -> int:
        (self._directory / ERASURES).mkdir(exist_ok=True)
        unfinished = self._directory / ERASURES / f"{UNFINISHED}{uuid.uuid4().hex}"
        try:
            unfinished.write_bytes(erasure)
            _sync(unfinished)
            number = max(self._erasure_numbers(), default=0) + 1
            while True:
                try:
                    os.link(unfinished, self._erasure(number))  # fails where somebody else was given it meanwhile
                    break
                except FileExistsError:
                    number += 1
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(self._directory / ERASURES)
        return number

    def drop_erasures(self, numbers: Sequence[int]) -> None:
        last = max(self._erasure_numbers(), default=0)
        for number in numbers:
            if number == last:
                self._erasure(number).write_bytes(b"")  # its name stays: the next number follows from it
            else:
                self._erasure(number).unlink(missing_ok=True)

    def _erasure(self, number: int) -> Path:
        return self._directory / ERASURES / f"{number:012d}.json"

    def _erasure_numbers(self) -> list[int]:
        directory = self._directory / ERASURES
        if not directory.is_dir():
            return []
        return sorted(int(path.stem) for path in directory.iterdir() if path.stem.isdecimal())

    def n_bytes(self, name: str) -> int:
        """Size of its arrays. Raises CorruptCheckpoint."""
        return sum(entry.n_bytes for entry in self._listing(name).arrays.values())

    def notes(self, name: str) -> bytes:
        return self._listing(name).notes.encode()

    def arrays(self, name: str) -> Mapping[str, Array]:
        entries = self._listing(name).arrays
        n_bytes, memory = sum(self._size(name, array, entry) for array, entry in entries.items()), memory_bytes()
        if n_bytes > memory:  # a sparse file has any size, and costs nothing before it is read
            raise CorruptCheckpoint(f"{name}: its arrays take {n_bytes} bytes, and this machine has {memory}")
        return {array: self._array(name, array, entry) for array, entry in entries.items()}

    def _array(self, name: str, array: str, entry: Entry, *, is_mapped: bool = False) -> Array:
        n_bytes, path = self._size(name, array, entry), self._directory / name / array
        try:
            if _crc32(path) != entry.crc32:
                raise CorruptCheckpoint(f"{name}/{array}: the checksum does not match")
            if is_mapped and n_bytes:
                return np.memmap(path, entry.type, "r", shape=entry.shape)
            return np.fromfile(path, entry.type).reshape(entry.shape)
        except OSError as error:
            raise CorruptCheckpoint(f"{name}/{array}: {error.strerror}") from error

    def _size(self, name: str, array: str, entry: Entry) -> int:
        """As the entry has it. Raises CorruptCheckpoint where the file is another."""
        try:
            n_bytes = size_of(self._directory / name / array)
        except OSError as error:
            raise CorruptCheckpoint(f"{name}/{array}: {error.strerror}") from error
        if n_bytes != entry.n_bytes:
            raise CorruptCheckpoint(f"{name}/{array}: {n_bytes} bytes where {entry.n_bytes} belong")
        return n_bytes

    def _listing(self, name: str) -> Listing:
        """Read before anything else of a checkpoint is, and only of one in this directory: names come from requests,
        too. Raises CorruptCheckpoint."""
        if not NAME.fullmatch(name):
            raise CorruptCheckpoint(f"{name!r} is not the name of a checkpoint")
        try:
            data = read_small(self._directory / name / CONTENTS)
        except OSError as error:
            raise CorruptCheckpoint(f"{name}/{CONTENTS}: {error.strerror}") from error
        return listing.decode(name, data)


def _scatter(path: Path, rows: Int64Array, values: Array) -> None:
    """Write rows through maps of a few MiB each: a map of the whole file would count as resident memory."""
    order = np.argsort(rows, kind="stable")
    rows, values = rows[order], values[order]
    per_map = max(1, MAP_BYTES // max(1, values[:1].nbytes))
    done = 0
    while done < len(rows):
        first = int(rows[done])
        end = int(np.searchsorted(rows, first + per_map))
        shape = (int(rows[end - 1]) - first + 1, *values.shape[1:])
        window = np.memmap(path, values.dtype, "r+", offset=first * values[:1].nbytes, shape=shape)
        window[rows[done:end] - first] = values[done:end]
        done = end


def _share(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the file system cannot do that; nobody changes either."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        _sync(target)


def _allocate(path: Path, n_bytes: int) -> None:
    """Give the file this size on the medium. A hole written to through a memory map where the disk is full would end
    the process; asked for beforehand, the space is refused with an OSError."""
    if n_bytes == 0:
        return
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, n_bytes)


def _age_s(path: Path) -> float:
    """Since it was changed; 0 where another process has taken it away meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


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
