"""Whether a replay may be promoted, asked before anybody is bothered with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.local_store import LocalStore
from consumer.checkpoints.lock import locked
from consumer.errors import Fatal
from consumer.promotions import require_same_settings
from consumer.replay.plan import ReplayPlan, read_plan, replay_settings
from consumer.settings import Settings


@dataclass(frozen=True, slots=True)
class Finished:
    """A replay that is done: its newest checkpoint, and of what it is."""

    name: str
    checkpoint: str
    notes: Notes
    plan: ReplayPlan

    def is_of(self, live: Settings) -> bool:
        """Whether it read the live input itself, so that its positions are positions there."""
        return self.plan.topic == live.input.topic

    def require_settings(self, live: Settings) -> None:
        """Raise Fatal, naming each change, unless it was learned with the live settings."""
        binding = {**self.notes.binding, "input.topic": live.input.topic}
        require_same_settings(self.checkpoint, msgspec.structs.replace(self.notes, binding=binding), live)


def finished_replay(store: LocalStore, live: Settings, name: str) -> Finished:
    """Raises Fatal where the replay is running, unfinished, or under other settings than the live ones."""
    of_replay = store.replay(name)
    directory = Path(replay_settings(live, name).checkpoints.directory)
    with locked(directory, name):
        plan, names = read_plan(directory), of_replay.names()
        if plan is None or not names:
            raise Fatal(f"the replay {name} has learned nothing yet; run it with `freshrank replay --name {name}`")
        notes = contents.decode(names[-1], of_replay.notes(names[-1]))
    n_left = plan.n_left(notes.input_positions)
    if n_left:
        raise Fatal(
            f"the replay {name} is not finished: {n_left:,} of {plan.n_offsets:,} offsets are left. Start it again to "
            "go on with it"
        )
    finished = Finished(name, names[-1], notes, plan)
    finished.require_settings(live)
    return finished
