"""A `consumer.ports.CheckpointStore` in memory.

`FakeDisk` is what outlives a crash; `FakeStore` is one process' access to it. An unfinished checkpoint stays on the
disk as well, and the next `begin` drops it, as on a real one.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from consumer.checkpoints import contents
from consumer.errors import CorruptCheckpoint, Fatal, Fenced
from consumer.messages import Int64Array
from consumer.tables import Array
from tests.fakes.calls import Calls, Crash

__all__ = ["Calls", "Crash", "FakeDisk", "FakeStore", "StoredCheckpoint"]


@dataclass(slots=True)
class StoredCheckpoint:
    arrays: dict[str, Array]
    notes: bytes = b""
    is_damaged: bool = False


@dataclass(slots=True)
class FakeDisk:
    """What lies on the medium. `is_full` makes every writing call raise OSError."""

    complete: dict[str, StoredCheckpoint] = field(default_factory=dict)
    unfinished: StoredCheckpoint | None = None
    is_full: bool = False
    request: bytes | None = None
    replays: dict[str, FakeDisk] = field(default_factory=dict)
    erasures: dict[int, bytes] = field(default_factory=dict)
    is_running: bool = False
    """Of a replay: a process goes on with it."""

    def damage(self, name: str) -> None:
        """Its checksums no longer match."""
        self.complete[name].is_damaged = True


class FakeStore:
    """Journal entries: ("begin", base), ("write_rows", array, n), ("write_array", array), ("commit_checkpoint", name),
    ("remove_checkpoint", name), ("names",), ("notes", name), ("arrays", name)."""

    def __init__(self, disk: FakeDisk, *, calls: Calls | None = None) -> None:
        self._disk = disk
        self._calls = calls or Calls()

    def names(self) -> Sequence[str]:
        with self._calls.call("names"):
            return sorted(self._disk.complete)

    def begin(self, base: str | None) -> None:
        with self._calls.call("begin_checkpoint", base):
            self._require_space()
            try:
                start = {} if base is None else self._sound(base).arrays
            except CorruptCheckpoint as error:
                raise OSError(errno.EIO, str(error)) from error
            self._disk.unfinished = StoredCheckpoint({name: array.copy() for name, array in start.items()})

    def write_rows(self, array: str, rows: Int64Array, values: Array) -> None:
        with self._calls.call("write_rows", array, len(rows)):
            arrays = self._writable()
            held = arrays.get(array)
            if held is None or held.dtype != values.dtype or held.shape[1:] != values.shape[1:]:
                held = np.zeros((0, *values.shape[1:]), values.dtype)
            n_needed = int(rows.max(initial=-1)) + 1
            if n_needed > len(held):
                longer = np.zeros((n_needed, *held.shape[1:]), held.dtype)
                longer[: len(held)] = held
                held = longer
            held[rows] = values
            arrays[array] = held

    def write_array(self, array: str, values: Array) -> None:
        with self._calls.call("write_array", array):
            self._writable()[array] = values.copy()

    def commit(self, name: str, notes: bytes) -> None:
        with self._calls.call("commit_checkpoint", name):
            arrays = self._writable()
            newest = max(self._disk.complete, default=name)
            if contents.epoch_of(newest) > contents.epoch_of(name):
                raise Fenced(f"{newest} is of a later writer")
            assert name not in self._disk.complete, f"{name} exists: a checkpoint is never overwritten"
            self._disk.complete[name] = StoredCheckpoint(arrays, notes)
            self._disk.unfinished = None

    def remove(self, name: str) -> None:
        with self._calls.call("remove_checkpoint", name):
            del self._disk.complete[name]

    def array(self, name: str, array: str) -> Array | None:
        with self._calls.call("array", name, array):
            return self._sound(name).arrays.get(array)

    def rewrite(self, name: str, changes: Mapping[str, tuple[Int64Array, Array]], notes: bytes) -> None:
        with self._calls.call("rewrite_checkpoint", name):
            self._require_space()
            arrays = {array: values.copy() for array, values in self._sound(name).arrays.items()}
            for array, (rows, values) in changes.items():
                arrays[array][rows] = values
            self._disk.complete[name] = StoredCheckpoint(arrays, notes)

    def replays(self) -> Sequence[str]:
        with self._calls.call("replays"):
            return sorted(self._disk.replays)

    @contextmanager
    def idle_replay(self, name: str) -> Iterator[FakeStore | None]:
        is_running = self._disk.replays[name].is_running
        yield None if is_running else self.replay(name)

    def replay(self, name: str) -> FakeStore:
        with self._calls.call("replay", name):
            if name not in self._disk.replays:
                raise Fatal(f"there is no replay {name!r}")
            return FakeStore(self._disk.replays[name], calls=self._calls)

    def request(self) -> bytes | None:
        with self._calls.call("request"):
            return self._disk.request

    def put_request(self, request: bytes) -> None:
        with self._calls.call("put_request"):
            self._disk.request = request

    def drop_request(self) -> None:
        with self._calls.call("drop_request"):
            self._disk.request = None

    def erasures(self, after: int) -> Sequence[tuple[int, bytes]]:
        with self._calls.call("erasures", after):
            return sorted((number, data) for number, data in self._disk.erasures.items() if number > after)

    def add_erasure(self, erasure: bytes) -> int:
        with self._calls.call("add_erasure"):
            number = max(self._disk.erasures, default=0) + 1
            self._disk.erasures[number] = erasure
            return number

    def drop_erasures(self, numbers: Sequence[int]) -> None:
        with self._calls.call("drop_erasures", list(numbers)):
            last = max(self._disk.erasures)
            for number in numbers:
                if number == last:
                    self._disk.erasures[number] = b""
                else:
                    del self._disk.erasures[number]

    def notes(self, name: str) -> bytes:
        with self._calls.call("notes", name):
            return self._sound(name).notes

    def arrays(self, name: str) -> Mapping[str, Array]:
        with self._calls.call("arrays", name):
            return {array: values.copy() for array, values in self._sound(name).arrays.items()}

    def _sound(self, name: str) -> StoredCheckpoint:
        found = self._disk.complete.get(name)
        if found is None or found.is_damaged:
            raise CorruptCheckpoint(f"{name}: the checksum does not match")
        return found

    def _writable(self) -> dict[str, Array]:
        self._require_space()
        assert self._disk.unfinished is not None, "begin() comes first"
        return self._disk.unfinished.arrays

    def _require_space(self) -> None:
        if self._disk.is_full:
            raise OSError(errno.ENOSPC, "no space left on device")
