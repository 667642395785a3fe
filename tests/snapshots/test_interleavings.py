"""However the partitions' records come in, a reader shows whole versions only, in their order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.snapshots.reader import BrokenSnapshot, SnapshotReader
from tests.snapshots.logs import (
    PARTITIONS,
    Follower,
    History,
    compacted,
    compactions,
    logs_of,
    orders,
    published_history,
)
from tests.snapshots.worlds import MANIFESTS, SCORES

seeds = st.integers(1, 3)


def require_whole(reader: SnapshotReader, history: History) -> None:
    """What is shown is exactly one of the versions that were published."""
    if reader.version == 0:
        assert not reader.scores()
        return
    assert dict(reader.scores()) == history.scores[reader.version]
    assert reader.checksum == history.checksums[reader.version]


def read_on(reader: SnapshotReader, follower: Follower, partition: tuple[str, int], n: int) -> None:
    reader.feed(follower.read(partition, n))
    before = reader.version
    is_newer = reader.advance(follower.positions())
    assert is_newer == (reader.version > before)
    assert reader.version >= before


def read_to_the_end(reader: SnapshotReader, follower: Follower) -> None:
    for partition in PARTITIONS:
        read_on(reader, follower, partition, 1_000_000)


@given(seed=seeds, order=orders())
@settings(deadline=None, max_examples=150)
def test_no_half_version_is_ever_shown(seed: int, order: list[tuple[tuple[str, int], int]]) -> None:
    history = published_history(seed)
    reader, follower = SnapshotReader("default"), Follower(logs_of(history))
    for partition, n in order:
        read_on(reader, follower, partition, n)
        require_whole(reader, history)
    read_to_the_end(reader, follower)
    assert reader.version == history.last
    require_whole(reader, history)


@given(seed=seeds, order=orders(), data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_reader_may_start_on_a_compacted_log(
    seed: int, order: list[tuple[tuple[str, int], int]], data: st.DataObject
) -> None:
    history = published_history(seed)
    reader, follower = SnapshotReader("default"), Follower(data.draw(compactions(logs_of(history))))
    reader.feed(follower.read((MANIFESTS, 0), 1_000_000))  # the manifests come first, to their end
    for partition, n in order:
        read_on(reader, follower, partition, n)
        require_whole(reader, history)
    read_to_the_end(reader, follower)
    assert reader.version == history.last
    require_whole(reader, history)


@given(seed=seeds, order=orders(), data=st.data())
@settings(deadline=None, max_examples=100)
def test_an_old_manifest_whose_rows_are_compacted_away_is_refused_and_not_shown(
    seed: int, order: list[tuple[tuple[str, int], int]], data: st.DataObject
) -> None:
    history = published_history(seed)
    reader, follower = SnapshotReader("default"), Follower(data.draw(compactions(logs_of(history))))
    for partition, n in order:
        try:
            read_on(reader, follower, partition, n)
        except BrokenSnapshot:
            assert not follower.is_at_end((MANIFESTS, 0))
        require_whole(reader, history)
    reader.feed(follower.read((MANIFESTS, 0), 1_000_000))
    read_to_the_end(reader, follower)
    assert reader.version == history.last
    require_whole(reader, history)


@given(seed=seeds, order=orders(), again=orders())
@settings(deadline=None, max_examples=60)
def test_after_a_restart_the_old_version_stays_until_a_newer_one_is_whole(
    seed: int, order: list[tuple[tuple[str, int], int]], again: list[tuple[tuple[str, int], int]]
) -> None:
    history = published_history(seed)
    reader, follower = SnapshotReader("default"), Follower(logs_of(history))
    for partition, n in order:
        read_on(reader, follower, partition, n)
    shown = reader.version
    reader.restart()
    follower = Follower(logs_of(history))
    for partition, n in again:
        read_on(reader, follower, partition, n)
        require_whole(reader, history)
        assert reader.version >= shown
    read_to_the_end(reader, follower)
    assert reader.version == history.last
    require_whole(reader, history)


def test_records_that_come_twice_count_once() -> None:
    history = published_history(1)
    reader = SnapshotReader("default")
    for _ in range(2):
        read_to_the_end(reader, Follower(logs_of(history)))
    assert reader.version == history.last
    require_whole(reader, history)


def test_a_lost_row_is_noticed_and_the_version_before_stays() -> None:
    history = published_history(1)
    logs = logs_of(history)
    follower = Follower(logs)
    reader = SnapshotReader("default")
    last_score = max(logs[SCORES, 0].records)
    del logs[SCORES, 0].records[last_score]
    reader.feed(follower.read((MANIFESTS, 0), 1_000_000))
    with pytest.raises(BrokenSnapshot, match=r"compacted away.*restart"):
        read_to_the_end(reader, follower)
    assert reader.version == 0
    assert reader.recommend(["item-1"], 5) == []


def test_a_reader_that_missed_tombstones_says_so_and_recovers_by_a_restart() -> None:
    history = published_history(1)
    whole = logs_of(history)
    reader, follower = SnapshotReader("default"), Follower(whole)
    n_half = {partition: log.end // 2 for partition, log in whole.items()}
    for partition in PARTITIONS:
        read_on(reader, follower, partition, n_half[partition])
    shown = reader.version
    assert shown > 0
    follower.logs = {at: compacted(log, log.end, drops_tombstones=True) for at, log in whole.items()}
    reader.feed(follower.read((MANIFESTS, 0), 1_000_000))
    with pytest.raises(BrokenSnapshot):
        read_to_the_end(reader, follower)
    assert reader.version == shown
    reader.restart()
    read_to_the_end(reader, Follower(follower.logs))
    assert reader.version == history.last
    require_whole(reader, history)
