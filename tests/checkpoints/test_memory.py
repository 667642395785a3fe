"""A hostile directory is refused before memory is spent: measured in a process that may take little more."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoints import listing
from consumer.checkpoints.listing import Entry
from consumer.checkpoints.local_store import LocalStore
from tests.checkpoints.stores import name_of, save

ALLOWED: int = 96 << 20
"""More than the process has when it begins to read; the greatest file that is read as a whole has 64 MiB."""
READ = f"""
import re, resource, sys
from pathlib import Path
from consumer.checkpoints.local_store import LocalStore
from consumer.errors import CorruptCheckpoint
size = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
resource.setrlimit(resource.RLIMIT_AS, (size + {ALLOWED}, size + {ALLOWED}))
store = LocalStore(Path(sys.argv[1]))
for read in (store.notes, store.arrays):
    try:
        read(sys.argv[2])
    except CorruptCheckpoint as error:
        sys.exit(f"refused: {{error}}")
"""


def huge_shape(folder: Path) -> None:
    put_listing(folder, {"a": Entry("<f8", (1 << 36,), 0)})


def truthful_holes(folder: Path) -> None:
    os.truncate(folder / "a", 1 << 43)
    put_listing(folder, {"a": Entry("<f8", (1 << 40,), 0)})


def contents_with_holes(folder: Path) -> None:
    os.truncate(folder / "contents.json", 1 << 42)


def a_device_of_size_0(folder: Path) -> None:
    (folder / "a").unlink()
    (folder / "a").symlink_to("/dev/zero")
    put_listing(folder, {"a": Entry("|u1", (0,), 0)})


def contents_that_are_a_device(folder: Path) -> None:
    (folder / "contents.json").unlink()
    (folder / "contents.json").symlink_to("/dev/zero")


def objects(folder: Path) -> None:
    (folder / "a").write_bytes(np.array([{}], object).dumps())
    put_listing(folder, {"a": Entry("|O", (1,), 0)})


def put_listing(folder: Path, arrays: dict[str, Entry]) -> None:
    (folder / "contents.json").write_bytes(listing.encode(arrays, b"{}"))


HOSTILE: tuple[Callable[[Path], None], ...] = (
    huge_shape, truthful_holes, contents_with_holes, a_device_of_size_0, contents_that_are_a_device, objects,
)  # fmt: skip


def read(directory: Path) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", READ, str(directory), name_of(1)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(LocalStore(tmp_path), name_of(1), {"a": np.zeros(1_000)})
    return tmp_path / name_of(1)


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_hostile_directory_is_refused_before_memory_is_spent(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder)
    done = read(folder.parent)
    assert done.stderr.startswith("refused: "), done.stderr


def test_a_good_one_is_read_within_the_same_bounds(folder: Path) -> None:
    done = read(folder.parent)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bounds_are_real(folder: Path) -> None:
    data = bytes(ALLOWED + (8 << 20))
    (folder / "a").write_bytes(data)
    put_listing(folder, {"a": Entry("|u1", (len(data),), zlib.crc32(data))})
    assert "MemoryError" in read(folder.parent).stderr
