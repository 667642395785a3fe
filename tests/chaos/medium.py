"""The disk of the checkpoints: a small file system of its own, which may be filled up, made read-only and damaged."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from types import TracebackType

from tests.end_to_end.waiting import until

SIZE = "96m"
BALLAST = "ballast"
CONTENTS = "contents.json"
PIECE_BYTES = 1 << 16


def lacks() -> str:
    """What is missing for a file system of one's own; empty where it can be had."""
    if os.geteuid() != 0:
        return "the rights of root (to mount a file system that can be filled up)"
    return "" if subprocess.run(["mount", "--version"], capture_output=True, check=False).returncode == 0 else "mount"


class Medium:
    """A tmpfs for the length of a `with` block; where it cannot be had an ordinary folder, and `is_own` is false."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.is_own = False

    def __enter__(self) -> Medium:
        self.directory.mkdir(parents=True)
        if not lacks():
            command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "chaos", str(self.directory)]
            self.is_own = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_own:
            subprocess.run(["umount", "--lazy", str(self.directory)], check=True)
            self.is_own = False

    def fill(self) -> None:
        """Not a byte is left."""
        assert self.directory.is_mount(), f"{self.directory} is no disk of its own: nothing is filled up"
        n_bytes = PIECE_BYTES
        with (self.directory / BALLAST).open("wb", buffering=0) as ballast:
            while n_bytes >= 1:
                try:
                    ballast.write(b"\0" * n_bytes)
                except OSError:
                    n_bytes //= 2

    def make_room(self) -> None:
        (self.directory / BALLAST).unlink(missing_ok=True)

    def make_read_only(self) -> None:
        until(lambda: self._remount("ro"), "nobody writes to the checkpoints for a moment", 30)

    def make_writable(self) -> None:
        assert self._remount("rw")

    def _remount(self, mode: str) -> bool:
        command = ["mount", "-o", f"remount,{mode}", str(self.directory)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def truncate_newest(self, rng: random.Random) -> str:
        path = self._any_array(rng)
        os.truncate(path, rng.randrange(path.stat().st_size))
        return path.name

    def flip_a_bit_of_newest(self, rng: random.Random) -> str:
        return self._flip_in(self._any_array(rng), rng)

    def flip_a_bit_of_listing(self, rng: random.Random) -> str:
        return self._flip_in(self._newest() / CONTENTS, rng)

    def _flip_in(self, path: Path, rng: random.Random) -> str:
        data = bytearray(path.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        return path.name

    def _newest(self) -> Path:
        return max(path for path in self.directory.iterdir() if path.name.startswith("checkpoint-"))

    def _any_array(self, rng: random.Random) -> Path:
        files = [path for path in self._newest().iterdir() if path.name != CONTENTS and path.stat().st_size]
        return rng.choice(sorted(files))
