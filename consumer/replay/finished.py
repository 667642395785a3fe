"""Whether a replay may be promoted, asked before anybody is bothered with it."""

from __future__ import annotations

from pathlib import Path

from consumer.checkpoints import contents
from consumer.checkpoints.local_store import LocalStore
from consumer.errors import Fatal
from consumer.promotions import require_same_settings
from consumer.replay.lock import locked
from consumer.replay.plan import read_plan, replay_settings
from consumer.settings import Settings


def finished_replay(store: LocalStore, live: Settings, name: str) -> str:
    """The checkpoint to go on from. Raises Fatal where the replay is running, unfinished, or of something else than the
    live input under the live settings."""
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
    require_same_settings(names[-1], notes, live)
    return names[-1]
