"""Requests to forget users: numbered, kept as long as something reaches back behind them, and never ids."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec
import pytest

from consumer.checkpoints import contents, erasures
from consumer.checkpoints.local_store import ERASURES, LocalStore
from consumer.events.hashing import hash_text
from consumer.ports import CheckpointStore
from consumer.settings import Settings
from tests.checkpoints.states import notes_of
from tests.checkpoints.stores import InMemory, Medium, OnDisk, save


@pytest.fixture(params=["memory", "disk"])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Medium:
    return InMemory() if request.param == "memory" else OnDisk(tmp_path)


def ask(store: CheckpointStore, *users: str, end: int = 100) -> int:
    return store.add_erasure(erasures.encode(erasures.erasure_of(users, {0: end}, 1_000)))


def numbers(store: CheckpointStore, after: int = 0) -> list[int]:
    return [request.number for request in erasures.requests_after(store, after)]


def save_one(store: CheckpointStore, version: int, forgotten: int) -> None:
    notes = msgspec.structs.replace(notes_of(Settings(), version), forgotten=forgotten)
    save(store, contents.name_of(notes), {}, contents.encode(notes))


def test_a_request_has_hashes_and_no_ids(medium: Medium) -> None:
    ask(medium.store(), "ann", "bob", "ann")
    ((_, data),) = medium.store().erasures(0)
    assert b"ann" not in data
    ((_, erasure),) = erasures.requests_after(medium.store(), 0)
    assert erasure.keys.tolist() == [list(hash_text(b"ann")), list(hash_text(b"bob"))]
    assert (erasure.positions, erasure.at_ms) == ({0: 100}, 1_000)


def test_they_are_numbered_in_the_order_in_which_they_were_asked(medium: Medium) -> None:
    assert [ask(medium.store(), f"user-{n}") for n in range(12)] == list(range(1, 13))
    assert numbers(medium.store()) == list(range(1, 13))
    assert numbers(medium.store(), after=10) == [11, 12]


def test_who_asks_at_the_same_time_gets_another_number(tmp_path: Path) -> None:
    given: list[int] = []

    def ask_often() -> None:
        given.extend(ask(LocalStore(tmp_path), f"user-{n}") for n in range(20))

    threads = [threading.Thread(target=ask_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 81))
    assert sorted(path.suffix for path in (tmp_path / ERASURES).iterdir()) == [".json"] * 80


def test_a_number_is_never_given_again(medium: Medium) -> None:
    for n in range(3):
        ask(medium.store(), f"user-{n}")
    medium.store().drop_erasures([1, 2, 3])
    assert [one.erasure.users for one in erasures.requests_after(medium.store(), 0)] == [[]]
    assert ask(medium.store(), "user-4") == 4


def test_one_that_cannot_be_read_is_told_and_forgets_nobody(medium: Medium, caplog: pytest.LogCaptureFixture) -> None:
    medium.store().add_erasure(b'{"users": ["no hash"], "positions": {}, "at_ms": 0}')
    with caplog.at_level(logging.ERROR):
        ((_, erasure),) = erasures.requests_after(medium.store(), 0)
    assert erasure.users == []
    assert "a request to forget users cannot be read" in caplog.text


@pytest.mark.parametrize(
    ("forgotten", "first_offset", "left"),
    [
        ((2, 2), 100, []),
        ((2, 2), 99, [1]),  # the input still has what came before
        ((1, 2), 100, []),  # the first one is settled, which is all that is asked here
        ((0, 2), 100, [1]),  # a checkpoint has not obeyed it
    ],
)
def test_it_stays_as_long_as_a_checkpoint_or_the_input_reaches_back_behind_it(
    medium: Medium, forgotten: tuple[int, int], first_offset: int, left: list[int]
) -> None:
    store = medium.store()
    ask(store, "ann", end=100)
    ask(store, "bob", end=1_000)
    for version, one in enumerate(forgotten, start=1):
        save_one(store, version, one)
    erasures.drop_settled(store, {0: first_offset})
    assert numbers(store) == [*left, 2]


def test_a_replay_that_reaches_back_behind_it_keeps_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    ask(store, "ann")
    ask(store, "bob")
    save_one(store, 1, 2)
    (tmp_path / "replays" / "again").mkdir(parents=True)
    save_one(store.replay("again"), 1, 0)
    erasures.drop_settled(store, {0: 5_000})
    assert numbers(store) == [1, 2]
