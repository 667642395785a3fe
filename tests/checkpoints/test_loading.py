"""Finding the newest usable checkpoint, and refusing what does not fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoints import contents, loading
from consumer.checkpoints.loading import AllState
from consumer.checkpoints.local_store import LocalStore
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.settings import Settings
from consumer.tables import Array
from tests.checkpoints.states import arrays_of, learn, new_state, notes_of, publish
from tests.checkpoints.stores import flip_bit, require_same
from tests.fakes.checkpoints import FakeDisk, FakeStore, StoredCheckpoint
from tests.streams import WITH_ALL, WITH_KNN, WITH_LINEAR, WITH_NEURAL, busy_stream, small_settings

SETTINGS = small_settings(catalogue={"max_items": 100, "item_ttl_s": 2_000.0})
ROWS = busy_stream(seed=5, n=400, n_items=120, n_users=30, step_s=20.0)


def learned_state(n: int = 300) -> AllState:
    state = new_state(SETTINGS)
    for start in range(0, n, 50):
        learn(state, ROWS[start : start + 50])
        publish(state, SETTINGS, start // 50 + 1)
    return state


def store_with(*states: AllState) -> tuple[FakeDisk, FakeStore]:
    """Versions 1, 2, … of these states."""
    disk = FakeDisk()
    for version, state in enumerate(states, start=1):
        notes = notes_of(SETTINGS, version)
        disk.complete[contents.name_of(notes)] = StoredCheckpoint(arrays_of(state), contents.encode(notes))
    return disk, FakeStore(disk)


def load(store: FakeStore | LocalStore, settings: Settings = SETTINGS) -> tuple[loading.Loaded | None, AllState]:
    state = new_state(settings)
    return loading.load_newest(store, settings, state), state


def test_where_there_is_none_nothing_is_loaded() -> None:
    loaded, state = load(FakeStore(FakeDisk()))
    assert loaded is None
    require_same(arrays_of(state), arrays_of(new_state(SETTINGS)))


def test_the_newest_one_is_restored_bit_for_bit_and_learning_goes_on_alike() -> None:
    older, newer = learned_state(100), learned_state(300)
    loaded, restored = load(store_with(older, newer)[1])
    assert loaded is not None
    assert loaded.notes.version == 2
    require_same(arrays_of(restored), arrays_of(newer))
    for state in (restored, newer):
        learn(state, ROWS[300:])
        publish(state, SETTINGS, 9)
    require_same(arrays_of(restored), arrays_of(newer))


def test_damaged_ones_are_skipped_with_a_warning_each(caplog: pytest.LogCaptureFixture) -> None:
    disk, store = store_with(learned_state(100), learned_state(200), learned_state(300))
    for name in sorted(disk.complete)[1:]:
        disk.damage(name)
    with caplog.at_level(logging.WARNING):
        loaded, restored = load(store)
    assert loaded is not None
    assert loaded.notes.version == 1
    assert [record.message for record in caplog.records] == ["checkpoint skipped"] * 2
    require_same(arrays_of(restored), arrays_of(learned_state(100)))


def test_where_all_are_damaged_nothing_is_loaded() -> None:
    disk, store = store_with(learned_state(100))
    disk.damage(*disk.complete)
    assert load(store)[0] is None


def test_a_flipped_bit_on_a_real_disk_costs_one_checkpoint(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for version, state in enumerate((learned_state(100), learned_state(200)), start=1):
        notes = notes_of(SETTINGS, version)
        store.begin(None)
        for name, array in arrays_of(state).items():
            store.write_array(name, array)
        store.commit(contents.name_of(notes), contents.encode(notes))
    flip_bit(tmp_path / store.names()[-1] / "items.weight")
    loaded, restored = load(store)
    assert loaded is not None
    assert loaded.notes.version == 1
    require_same(arrays_of(restored), arrays_of(learned_state(100)))


def _set(name: str, change: Callable[[Array], Array]) -> Callable[[dict[str, Array]], None]:
    def apply(arrays: dict[str, Array]) -> None:
        arrays[name] = change(arrays[name])

    return apply


def _filled(value: int) -> Callable[[Array], Array]:
    return lambda array: np.full_like(array, value)


MISFITS = {
    "items.weight is missing": lambda arrays: arrays.pop("items.weight"),
    "quality.ranks is missing": lambda arrays: arrays.pop("quality.ranks"),
    "items.weight is float64": _set("items.weight", lambda a: a.astype(np.float64)),
    "repeat.chance is float32": _set("repeat.chance", lambda a: a.astype(np.float32)),
    "fusion.chance is": _set("fusion.chance", lambda a: a[:, :-1].copy()),
    "items.neighbour is": _set("items.neighbour", lambda a: a[:, :-1].copy()),
    "the arrays of users differ in length": _set("users.head", lambda a: a[:-1].copy()),
    "items.neighbour point outside": _set("items.neighbour", _filled(1_000_000)),
    "items.size point outside": _set("items.size", _filled(9)),
    "items.text_length point outside": _set("items.text_length", _filled(999)),
    "users.items point outside": _set("users.items", _filled(-2)),
    "users.head point outside": _set("users.head", _filled(10)),
    "popularity.top point outside": _set("popularity.top", _filled(500)),
    "window.partitions point outside": _set("window.partitions", _filled(77)),
    "admission.clock point outside": _set("admission.clock", _filled(1 << 40)),
    "departed.length point outside": _set("departed.length", lambda a: np.array([*a, 5], a.dtype)),
    "detectors.n_buckets point outside": _set("detectors.width", _filled(5_000)),
    "detectors.n_buckets point": _set("detectors.n_buckets", _filled(7)),
    "items_index.counts point outside": _set("items_index.free", lambda a: np.array([*a, 3], a.dtype)),
    "users_index.counts point outside": _set("users.is_live", _filled(0)),
}


SESSION_MISFITS = {
    "sessions.keys is missing": lambda arrays: arrays.pop("sessions.keys"),
    "items.recent_head point outside": _set("items.recent_head", _filled(8)),
    "items.n_recent point outside": _set("items.n_recent", _filled(9)),
    "sessions.items point outside": _set("sessions.items", lambda a: np.where(a < 0, a, 1_000_000).astype(a.dtype)),
    "sessions.n_items point outside": _set("sessions.n_items", _filled(20)),
    "sessions.n_opened point outside": _set("sessions.n_opened", _filled(1)),
}


@pytest.mark.parametrize("complaint", SESSION_MISFITS)
def test_sessions_that_do_not_fit_are_refused_with_nothing_changed(complaint: str) -> None:
    settings = small_settings(models=WITH_ALL)
    learned, state = new_state(settings), new_state(settings)
    learn(learned, ROWS[:200])
    arrays, before = arrays_of(learned), arrays_of(state)
    SESSION_MISFITS[complaint](arrays)
    with pytest.raises(CorruptCheckpoint, match=f"checkpoint-x: .*{complaint}"):
        state.restore("checkpoint-x", arrays)
    require_same(arrays_of(state), before)


@pytest.mark.parametrize("complaint", MISFITS)
def test_arrays_that_do_not_fit_are_refused_with_nothing_changed(complaint: str) -> None:
    arrays = arrays_of(learned_state(200))
    MISFITS[complaint](arrays)
    state = learned_state(100)
    before = arrays_of(state)
    with pytest.raises(CorruptCheckpoint, match=f"checkpoint-x: .*{complaint}"):
        state.restore("checkpoint-x", arrays)
    require_same(arrays_of(state), before)


def test_notes_that_cannot_be_read_cost_one_checkpoint() -> None:
    disk, store = store_with(learned_state(100), learned_state(200))
    disk.complete[max(disk.complete)].notes = b'{"epoch": "seven"}'
    loaded, _ = load(store)
    assert loaded is not None
    assert loaded.notes.version == 1


@pytest.mark.parametrize(
    ("section", "change", "complaint"),
    [
        ("models", {"item_to_item": {"neighbours": 16}}, "models.item_to_item.neighbours was 8 and is now 16"),
        ("models", WITH_KNN, "models.session_knn.enabled was False and is now True"),
        ("models", WITH_LINEAR, "models.linear.enabled was False and is now True"),
        ("models", WITH_NEURAL, "models.neural.enabled was False and is now True"),
        ("users", {"history": 12}, "users.history was 10 and is now 12"),
        ("input", {"topic": "other"}, "input.topic was behaviour-events and is now other"),
        ("models", {"popularity": {"half_lives_s": [60.0]}}, r"half_lives_s was \(3600.0, 86400.0, 604800.0\) and is"),
        ("publish", {"scores_topic": "elsewhere"}, "publish.scores_topic was item-scores and is now elsewhere"),
    ],
)
def test_settings_that_shape_the_state_bind_a_checkpoint(
    section: str, change: dict[str, object], complaint: str
) -> None:
    _, store = store_with(learned_state(100))
    with pytest.raises(Fatal, match=rf"{complaint}.*--rebuild"):
        load(store, small_settings(**{section: change}))


def test_settings_that_do_no_harm_may_change() -> None:
    _, store = store_with(learned_state(300))
    changed = small_settings(
        catalogue={"max_items": 5_000, "item_ttl_s": 50_000.0},
        users={"max_users": 9_000},
        batch={"max_events": 10},
        publish={"related": 8, "tolerance": 0.3, "max_rows": 10},
        input={"lateness_s": 100.0, "event_types": {"view": 2, "cart": 3, "purchase": 4, "remove_from_cart": -1}},
        evaluation={"sample_one_in": 7},
    )
    loaded, restored = load(store, changed)
    assert loaded is not None
    learn(restored, ROWS[300:])


@pytest.mark.parametrize("section", [{"catalogue": {"max_items": 100}}, {"users": {"max_users": 100}}])
def test_a_lower_bound_may_be_set_and_takes_effect_with_the_next_events(section: dict[str, dict[str, int]]) -> None:
    roomy = small_settings(catalogue={"max_items": 5_000}, users={"max_users": 5_000})
    state = new_state(roomy)
    learn(state, [row._replace(item=f"item-{i}", user=f"user-{i}") for i, row in enumerate(ROWS)])
    _, store = store_with(state)
    lowered = small_settings(**{"catalogue": {"max_items": 5_000}, "users": {"max_users": 5_000}, **section})
    loaded, restored = load(store, lowered)
    assert loaded is not None
    learn(restored, [row._replace(offset=1_000 + i, at_s=9_000.0 + i) for i, row in enumerate(ROWS[:20])])
    assert restored.model.n_items <= lowered.catalogue.max_items
    assert restored.model.n_users <= lowered.users.max_users


def test_the_digest_follows_the_binding_settings_alone() -> None:
    digest = contents.digest_of(SETTINGS)
    assert digest == contents.digest_of(small_settings(batch={"max_events": 10}))
    assert digest != contents.digest_of(small_settings(users={"history": 12}))


@pytest.mark.parametrize("name", ["checkpoint-x-1-2", "checkpoint", "nonsense"])
def test_a_name_without_an_epoch_is_refused(name: str) -> None:
    with pytest.raises(CorruptCheckpoint, match="is not the name of a checkpoint"):
        contents.epoch_of(name)
