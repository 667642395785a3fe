"""A rollback or a promotion asked for: a small file beside the checkpoints.

The checkpoints are on a volume that every worker of the model sees, so the request reaches whichever holds the lease,
now or when one next starts, and it survives a crash at any moment. It is dropped once a checkpoint that carries its id
is saved; a worker that dies in between finds the id there and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from consumer.checkpoints import contents
from consumer.checkpoints.contents import GOOD, Notes
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.ports import CheckpointStore
from consumer.unreadable_json import UNREADABLE_JSON


class RollbackRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rollback"):
    id: str
    checkpoint: str
    """Whose learned state to return to."""
    relearn: bool = False
    """Learn what came after it again, instead of leaving it out."""
    by: str = "operator"
    epoch: int = 0
    """Of the writer that asks by itself, about a state of its own: nothing that a successor has to follow; 0: it holds
    for any writer."""


class PromotionRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="promotion"):
    id: str
    replay: str
    """Its name."""
    checkpoint: str
    """Of the replay, to go on from."""
    by: str = "operator"


Request = RollbackRequest | PromotionRequest


def encode(request: Request) -> bytes:
    return msgspec.json.encode(request)


def decode(data: bytes) -> Request:
    """Raises Fatal."""
    if not data:
        raise Fatal("the request beside the checkpoints is empty, or this process may not read it; ask again")
    try:
        request: Request = msgspec.json.decode(data, type=Request)
        return request
    except UNREADABLE_JSON as error:
        raise Fatal(f"the request beside the checkpoints cannot be read ({error}); remove the file") from error


def readable(store: CheckpointStore) -> list[tuple[str, Notes]]:
    """Name and notes of every checkpoint whose notes can be read, ascending."""
    found = []
    for name in store.names():
        try:
            found.append((name, contents.decode(name, store.notes(name))))
        except CorruptCheckpoint:
            continue
    return found


def newest(store: CheckpointStore) -> Notes | None:
    """What the newest readable checkpoint says of itself; None if there is none."""
    found = readable(store)
    return found[-1][1] if found else None


def worth_returning_to(store: CheckpointStore) -> str:
    """The last good checkpoint, else the newest; empty if there is none."""
    found = readable(store)
    return last_good(found) or (found[-1][0] if found else "")


def last_good(checkpoints: Sequence[tuple[str, Notes]]) -> str | None:
    """The newest whose state went out as a version."""
    return next((name for name, notes in reversed(checkpoints) if notes.verdict == GOOD), None)


def target_of(checkpoints: Sequence[tuple[str, Notes]], version: int | None) -> str:
    """The checkpoint that a rollback to this version (None: to the last good one) returns to. Raises Fatal."""
    listed = ", ".join(str(v) for v in sorted({notes.version for _, notes in checkpoints})) or "none"
    if version is None:
        name = last_good(checkpoints)
        if name is None:
            raise Fatal(f"there is no good checkpoint to return to (versions with a checkpoint: {listed})")
        return name
    of_version = [(name, notes) for name, notes in checkpoints if notes.version == version]
    if not of_version:
        raise Fatal(f"there is no checkpoint of version {version} (versions with a checkpoint: {listed})")
    good = [name for name, notes in of_version if notes.verdict == GOOD]
    return good[-1] if good else of_version[0][0]
