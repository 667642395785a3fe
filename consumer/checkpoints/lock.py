"""One process at a time owns a replay: a lock on a file beside its checkpoints, which ends with the process.

Not every network file system passes such locks on to other machines.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from consumer.errors import Fatal

LOCK: Final = "replay.lock"


class Running(Fatal):
    """Another process owns the replay."""


@contextmanager
def locked(directory: Path, name: str) -> Iterator[None]:
    """Held while the block runs. Raises Fatal where another process holds it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / LOCK).open("ab")
    except OSError as error:
        raise Fatal(f"{directory} cannot be used for the replay {name}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Running(f"the replay {name} is running already; give this one another --name") from error
        yield
