"""What `freshrank compare` may be given: the live model, a replay of it, or a checkpoint anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.loading import AllState
from consumer.checkpoints.local_store import NAME, LocalStore
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.settings import Settings
from consumer.term import new_state

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Compared:
    """A checkpoint, under the name it was asked for."""

    label: str
    checkpoint: str
    notes: Notes
    settings: Settings
    """The live ones, with those that shape the state as it was learned."""
    state: AllState


def load_compared(text: str, live: Settings) -> Compared:
    """`live` or the live model's name, a replay's name, or the directory of a checkpoint or of several, of which the
    newest is taken. Raises Fatal."""
    store, name = _found(text, live)
    try:
        notes = contents.decode(name, store.notes(name))
        settings = contents.shaped_by(name, live, notes.binding)
        _require_same_input(text, notes, live)
        state = new_state(settings)
        state.restore(name, store.arrays(name))
    except CorruptCheckpoint as error:
        raise Fatal(
            f"{text} cannot be compared: {error}. If its worker removed this checkpoint just now, ask again"
        ) from error
    return Compared(text, name, notes, settings, state)


def _found(text: str, live: Settings) -> tuple[LocalStore, str]:
    directory, path = Path(live.checkpoints.directory), Path(text)
    if path.is_dir() and NAME.fullmatch(path.name):
        return LocalStore(path.parent), path.name
    if text in (LIVE, live.model):
        if not directory.is_dir():
            raise Fatal(f"the live model has no checkpoints: there is no directory {directory} (checkpoints.directory)")
        store = LocalStore(directory)
    elif path.is_dir():
        store = LocalStore(path)
    else:
        store = LocalStore(directory).replay(text)
    names = store.names()
    if not names:
        raise Fatal(f"{text} has no checkpoint yet")
    return store, names[-1]


def _require_same_input(text: str, notes: Notes, live: Settings) -> None:
    learned = notes.binding.get("input.topic")
    if learned != live.input.topic:
        raise Fatal(
            f"{text} learned {learned}, not {live.input.topic}: where it stands in the live stream is not known, so it "
            "cannot be asked about the same events as the other"
        )
