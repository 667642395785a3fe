"""What a checkpoint of another deployment knows."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from consumer.checkpoints import contents
from consumer.checkpoints.local_store import NAME, LocalStore
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.messages import Int32Array, Int64Array
from consumer.models import item_to_item
from consumer.models.item_to_item import LANDMARK_MS
from consumer.models.knowledge import Chances, Counts, Knowledge, Network, Related
from consumer.models.state import ModelState
from consumer.ports import CheckpointStore
from consumer.settings import Settings
from consumer.term import new_state

_SHAPING = ("models.", "users.")


def read_checkpoint(path: Path) -> Knowledge:
    """`path`: one checkpoint, or a directory of them, of which the newest is taken. Raises Fatal if it is damaged."""
    if not path.is_dir():
        raise Fatal(f"{path} is no checkpoint: a directory was expected")
    if NAME.fullmatch(path.name):
        return knowledge_of(LocalStore(path.parent), path.name)
    store = LocalStore(path)
    names = store.names()
    if not names:
        raise Fatal(f"there is no checkpoint in {path}")
    return knowledge_of(store, names[-1])


def knowledge_of(store: CheckpointStore, name: str) -> Knowledge:
    """Restores it with the settings that it was learned with, so that all its checks apply."""
    try:
        notes = contents.decode(name, store.notes(name))
        state = new_state(_settings_of(name, notes.binding))
        state.restore(name, store.arrays(name))
    except CorruptCheckpoint as error:
        raise Fatal(f"this checkpoint cannot be started from: {error}. Name an older one, if there is one") from error
    return learned_by(state.model)


def _settings_of(name: str, binding: Mapping[str, str]) -> Settings:
    """The settings that shape the state, from the text in the notes."""
    sections: dict[str, Any] = {"publish": {"related": 1}}  # which may be no more than a row's neighbours
    try:
        for key, text in binding.items():
            if not key.startswith(_SHAPING):
                continue
            *path, last = key.split(".")
            section = sections
            for part in path:
                section = section.setdefault(part, {})
            section[last] = ast.literal_eval(text)
        return Settings.model_validate(sections)
    except (ValueError, SyntaxError) as error:
        raise CorruptCheckpoint(f"{name}: the settings in its notes cannot be understood: {error}") from error


def learned_by(model: ModelState) -> Knowledge:
    """What a model knows about its live items, as of its latest event."""
    live = np.flatnonzero(model.items.is_live[: model.n_item_rows])
    seen_ms = model.items.seen_ms[live]
    as_of_ms = float(seen_ms.max(initial=0))
    return Knowledge(
        as_of_ms=as_of_ms,
        ids=model.item_ids(live),
        seen_ms=seen_ms,
        popularity=_counts(model, live, as_of_ms),
        item_to_item=_related(model, live, as_of_ms),
        repeat=Chances(model.repeat.chance.copy(), model.repeat.n_events.copy()),
        fusion=Chances(model.fusion.chance.copy(), model.fusion.n_samples.copy()),
        neural=_network(model, live),
    )


def _counts(model: ModelState, live: Int64Array, as_of_ms: float) -> Counts:
    arrays = model.popularity
    fresh = np.exp((np.nan_to_num(arrays.landmark_ms, nan=as_of_ms) - as_of_ms) / arrays.time_constant_ms)
    half_lives_s = model.settings.models.popularity.half_lives_s
    return Counts(half_lives_s, arrays.positive[live] * fresh, arrays.negative[live] * fresh, arrays.mixture.copy())


def _related(model: ModelState, live: Int64Array, as_of_ms: float) -> Related:
    arrays = model.item_to_item
    fresh = 1.0 if np.isnan(arrays.totals[LANDMARK_MS]) else 1.0 / item_to_item.gain(arrays, as_of_ms)
    place: Int32Array = np.full(len(arrays.counts) + 1, -1, np.int32)  # the last entry: of no item
    place[live] = np.arange(len(live), dtype=np.int32)
    weight = (arrays.weight[live] * fresh).astype(np.float32)
    return Related(place[arrays.neighbour[live]], weight, arrays.counts[live] * fresh)


def _network(model: ModelState, live: Int64Array) -> Network | None:
    """Vectors keep their length: it is what makes old ones move less."""
    if not model.settings.models.neural.enabled:
        return None
    items, encoder = model.neural.items, model.neural.encoder
    vector = items.vector[live] * (items.scale[live] > 0.0)[:, None]
    return Network(vector, type(encoder)(*(array.copy() for array in encoder)))
