"""All state of a worker that learns, for checkpoints: learned, admitted, published."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.loading import AllState
from consumer.events.admission import Admission
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.learning.trainer import Trainer
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import confirm, cut
from consumer.tables import Array
from tests.streams import Event, event_batch


def new_state(settings: Settings) -> AllState:
    model, published = ModelState(settings), PublishedRows()
    trainer = Trainer(settings, model, lambda rows: published.depart(model, rows))
    return AllState(Admission(settings.input), model, trainer, DeadLetterBudget(settings.input.dead_letters), published)


def learn(state: AllState, rows: Sequence[Event]) -> None:
    """Admit and learn."""
    events = event_batch(rows)
    state.budget.take(events)
    state.trainer.learn(state.admission.admit(events))


def publish(state: AllState, settings: Settings, version: int) -> None:
    """Cut a version and take it for committed."""
    cut_version = cut(version, state.model, state.published, settings.publish, version, state.admission.watermark_ms)
    confirm(cut_version, state.model, state.published)


def arrays_of(state: AllState) -> dict[str, Array]:
    """A copy of everything that a checkpoint of this moment has to hold."""
    copied = {name: array.copy() for name, array in state.small().items()}
    for name, table in state.tables().items():
        copied.update({f"{name}.{column}": array[: table.n_rows].copy() for column, array in table.arrays.items()})
    return copied


def notes_of(settings: Settings, version: int = 1, epoch: int = 1, position: int = 0) -> Notes:
    return Notes(
        epoch=epoch,
        version=version,
        reserved_version=version + 100,
        input_positions={0: position},
        output_positions={},
        output_partitions={},
        dead_letter_positions={},
        watermark_ms=None,
        saved_at="2026-11-23T10:15:00.000Z",
        binding=contents.binding_of(settings),
    )
