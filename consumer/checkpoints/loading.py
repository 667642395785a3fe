"""Finds the newest usable checkpoint and brings it into memory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.fitting import Columns, fitting_tables, require_consistent, require_fitting_small
from consumer.errors import CorruptCheckpoint
from consumer.events.admission import Admission
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.learning.trainer import Trainer
from consumer.models.state import ModelState
from consumer.ports import CheckpointStore
from consumer.settings import Settings
from consumer.snapshots.gate_state import GateState
from consumer.snapshots.published import PublishedRows
from consumer.tables import Array, Table

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AllState:
    """Every part of the state that a checkpoint holds."""

    admission: Admission
    model: ModelState
    trainer: Trainer
    budget: DeadLetterBudget
    published: PublishedRows
    gate: GateState = field(default_factory=GateState)

    @property
    def n_bytes(self) -> int:
        """Size of all arrays."""
        others = (self.admission.table(), self.published.table(self.model.n_item_rows))
        return self.model.n_bytes + sum(array.nbytes for table in others for array in table.arrays.values())

    def row_counts(self) -> Mapping[str, int]:
        """Rows by kind, for metrics."""
        return {
            "items": self.model.n_items,
            "users": self.model.n_users,
            "event_ids": self.admission.n_ids,
            "departed_items": len(self.published.departed),
        }

    def tables(self) -> Mapping[str, Table]:
        return {
            **self.model.tables(),
            "published": self.published.table(self.model.n_item_rows),
            "window": self.admission.table(),
        }

    def small(self) -> Mapping[str, Array]:
        return {
            **self.model.small(),
            **self.admission.small(),
            **self.trainer.small(),
            **self.budget.small(),
            **self.published.small(),
            **self.gate.small(),
        }

    def require_fitting(self, name: str, arrays: Mapping[str, Array]) -> Columns:
        """The columns of a checkpoint's tables. Raises CorruptCheckpoint unless `restore` could take all of it over."""
        tables = fitting_tables(name, arrays, self.tables())
        require_fitting_small(name, arrays, self.small())
        require_consistent(name, tables, arrays)
        return tables

    def restore(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Take over a checkpoint's arrays. Raises CorruptCheckpoint, with nothing changed, if they don't fit."""
        tables = self.require_fitting(name, arrays)
        self.model.restore(tables, arrays)
        self.published.restore(tables["published"], arrays)
        self.admission.restore(tables["window"], arrays)
        self.trainer.restore(arrays)
        self.budget.restore(arrays)
        self.gate.restore(arrays)


@dataclass(frozen=True, slots=True)
class Loaded:
    name: str
    notes: Notes
    base: str | None
    """The checkpoint whose arrays the state still has; None: it was put together from several."""


def notes_of(store: CheckpointStore, settings: Settings, name: str) -> Notes:
    """Raises CorruptCheckpoint, or Fatal if it was learned with other binding settings."""
    notes = contents.decode(name, store.notes(name))
    contents.check_binding(name, notes.binding, settings)
    return notes


def load(store: CheckpointStore, settings: Settings, state: AllState, name: str) -> Loaded:
    """Restore this checkpoint. Raises CorruptCheckpoint, or Fatal if it was learned with other binding settings."""
    notes = notes_of(store, settings, name)
    state.restore(name, store.arrays(name))
    return Loaded(name, notes, name)


def load_newest(store: CheckpointStore, settings: Settings, state: AllState) -> Loaded | None:
    """Restore the newest checkpoint that is whole, skipping damaged ones with a warning; None if there is none.

    Raises Fatal if that checkpoint was learned with other binding settings.
    """
    for name in reversed(store.names()):
        try:
            return load(store, settings, state, name)
        except CorruptCheckpoint as error:
            logger.warning("checkpoint skipped", extra={"checkpoint": name, "why": str(error)})
    return None
