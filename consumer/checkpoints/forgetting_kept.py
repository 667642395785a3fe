"""Takes forgotten users out of checkpoints that are kept: each is written anew, under its name, with new checksums."""

from __future__ import annotations

import logging

import msgspec
import numpy as np

from consumer.checkpoints import blanking, contents, erasures
from consumer.checkpoints.contents import Notes
from consumer.errors import CorruptCheckpoint
from consumer.messages import Int64Array
from consumer.ports import CheckpointStore
from consumer.tables import Array

logger = logging.getLogger(__name__)


def forget_in_kept(ledger: CheckpointStore, store: CheckpointStore, saved: Notes) -> bool:
    """Bring the checkpoints of `store` to where the one saved last is; those of a later epoch are a successor's.

    `ledger` has the requests. One that is damaged cannot be written anew, and is removed. False where the medium
    failed, which is told: call it again after the next save.
    """
    is_done = True
    if saved.forgotten == 0:
        return is_done
    for name in store.names():
        try:
            if contents.epoch_of(name) <= saved.epoch:
                _forget_in(ledger, store, name, saved.forgotten)
        except CorruptCheckpoint as error:
            logger.warning("checkpoint removed", extra={"checkpoint": name, "why": str(error)})
            store.remove(name)
        except OSError as error:
            is_done = False
            logger.error("checkpoint still holds forgotten users", extra={"checkpoint": name, "why": str(error)})
    return is_done


def forget_everywhere(store: CheckpointStore, saved: Notes) -> bool:
    """The same for the model's own checkpoints and those of its replays. One that a process goes on with is left to
    that process."""
    is_done = forget_in_kept(store, store, saved)
    for name in store.replays() if saved.forgotten else ():
        with store.idle_replay(name) as replay:
            is_done &= replay is None or forget_in_kept(store, replay, saved)
    return is_done


def _forget_in(ledger: CheckpointStore, store: CheckpointStore, name: str, through: int) -> None:
    notes = contents.decode(name, store.notes(name))
    if notes.forgotten >= through:
        return
    asked = [one.erasure.keys for one in erasures.requests_after(ledger, notes.forgotten) if one.number <= through]

    def array(wanted: str) -> Array | None:
        return store.array(name, wanted)

    rows: dict[str, Int64Array] = {}
    if asked:
        rows = blanking.rows_of(np.concatenate(asked), array)
    changes = {changed: (at, values) for changed, at, values in blanking.blanked(rows, array)}
    store.rewrite(name, changes, contents.encode(msgspec.structs.replace(notes, forgotten=through)))
    logger.info("users forgotten in a kept checkpoint", extra={"checkpoint": name})
