"""Which checkpoints stay: the newest, and always a good one to return to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.checkpoints import requests
from consumer.checkpoints.local_store import REQUEST, LocalStore
from consumer.checkpoints.retention import Fact, kept
from consumer.errors import Fatal

ANCHOR_S = 3_600.0


def facts(*verdicts: bool, every_s: float = 30.0) -> list[Fact]:
    return [Fact(f"checkpoint-{n:04d}", n * every_s, is_good) for n, is_good in enumerate(verdicts)]


def test_the_newest_stay() -> None:
    assert kept(facts(False, False, False), 2, ANCHOR_S, 60.0) == {"checkpoint-0001", "checkpoint-0002"}


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_the_last_good_one_stays_however_many_bad_ones_follow(verdicts: list[bool]) -> None:
    found = facts(*verdicts)
    good = [fact.name for fact in found if fact.is_good]
    assert set(good[-1:]) <= kept(found, 2, ANCHOR_S, found[-1].saved_at_s)


def test_pruned_again_and_again_a_good_one_of_an_hour_or_two_ago_is_there() -> None:
    here: list[Fact] = []
    for n in range(1_000):
        here.append(Fact(f"checkpoint-{n:04d}", 30.0 * n, is_good=True))
        staying = kept(here, 3, ANCHOR_S, 30.0 * n)
        here = [fact for fact in here if fact.name in staying]
        assert len(here) <= 5
        if 30.0 * n >= ANCHOR_S:
            assert ANCHOR_S <= 30.0 * n - here[0].saved_at_s <= 2 * ANCHOR_S + 30.0


def test_what_a_rollback_will_need_stays() -> None:
    assert "checkpoint-0000" in kept(facts(False, False, False), 1, ANCHOR_S, 60.0, ["checkpoint-0000"])


def test_a_request_lies_beside_the_checkpoints_until_it_is_dropped(tmp_path: Path) -> None:
    store, other = LocalStore(tmp_path), LocalStore(tmp_path)
    assert store.request() is None
    store.put_request(b"one")
    store.put_request(b"two")
    assert other.request() == b"two"
    assert other.names() == []
    other.drop_request()
    other.drop_request()
    assert store.request() is None


def test_a_request_that_cannot_be_read_is_there_and_can_be_dropped(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / REQUEST).symlink_to(tmp_path / REQUEST)  # a loop: whoever runs this test, reading it fails
    assert store.request() == b""
    with pytest.raises(Fatal, match="may not read it"):
        requests.decode(b"")
    store.drop_request()
    assert store.request() is None


def test_a_request_that_cannot_be_written_leaves_no_file_behind(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    (tmp_path / REQUEST).mkdir()
    with pytest.raises(OSError, match="directory"):
        store.put_request(b"one")
    assert [path.name for path in tmp_path.iterdir()] == [REQUEST]
