"""The checkpoints of a deployment, for commands that look at what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from consumer.errors import Fatal
from consumer.settings import Settings

if TYPE_CHECKING:
    from consumer.checkpoints.local_store import LocalStore


def existing_store(settings: Settings) -> LocalStore:
    """Makes nothing, unlike a worker. Raises Fatal where there is no such directory."""
    from consumer.checkpoints.local_store import LocalStore

    directory = Path(settings.checkpoints.directory)
    try:
        next(directory.iterdir(), None)
    except OSError as error:
        raise Fatal(
            f"the checkpoint directory {directory.absolute()} cannot be read: {error.strerror}. Has a worker run with "
            "these settings (checkpoints.directory), and where this command sees its files?"
        ) from error
    return LocalStore(directory)
