"""Readers of different age, against what a worker would have recommended at the time of their snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from consumer.settings import Settings
from tests.learning.states import World
from tests.quality.freshness import freshness_of
from tests.quality.snapshots import Compared, compared
from tests.streams import START_MS, Event, admitted, busy_stream, cut, part_of_admitted

N_EVENTS, BEGIN = 500, 200


def stream() -> list[Event]:
    rows = [row for row in busy_stream(3, N_EVENTS + 100, 200, 30) if row.type == "view"]
    return [row._replace(at_s=5.0 * i, partition=0) for i, row in enumerate(rows)]


def of_readers(rows: Sequence[Event], *intervals: int, by_time: bool = False, size: int = 10_000) -> Compared:
    batch = admitted(rows)
    places = range(size, len(rows), size)
    batches = [part_of_admitted(batch, start, stop) for start, stop in cut(len(rows), places)]
    return compared(batches, [(str(i), i) for i in intervals], BEGIN, by_time=by_time)


def expected(rows: Sequence[Event], interval: int) -> list[bool]:
    """Whether each item from BEGIN on is recommended by the state as it was at the last renewal."""
    live, batch, listed = World(Settings()), admitted(rows), []
    live.learn(part_of_admitted(batch, 0, BEGIN))
    for i in range(BEGIN, len(rows)):
        if i == BEGIN or (interval and (i - BEGIN) % interval == 0):
            snapshot = World(Settings()).restore(live.saved())
        history = live.history(rows[i].user) if rows[i].user in {row.user for row in rows[:i]} else []
        listed.append(bool(history) and rows[i].item in snapshot.merged(history, START_MS + round(rows[i].at_s * 1000)))
        live.learn(part_of_admitted(batch, i, i + 1))
    return listed


def test_each_reader_recommends_from_what_was_learned_at_his_last_renewal() -> None:
    rows = stream()
    found = of_readers(rows, 1, 50, 0)
    for reader, interval in enumerate((1, 50, 0)):
        assert found.listed[reader].astype(bool).tolist() == expected(rows, interval)


def test_readers_are_renewed_at_their_intervals_from_mid_stream_on() -> None:
    rows = stream()
    n_after = len(rows) - BEGIN
    assert of_readers(rows, 10, 100, 0).n_refreshed == [-(-n_after // 10), -(-n_after // 100), 1]


def test_by_the_clock_they_are_renewed_when_it_passes_a_multiple() -> None:
    rows = stream()
    found = of_readers(rows, 50_000, 500_000, 0, by_time=True)
    at_ms = [START_MS + round(row.at_s * 1000) for row in rows[BEGIN:]]
    assert found.n_refreshed == [len({t // 50_000 for t in at_ms}), len({t // 500_000 for t in at_ms}), 1]


def test_an_item_that_the_snapshot_does_not_hold_is_a_miss() -> None:
    rows = [row._replace(item="new") if i >= BEGIN else row for i, row in enumerate(stream())]
    found = of_readers(rows, 1, 0)
    assert not found.listed[1].any()
    assert not found.hits[1].any()
    assert found.hits[0].any()


def test_how_the_stream_is_cut_into_batches_changes_nothing() -> None:
    rows = stream()
    whole, pieces = of_readers(rows, 10, 100, 0), of_readers(rows, 10, 100, 0, size=37)
    assert np.array_equal(whole.listed, pieces.listed)
    assert np.array_equal(whole.hits, pieces.hits)


def test_changes_are_against_the_freshest_session_by_session() -> None:
    rng = np.random.default_rng(1)
    fresh = (rng.random(4_000) < 0.5).astype(np.uint8)
    stale = fresh * (rng.random(4_000) < 0.9)
    found = Compared(
        names=["fresh", "stale"],
        n_refreshed=[9, 1],
        hits=np.array([fresh, stale]).astype(np.uint8),
        listed=np.array([fresh, stale]).astype(np.uint8),
        has_history=np.ones(4_000, bool),
        session=np.arange(4_000).astype(np.uint64) // 2,
    )
    _, second = freshness_of(found)
    assert second.top_change.value == pytest.approx(stale.mean() - fresh.mean())
    assert second.top_change.low < second.top_change.value < second.top_change.high < 0
    # paired, the change is known better than either share
    assert second.top_change.high - second.top_change.low < 0.6 * (second.top_hit.high - second.top_hit.low)
