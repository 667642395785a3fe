"""Where a replay begins: at the start of a range captured now, or where an earlier process of its name left off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from consumer.checkpoints import loading
from consumer.checkpoints.loading import AllState
from consumer.errors import BadRequest, Fatal
from consumer.messages import Positions
from consumer.ports import CheckpointStore
from consumer.replay.plan import PLAN, ReplayPlan, read_plan, write_plan
from consumer.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    plan: ReplayPlan
    positions: Positions
    """Of every partition of the plan."""
    base: str | None
    """The checkpoint that the state holds."""
    forgotten: int = 0
    """The last request to forget users that it has obeyed."""


def begin(
    settings: Settings, store: CheckpointStore, state: AllState, asked: str, new_plan: Callable[[], ReplayPlan]
) -> Begun:
    """`settings` are the replay's own. Raises BadRequest where an earlier process was asked for another range."""
    directory = Path(settings.checkpoints.directory)
    plan = read_plan(directory)
    if plan is None:
        if store.names():
            raise Fatal(f"{directory} has checkpoints but no {PLAN} that says of what; --restart begins anew")
        plan = new_plan()
        write_plan(directory, plan)
    elif plan.asked != asked:
        raise BadRequest(
            f"the replay {settings.model} was begun for {plan.asked}, not for {asked}. Ask for the same to go on with "
            "it, give this one another --name, or begin anew with --restart"
        )
    loaded = loading.load_newest(store, settings, state)
    reached = loaded.notes.input_positions if loaded else {}
    positions = {p: max(start, reached.get(p, start)) for p, (start, _) in plan.ranges.items()}
    if loaded:
        logger.info("going on", extra={"checkpoint": loaded.name, "left": plan.n_left(positions)})
    return Begun(plan, positions, loaded.base, loaded.notes.forgotten) if loaded else Begun(plan, positions, None)


def forget(settings: Settings, store: CheckpointStore) -> None:
    """What an earlier replay of this name left is removed, its plan last: a process killed meanwhile is asked again."""
    for name in store.names():
        store.remove(name)
    (Path(settings.checkpoints.directory) / PLAN).unlink(missing_ok=True)
