"""Rollbacks of one model: those done, the one asked for, and the one that is due because versions are held too long."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from consumer.checkpoints import blanking, erasures, loading, requests
from consumer.checkpoints.contents import UNPROVEN, Notes
from consumer.checkpoints.loading import AllState, Loaded
from consumer.checkpoints.requests import RollbackRequest
from consumer.checkpoints.rollback import rolled_back
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.learning.gate import Hold, Reason
from consumer.messages import Positions
from consumer.ports import CheckpointStore
from consumer.settings import Settings

logger = logging.getLogger(__name__)

HELD_TOO_LONG = "held for too long"
"""Who asks for a rollback that no operator asked for."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What the state has behind it. `seen` is the request that was found when it was loaded, done by now."""

    discarded: Sequence[dict[str, Any]] = ()
    request: str = ""
    at_version: int = -1
    held_since_s: float = 0.0
    before_promotion: str = ""
    seen: bytes | None = None

    @staticmethod
    def of(notes: Notes, seen: bytes | None) -> RolledBack:
        return RolledBack(
            notes.discarded, notes.request, notes.rolled_back_at, notes.held_since_s, notes.before_promotion, seen
        )


def do_what_is_asked(
    store: CheckpointStore,
    settings: Settings,
    state: AllState,
    newest: Loaded,
    request: bytes,
    at: str,
    first_offsets: Callable[[], Positions],
) -> Loaded:
    """Bring the state, which holds the newest checkpoint, to what the request asks for; `at` is the time now, and
    `first_offsets` tells where each partition of the input begins.

    A request that is done already or cannot be done changes nothing; the latter is said in the log.
    """
    try:
        asked = requests.decode(request)
        if asked.id == newest.notes.request or not isinstance(asked, RollbackRequest):
            return newest
        if 0 < asked.epoch < newest.notes.epoch:
            raise Fatal(f"the writer of epoch {asked.epoch} asked for it, and the state is that of a later one")
        if asked.relearn:
            _require_readable(loading.notes_of(store, settings, asked.checkpoint), first_offsets())
        loaded = _return_to(store, settings, state, newest, asked, at)
    except (CorruptCheckpoint, Fatal) as error:
        logger.error("rollback not possible", extra={"why": str(error)})
        return newest
    state.gate.excuse(int(state.trainer.cases.n_cases[0]))
    logger.warning(
        "rolled back",
        extra={"checkpoint": asked.checkpoint, "by": asked.by, "discarded": loaded.notes.discarded[-1:]},
    )
    return loaded


def _return_to(
    store: CheckpointStore, settings: Settings, state: AllState, newest: Loaded, asked: RollbackRequest, at: str
) -> Loaded:
    done = {
        "request": asked.id,
        "rolled_back_at": newest.notes.version,
        "verdict": UNPROVEN,
        "held_since_s": 0.0,
        "before_promotion": "",
    }
    if asked.relearn:
        loaded = loading.load(store, settings, state, asked.checkpoint)
        notes = msgspec.structs.replace(
            loaded.notes, reserved_version=max(loaded.notes.reserved_version, newest.notes.reserved_version), **done
        )
        return Loaded(loaded.name, notes, loaded.base)
    good = loading.notes_of(store, settings, asked.checkpoint)
    good_arrays = store.arrays(asked.checkpoint)
    for request in erasures.requests_after(store, good.forgotten):
        blanking.blank(request.erasure.keys, good_arrays)
    state.require_fitting(asked.checkpoint, good_arrays)  # of an older release, it could not even be put together
    arrays = rolled_back(store.arrays(newest.name), good_arrays)
    state.restore(f"{asked.checkpoint} under {newest.name}", arrays)
    left_out = _left_out(settings.input.topic, good, newest.notes, asked.checkpoint, at)
    notes = msgspec.structs.replace(newest.notes, discarded=[*good.discarded, left_out], **done)
    return Loaded(newest.name, notes, None)


def _require_readable(good: Notes, first_offsets: Positions) -> None:
    for partition, first in first_offsets.items():
        position = good.input_positions.get(partition, first)
        if position < first:
            raise Fatal(
                f"what came after version {good.version} cannot be learned again: partition {partition} of the input "
                f"begins at {first} by now, and it would be read from {position}. Roll back without --relearn"
            )


def _left_out(topic: str, good: Notes, newest: Notes, checkpoint: str, at: str) -> dict[str, Any]:
    """As the manifest says it: per partition the first offset left out, and the one behind the last."""
    ranges: Mapping[str, list[int]] = {
        str(partition): [good.input_positions.get(partition, 0), end]
        for partition, end in sorted(newest.input_positions.items())
    }
    return {"input": {topic: ranges}, "at": at, "returned_to_version": good.version, "checkpoint": checkpoint}


class RollbackWatch:
    """Notices that a rollback is due: an operator asked for it, or versions have been held for too long."""

    def __init__(self, store: CheckpointStore, after_s: float, past: RolledBack, epoch: int) -> None:
        """`epoch`: of the writer that watches."""
        self._store = store
        self._epoch = epoch
        self._after_s = after_s
        self._past = past
        self._has_complained = False
        self.held_since_s = past.held_since_s

    def judged(self, hold: Hold | None, now_s: float) -> None:
        """A version was judged, at this wall time. The share limit never leads to a rollback."""
        if hold is None or hold.reason is Reason.SHARE:
            self.held_since_s = 0.0
        elif not self.held_since_s:
            self.held_since_s = now_s

    def is_due(self, version: int, now_s: float) -> bool:
        """Whether the term has to end so that the next one begins with a rollback; the request lies in the store.

        A model that is held again before it has published anything since is left to an operator.
        """
        if self._store.request() is not None:
            return True
        if not self.held_since_s or now_s - self.held_since_s < self._after_s:
            return False
        name = requests.last_good(requests.readable(self._store))
        if name is None or self._past.at_version == version:
            self._complain("there is no good checkpoint" if name is None else "the last rollback did not help")
            return False
        request = RollbackRequest(id=uuid.uuid4().hex, checkpoint=name, by=HELD_TOO_LONG, epoch=self._epoch)
        try:
            self._store.put_request(requests.encode(request))
        except OSError as error:  # readers have the last good version; asked again in a moment
            self._complain(f"the rollback cannot be asked for: {error}")
            return False
        return True

    def _complain(self, why: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            logger.error("versions stay held", extra={"why": f"{why}; see `freshrank checkpoints` and `rollback --to`"})
