"""What is learned depends on the stream alone: not on batches, on stops, or on what the caller does with arrays."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events.admission import AdmittedBatch
from consumer.messages import SHARED_BY_ALL, Outcome
from consumer.models.neural import N_STEPS
from consumer.settings import Settings
from tests.learning.states import World, differences
from tests.streams import WITH_ALL, WITH_NEURAL, Event, admitted, busy_stream, part_of_admitted, small_settings, streams

SETTINGS = small_settings()
TIGHT = small_settings(
    catalogue={"max_items": 100, "item_ttl_s": 4_000.0},
    users={"max_users": 100, "history": 10, "user_ttl_s": 3_000.0},
    evaluation={"sample_one_in": 7},
)
EVERY = small_settings(models=WITH_ALL)
TIGHT_EVERY = TIGHT.model_copy(update={"models": EVERY.models})
ROOMY = small_settings(catalogue={"max_items": 3_000}, users={"max_users": 3_000}, evaluation={"sample_one_in": 7})
ROOMY_EVERY = ROOMY.model_copy(update={"models": EVERY.models})
NEURAL = small_settings(models=WITH_NEURAL)
TIGHT_NEURAL = TIGHT.model_copy(update={"models": NEURAL.models})
ROOMY_NEURAL = ROOMY.model_copy(update={"models": NEURAL.models})


SETTINGS_OF_MEMBERS = pytest.mark.parametrize(
    "settings",
    [
        pytest.param(SETTINGS, id="default"),
        pytest.param(EVERY, id="every member"),
        pytest.param(NEURAL, id="neural", marks=pytest.mark.neural),
    ],
)


def evicting() -> AdmittedBatch:
    """Many more items and users than fit, ids that get longer, and some late events."""
    rows = busy_stream(seed=5, n=3_000, n_items=700, n_users=400)
    rows = [row._replace(item=row.item + "-" * (i // 60)) if i % 50 == 0 else row for i, row in enumerate(rows)]
    batch = admitted(rows)
    batch.outcome[::40] = int(Outcome.LATE_POPULARITY_ONLY)
    batch.outcome[::71] = int(Outcome.DUPLICATE)
    return batch


def growing() -> AdmittedBatch:
    """More items and users than the first tables hold."""
    rows = [Event(f"item-{i * 7 % 1_500}", f"user-{i % 1_700}", at_s=float(i)) for i in range(4_000)]
    return admitted(rows)


CROWDED = pytest.mark.parametrize(
    ("settings", "batch"),
    [
        pytest.param(TIGHT, evicting(), id="evicting"),
        pytest.param(TIGHT_EVERY, evicting(), id="evicting, every member"),
        pytest.param(TIGHT_NEURAL, evicting(), id="evicting, neural", marks=pytest.mark.neural),
        pytest.param(ROOMY, growing(), id="growing"),
        pytest.param(ROOMY_EVERY, growing(), id="growing, every member"),
        pytest.param(ROOMY_NEURAL, growing(), id="growing, neural", marks=pytest.mark.neural),
    ],
)


@SETTINGS_OF_MEMBERS
@given(rows=streams(), places=st.lists(st.integers(0, 40), max_size=4))
def test_cutting_a_stream_into_batches_changes_nothing(
    settings: Settings, rows: list[Event], places: list[int]
) -> None:
    batch = admitted(rows)
    assert differences(World(settings).learn(batch), World(settings).learn(batch, places)) == []


@pytest.mark.neural
def test_growing_changes_no_number_of_a_network() -> None:
    batch = growing()
    grown, roomy = World(ROOMY_NEURAL), World(ROOMY_NEURAL)
    roomy.model.grow_items(4_096)
    assert differences(grown.learn(batch), roomy.learn(batch)) == []
    assert grown.model.neural.counts[N_STEPS] > 100


@pytest.mark.parametrize("step", [1, 97, 1_000])
@CROWDED
def test_cutting_changes_nothing_where_rows_are_recycled_and_tables_grow(
    settings: Settings, batch: AdmittedBatch, step: int
) -> None:
    whole, pieces = World(settings).learn(batch), World(settings).learn(batch, range(0, len(batch.outcome), step))
    assert differences(whole, pieces) == []


@SETTINGS_OF_MEMBERS
@given(rows=streams(), place=st.integers(0, 40))
def test_stopping_anywhere_and_going_on_from_a_checkpoint_changes_nothing(
    settings: Settings, rows: list[Event], place: int
) -> None:
    batch, place = admitted(rows), min(place, len(rows))
    stopped = World(settings).learn(part_of_admitted(batch, 0, place))
    resumed = World(settings).restore(stopped.saved()).learn(part_of_admitted(batch, place, len(rows)))
    assert differences(resumed, World(settings).learn(batch)) == []


@pytest.mark.parametrize("step", [10, 333])
@CROWDED
def test_stopping_again_and_again_changes_nothing_where_rows_are_recycled_and_tables_grow(
    settings: Settings, batch: AdmittedBatch, step: int
) -> None:
    world = World(settings)
    for start in range(0, len(batch.outcome), step):
        world = World(settings).restore(world.saved()).learn(part_of_admitted(batch, start, start + step))
    assert differences(world, World(settings).learn(batch)) == []


def test_restored_state_does_not_share_memory_with_what_it_was_restored_from() -> None:
    batch = evicting()
    saved = World(TIGHT).learn(batch).saved()
    world = World(TIGHT).restore(saved)
    for columns in (*saved.tables.values(), saved.small):
        for array in columns.values():
            array[...] = 0
    assert differences(world, World(TIGHT).learn(batch)) == []


@CROWDED
def test_a_checkpoint_that_takes_only_marked_rows_is_complete(settings: Settings, batch: AdmittedBatch) -> None:
    world = World(settings)
    kept: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
    for start in range(0, len(batch.outcome), 150):
        world.learn(part_of_admitted(batch, start, start + 150))
        for name, table in world.model.tables().items():
            marked = np.flatnonzero(table.dirty[: table.n_rows])
            for column, array in table.arrays.items():
                old = kept.get((name, column), array[:0])
                grown = np.zeros((table.n_rows, *array.shape[1:]), array.dtype)
                if old.shape[1:] == array.shape[1:]:  # wider ids: every row is marked
                    grown[: len(old)] = old
                grown[marked] = array[marked]
                kept[name, column] = grown
            table.dirty[:] = 0
    for name, columns in world.saved().tables.items():
        for column, array in columns.items():
            assert kept[name, column].tobytes() == array.tobytes(), (name, column)


def test_a_batch_is_neither_changed_nor_kept() -> None:
    batch = evicting()
    columns = {f.name: np.copy(getattr(batch.events, f.name)) for f in fields(batch.events) if f.name != "features"}
    first, second = (part_of_admitted(batch, *bounds) for bounds in ((0, 1_500), (1_500, 3_000)))
    world = World(TIGHT).learn(first)
    for name, before in columns.items():
        assert np.array_equal(getattr(batch.events, name), before, equal_nan=before.dtype.kind == "f"), name
    throw_away = replace(
        first.events, **{name: np.zeros_like(getattr(first.events, name)) for name in columns if name != "topic_hash"}
    )
    for name in columns:
        if name not in ("topic_hash", "text"):
            getattr(first.events, name)[:] = getattr(throw_away, name)
    assert differences(world.learn(second), World(TIGHT).learn(evicting())) == []


@pytest.mark.parametrize("outcome", [Outcome.WRONG_TYPE, Outcome.LATE, Outcome.IGNORED_TYPE])
def test_what_was_not_admitted_is_passed_over_whatever_its_columns_hold(outcome: Outcome) -> None:
    rows = busy_stream(seed=1, n=50, n_items=5, n_users=5)
    batch = admitted(rows)
    batch.outcome[10] = int(outcome)
    batch.events.event_type[10] = 9_999
    batch.events.item_start[10] = -5
    batch.events.item_length[10] = 2**30
    others = np.arange(50) != 10
    events = replace(
        batch.events,
        **{f.name: getattr(batch.events, f.name)[others] for f in fields(batch.events) if f.name not in SHARED_BY_ALL},
    )
    without = AdmittedBatch(events, batch.outcome[others], batch.watermark_ms[others])
    assert differences(World(SETTINGS).learn(batch), World(SETTINGS).learn(without)) == []
