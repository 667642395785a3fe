"""The two checkpoint stores, and what tests do to both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from consumer.checkpoints.local_store import LocalStore
from consumer.ports import CheckpointStore
from consumer.tables import Array
from tests.fakes.checkpoints import FakeDisk, FakeStore


class Medium(Protocol):
    def store(self) -> CheckpointStore:
        """A process' access to the medium."""
        ...

    def damage(self, name: str) -> None: ...


class InMemory:
    def __init__(self) -> None:
        self.disk = FakeDisk()

    def store(self) -> CheckpointStore:
        return FakeStore(self.disk)

    def damage(self, name: str) -> None:
        self.disk.damage(name)


class OnDisk:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def store(self) -> CheckpointStore:
        return LocalStore(self.directory)

    def damage(self, name: str) -> None:
        path = next(
            p for p in sorted((self.directory / name).iterdir()) if p.name != "contents.json" and p.stat().st_size
        )
        flip_bit(path)


def flip_bit(path: Path, at: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if at is None else at] ^= 0x10
    path.write_bytes(bytes(data))


def name_of(version: int, epoch: int = 1) -> str:
    return f"checkpoint-{epoch:010d}-{version:015d}-{version:019d}"


def save(store: CheckpointStore, name: str, arrays: Mapping[str, Array], notes: bytes = b"{}") -> None:
    """A whole checkpoint of these arrays."""
    store.begin(None)
    for array, values in arrays.items():
        store.write_array(array, values)
    store.commit(name, notes)


def require_same(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Bit for bit, types and shapes too."""
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert (name, found[name].dtype, found[name].shape) == (name, array.dtype, array.shape)
        assert found[name].tobytes() == np.ascontiguousarray(array).tobytes(), name
