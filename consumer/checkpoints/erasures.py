"""Users to be forgotten: requests beside the checkpoints, numbered in the order in which they were asked for.

A request has hashes of ids, never ids, and how far the input went when it was asked for: what these users did before
that enters no history any more, however often it is read again. It stays as long as a kept checkpoint or the input
reaches back behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from consumer.checkpoints import contents
from consumer.errors import CorruptCheckpoint
from consumer.events.hashing import hash_text
from consumer.messages import Positions, UInt64Array
from consumer.ports import CheckpointStore
from consumer.unreadable_json import UNREADABLE_JSON

logger = logging.getLogger(__name__)


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says."""

    users: list[str]
    """Hashes of their ids, 32 hexadecimal digits each."""
    positions: dict[int, int]
    """Partition → end of the input when it was asked for."""
    at_ms: int
    """Wall time when it was asked for."""

    @property
    def keys(self) -> UInt64Array:
        """(n, 2) the hashes."""
        halves = [(int(user[:16], 16), int(user[16:], 16)) for user in self.users]
        return np.array(halves, np.uint64).reshape(-1, 2)


NOBODY = Erasure(users=[], positions={}, at_ms=0)


class Request(NamedTuple):
    number: int
    erasure: Erasure


def erasure_of(ids: Iterable[str], positions: Positions, at_ms: int) -> Erasure:
    """A request to forget the users of these ids."""
    keys = (hash_text(user.encode()) for user in dict.fromkeys(ids))
    return Erasure(
        users=[f"{first:016x}{second:016x}" for first, second in keys], positions=dict(positions), at_ms=at_ms
    )


def encode(erasure: Erasure) -> bytes:
    return msgspec.json.encode(erasure)


def requests_after(store: CheckpointStore, number: int) -> Sequence[Request]:
    """Those with greater numbers, in their order. One that cannot be read is told in the log, and forgets nobody."""
    return [Request(n, _decoded(n, data)) for n, data in store.erasures(number)]


def drop_settled(store: CheckpointStore, first_offsets: Positions) -> None:
    """Let go of the requests that nothing reaches back behind: no checkpoint, also of a replay, and not the input,
    whose partitions begin at `first_offsets`."""
    asked = requests_after(store, 0)
    behind = _least_forgotten(store) if asked else 0
    settled = [
        number
        for number, erasure in asked
        if number <= behind and all(first_offsets.get(p, 0) >= end for p, end in erasure.positions.items())
    ]
    if settled:
        store.drop_erasures(settled)


def _least_forgotten(store: CheckpointStore) -> int:
    """The request up to which every checkpoint has forgotten; 0 where one can't be read."""
    found = []
    for one in (store, *map(store.replay, store.replays())):
        for name in one.names():
            try:
                found.append(contents.decode(name, one.notes(name)).forgotten)
            except CorruptCheckpoint:
                return 0
    return min(found, default=0)


def _decoded(number: int, data: bytes) -> Erasure:
    if not data:
        return NOBODY  # its number is all that is left of it
    try:
        erasure = msgspec.json.decode(data, type=Erasure)
        erasure.keys  # noqa: B018 - are they hashes?
    except (*UNREADABLE_JSON, ValueError, OverflowError) as error:
        logger.error("a request to forget users cannot be read; ask again", extra={"number": number, "why": str(error)})
        return NOBODY
    return erasure
