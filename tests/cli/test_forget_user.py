"""`freshrank forget-user`: whom it asks to forget, and what it says. The work: tests/worker/test_forgetting.py."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from consumer.checkpoints import contents, erasures
from consumer.checkpoints.local_store import LocalStore
from consumer.events.hashing import hash_text
from consumer.settings import Settings
from tests.checkpoints.states import notes_of
from tests.checkpoints.stores import save
from tests.cli.conftest import Freshrank

IDS = ["ann", "bob of nowhere", "zoë"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalStore:
    """A model's, with one checkpoint; its input ends at 1,234."""
    folder = tmp_path / "checkpoints"
    monkeypatch.setenv("FRESHRANK__CHECKPOINTS__DIRECTORY", str(folder))
    monkeypatch.setattr("consumer.kafka.starting_points.end_of_input", lambda settings, counts_open: {0: 1_234})
    store = LocalStore(folder)
    save_one(store, forgotten=0)
    return store


def save_one(store: LocalStore, forgotten: int) -> None:
    notes = msgspec.structs.replace(notes_of(Settings()), forgotten=forgotten)
    save(store, contents.name_of(notes), {}, contents.encode(notes))


def asked(store: LocalStore) -> list[list[int]]:
    ((number, erasure),) = erasures.requests_after(store, 0)
    assert (number, erasure.positions) == (1, {0: 1_234})
    return [list(key) for key in erasure.keys.tolist()]


HASHES = [list(hash_text(user.encode())) for user in IDS]


def test_ids_are_taken_as_arguments_from_a_file_and_from_stdin(
    freshrank: Freshrank, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ids").write_text("bob of nowhere\n\nzoë\n", encoding="utf-8")
    ended = freshrank("forget-user", "ann", "--file", tmp_path / "ids", "--wait", 0)
    assert (ended.code, ended.err) == (0, "")
    assert "asked to forget 3 users (request 1)" in ended.out
    assert asked(store) == HASHES
    store.drop_erasures([1])
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(IDS)))
    assert "asked to forget 3 users (request 2)" in freshrank("forget-user", "--file", "-", "--wait", 0).out


def test_without_a_worker_it_stays_asked_for(freshrank: Freshrank, store: LocalStore) -> None:
    ended = freshrank("forget-user", "ann", "--wait", 0)
    assert "not all checkpoints have forgotten them yet; a worker sees to it when it runs" in ended.out


def test_it_is_done_once_every_checkpoint_says_so(freshrank: Freshrank, store: LocalStore) -> None:
    for name in store.names():
        store.remove(name)
    save_one(store, forgotten=1)
    assert "done: neither the worker's state nor any checkpoint of it holds them" in freshrank("forget-user", "ann").out


def test_nothing_says_who(freshrank: Freshrank, store: LocalStore, tmp_path: Path) -> None:
    ended = freshrank("forget-user", "marker-of-a-user", "--wait", 0)
    assert "marker" not in ended.out + ended.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"marker" in path.read_bytes()] == []


def test_nobody_named_is_wrong_usage(freshrank: Freshrank, store: LocalStore, tmp_path: Path) -> None:
    ended = freshrank("forget-user")
    assert (ended.code, ended.out) == (2, "")
    assert "name the users to be forgotten" in ended.err
    ended = freshrank("forget-user", "--file", tmp_path / "nothing")
    assert ended.code == 2
    assert "cannot be read" in ended.err
    assert erasures.requests_after(store, 0) == []
