"""A promotion: the live model goes on from what a replay has learned, under its own name, epochs and versions.

What readers hold is read in full and compared with the new state, so what that doesn't have gets a tombstone. Input
behind the replay's positions is learned before anything is published (`Recovered.publish_from`), and dead letters that
the live worker has written already are not written again. The newest checkpoint of the live model stays as it is: a
rollback returns to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from consumer.checkpoints import contents, requests
from consumer.checkpoints.contents import UNPROVEN, Notes
from consumer.checkpoints.loading import AllState, Loaded
from consumer.checkpoints.requests import PromotionRequest
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.ports import CheckpointStore
from consumer.settings import Settings

logger = logging.getLogger(__name__)


def promoted(
    store: CheckpointStore,
    settings: Settings,
    state: AllState,
    request: bytes,
    bounds: Callable[[], Mapping[int, tuple[int, int]]],
) -> Loaded | None:
    """Bring the state to what the request asks for, if it asks for a promotion that isn't done yet. `bounds` tells
    where each partition of the input begins and ends.

    None, with the state unchanged, where there is nothing to be done or where it cannot be; that is said in the log.
    """
    try:
        asked = requests.decode(request)
        if not isinstance(asked, PromotionRequest):
            return None
        live = requests.newest(store)
        if live is not None and live.request == asked.id:
            return None
        before = requests.worth_returning_to(store)
        replay = store.replay(asked.replay)
        notes = contents.decode(asked.checkpoint, replay.notes(asked.checkpoint))
        require_same_settings(asked.checkpoint, notes, settings)
        _require_readable(notes, bounds())
        state.restore(asked.checkpoint, replay.arrays(asked.checkpoint))
    except (CorruptCheckpoint, Fatal) as error:
        logger.error("promotion not possible", extra={"why": str(error)})
        return None
    state.gate.go_on_as_another(int(state.trainer.cases.n_cases[0]), has_published=live is not None)
    logger.warning("promoted", extra={"replay": asked.replay, "checkpoint": asked.checkpoint, "by": asked.by})
    taken_over = msgspec.structs.replace(_as_live(notes, live, settings), request=asked.id, before_promotion=before)
    return Loaded(asked.checkpoint, taken_over, None)


def require_same_settings(checkpoint: str, notes: Notes, settings: Settings) -> None:
    """Raise Fatal, naming each change, unless the replay learned the live input with the live settings."""
    contents.check_binding(checkpoint, {**notes.binding, "model": settings.model}, settings)


def _require_readable(notes: Notes, bounds: Mapping[int, tuple[int, int]]) -> None:
    for partition, position in notes.input_positions.items():
        first, end = bounds.get(partition, (0, 0))
        if not first <= position <= end:
            raise Fatal(
                f"what came in behind it cannot be read: it has learned partition {partition} of the input up to "
                f"{position}, and the log holds {first} to {end}. Retention has deleted records meanwhile, or the "
                "topic was made anew"
            )


def _as_live(notes: Notes, live: Notes | None, settings: Settings) -> Notes:
    """Positions and time are the replay's, what concerns epochs, versions and output the live model's."""
    return msgspec.structs.replace(
        notes,
        epoch=live.epoch if live else 0,
        version=live.version if live else 0,
        reserved_version=live.reserved_version if live else 0,
        output_partitions=live.output_partitions if live else {},
        binding=contents.binding_of(settings),
        verdict=UNPROVEN,
    )
