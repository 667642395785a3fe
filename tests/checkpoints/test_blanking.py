"""Taking a user out of a state leaves nothing of him, and of everybody else everything."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.checkpoints import blanking
from consumer.events.hashing import hash_text
from consumer.messages import UInt64Array
from consumer.settings import Settings
from consumer.tables import Array
from tests.checkpoints.states import arrays_of, learn, new_state
from tests.checkpoints.traces import history, traces
from tests.streams import WITH_ALL, WITH_KNN, WITH_NEURAL, Event, busy_stream, small_settings

KNN = small_settings(models=WITH_KNN)
ALL = small_settings(models=WITH_ALL)
NEURAL = {**WITH_NEURAL, "neural": {**WITH_NEURAL["neural"], "replay_examples": 4_096}}
OF_ALL = {"sessions": "keys", "examples": "user"}
OTHERS = [f"user-{n}" for n in range(6)]
NAMED = tuple(f"s-{n}" for n in range(20))


def keys_of(*users: str) -> UInt64Array:
    return np.array([hash_text(user.encode()) for user in users], np.uint64)


def learned(settings: Settings) -> dict[str, Array]:
    """Of six users and of bob, who comes by now and then, with and without sessions that have a name."""
    rows = busy_stream(3, 900, n_items=40, n_users=6)
    for n in range(0, 900, 15):
        rows.insert(n, Event(f"item-{n % 11}", user="bob", at_s=5.0 * n, session=NAMED[n // 50] if n % 2 else None))
    state = new_state(settings)
    learn(state, rows)
    return arrays_of(state)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(KNN, id="session_knn"),
        pytest.param(ALL, id="all members"),
        pytest.param(small_settings(), id="default members"),
        pytest.param(small_settings(models=NEURAL), id="neural", marks=pytest.mark.neural),
    ],
)
def test_nothing_is_left_of_him_and_nobody_else_changes(settings: Settings) -> None:
    arrays = learned(settings)
    before = {name: array.copy() for name, array in arrays.items()}
    others = {user: (traces(arrays, user), history(arrays, user)) for user in OTHERS}
    his = {"users", "cases"} | {table for table in ("sessions", "examples") if f"{table}.{OF_ALL[table]}" in arrays}
    assert traces(arrays, "bob", NAMED) == his
    changed = blanking.blank(keys_of("bob"), arrays)
    assert traces(arrays, "bob", NAMED) == set()
    assert {user: (traces(arrays, user), history(arrays, user)) for user in OTHERS} == others
    for name, array in arrays.items():
        table, column = name.split(".", 1)
        is_his = column in blanking.BLANK.get(table, {}) or (table in blanking.BLANK and column == blanking.KEYS)
        rows = changed[table] if is_his else np.zeros(0, np.int64)
        assert np.delete(array, rows, axis=0).tobytes() == np.delete(before[name], rows, axis=0).tobytes(), name


def test_a_state_without_him_can_be_taken_up_and_goes_on() -> None:
    arrays = learned(ALL)
    blanking.blank(keys_of("bob", "user-1"), arrays)
    state = new_state(ALL)
    state.restore("blanked", arrays)
    learn(state, [Event("item-1", user="bob", at_s=9_000.0), Event("item-2", user="bob", at_s=9_001.0)])
    after = arrays_of(state)
    assert history(after, "bob") == ["item-1", "item-2"]


def test_what_was_his_and_is_not_yet_given_to_another_is_blanked_too() -> None:
    state = new_state(small_settings(models=WITH_KNN, users={"max_users": 100, "history": 10, "user_ttl_s": 60.0}))
    learn(state, [Event("item-1", user="bob"), Event("item-1", user="carl"), Event("item-2", user="ann", at_s=5_000.0)])
    arrays = arrays_of(state)
    assert state.model.n_users == 1
    assert "users" in traces(arrays, "bob")
    blanking.blank(keys_of("bob"), arrays)
    assert traces(arrays, "bob") == set()


def test_of_a_user_who_is_not_there_nothing_changes() -> None:
    arrays = learned(ALL)
    before = {name: array.tobytes() for name, array in arrays.items()}
    assert blanking.blank(keys_of("nobody", "neither"), arrays) == {}
    assert {name: array.tobytes() for name, array in arrays.items()} == before


def test_rows_of_nobody_have_keys_of_their_own() -> None:
    arrays = learned(KNN)
    rows = blanking.blank(keys_of(*OTHERS, "bob"), arrays)
    for table in ("users", "sessions"):
        keys = [str(key) for key in arrays[f"{table}.keys"][rows[table]].tolist()]
        assert len(set(keys)) == len(keys) > 0
