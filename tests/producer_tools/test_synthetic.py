"""What a synthetic stream promises: repeatable, shaped like shopping, with the trend where it was asked for."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from producer_tools.errors import UsageError
from producer_tools.event_columns import (
    CART,
    PURCHASE,
    REMOVE_FROM_CART,
    TREND_ITEM,
    VIEW,
    EventColumns,
    joined,
)
from producer_tools.plan import FaultShares, SyntheticPlan, Trend
from producer_tools.records import Int64Array
from producer_tools.synthetic import SyntheticStream

PLAN = SyntheticPlan(n_events=40_000, n_users=3_000, n_items=1_000, seed=7, events_per_s=200)
FAULTY = replace(PLAN, faults=FaultShares(0.02, 0.02, 0.02, 0.02, 0.02), trend=Trend("hot", 20_000, 0.1))


def records(plan: SyntheticPlan, block_records: int = 8_192) -> list[tuple[bytes | None, bytes | None, int]]:
    return [
        record
        for block in SyntheticStream(plan).blocks(block_records)
        for record in zip(block.keys, block.values, block.times_ms.tolist(), strict=True)
    ]


def events(plan: SyntheticPlan) -> EventColumns:
    return joined(list(SyntheticStream(plan).events()))


def by_session(found: EventColumns) -> Int64Array:
    """Places of the events, session by session, in each by time."""
    return np.argsort(found.session, kind="stable")


@pytest.mark.parametrize("block_records", [1_000, 7_919, 50_000])
def test_the_block_size_changes_nothing(block_records: int) -> None:
    assert records(FAULTY, block_records) == records(FAULTY)


def test_another_seed_gives_another_stream() -> None:
    assert records(PLAN)[:100] != records(replace(PLAN, seed=8))[:100]


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    assert records(replace(FAULTY, n_events=60_000))[:40_000] == records(FAULTY)


def test_blocks_have_the_size_asked_for_and_a_shorter_last_one() -> None:
    sizes = [len(block) for block in SyntheticStream(replace(PLAN, n_events=10_001)).blocks(4_000)]
    assert sizes == [4_000, 4_000, 2_001]


def test_a_record_is_the_standard_event_of_its_columns() -> None:
    stream = SyntheticStream(PLAN)
    block, columns = next(stream.blocks(10)), next(stream.events(10))
    for i, value in enumerate(block.values):
        assert value is not None
        event = json.loads(value)
        assert set(event) == {"event_id", "user_id", "item_id", "event_type", "event_time", "session_id"}
        assert event["user_id"] == stream.user_id(int(columns.user[i])) == (block.keys[i] or b"").decode()
        assert event["item_id"] == stream.item_id(int(columns.item[i]))
        assert event["event_time"].startswith("2026-01-01T00:00:00.")
        assert block.times_ms[i] == columns.event_time_ms[i]


def test_event_ids_are_never_used_twice() -> None:
    ids = [json.loads(value)["event_id"] for _, value, _ in records(PLAN) if value]
    assert len(set(ids)) == PLAN.n_events


def test_event_times_advance_at_the_speed_asked_for() -> None:
    times_ms = events(PLAN).event_time_ms
    assert np.all(np.diff(times_ms) >= 0)
    assert times_ms[0] == PLAN.start_ms
    assert times_ms[-1] == PLAN.end_ms - 5


def test_a_user_is_in_one_session_at_a_time() -> None:
    found = events(PLAN)
    for user in np.unique(found.user)[:300]:
        sessions = found.session[found.user == user]
        n_changes = np.count_nonzero(np.diff(sessions))
        assert n_changes == len(np.unique(sessions)) - 1


def test_a_session_belongs_to_one_user() -> None:
    found = events(PLAN)
    pairs = np.unique(np.stack([found.session, found.user]), axis=1)
    assert len(np.unique(pairs[0])) == pairs.shape[1]


def test_within_a_session_items_mostly_stay_in_their_cluster() -> None:
    found = events(PLAN)
    order = by_session(found)
    cluster = SyntheticStream(PLAN).catalogue.cluster(found.item[order])
    is_same_session = np.diff(found.session[order]) == 0
    assert np.mean((np.diff(cluster) == 0)[is_same_session]) > 0.8
    assert np.mean((np.diff(cluster) == 0)[~is_same_session]) < 0.2


def test_the_next_item_is_most_often_the_neighbour() -> None:
    found = events(PLAN)
    order = by_session(found)
    item, session = found.item[order], found.session[order]
    n_clusters = SyntheticStream(PLAN).catalogue.n_clusters
    followers = item[1:][(item[:-1] == 0) & (np.diff(session) == 0) & (item[1:] != 0)]
    assert Counter(followers.tolist()).most_common(1)[0][0] == n_clusters


def test_demand_is_zipf_like() -> None:
    counts = np.sort(np.bincount(events(PLAN).item, minlength=PLAN.n_items))[::-1]
    slope, _ = np.polyfit(np.log(np.arange(3, 300)), np.log(counts[3:300]), 1)
    assert -1.2 < slope < -0.5
    assert 0.1 < counts[:10].sum() / PLAN.n_events < 0.3
    assert np.count_nonzero(counts) > 900


def test_purchases_and_removals_follow_the_same_item_in_the_cart() -> None:
    found = events(PLAN)
    order = by_session(found)
    after = np.flatnonzero(np.isin(found.event_type[order], (PURCHASE, REMOVE_FROM_CART)))
    assert len(after) > 500
    assert np.all(found.event_type[order][after - 1] == CART)
    assert np.all(found.item[order][after - 1] == found.item[order][after])


def test_most_events_are_views_and_every_type_occurs() -> None:
    counts = np.bincount(events(PLAN).event_type)
    assert np.all(counts > 300)
    assert counts[VIEW] > 0.7 * PLAN.n_events


def test_the_trend_gets_its_share_from_its_point_on() -> None:
    is_hot = events(replace(PLAN, trend=Trend("hot", 20_000, 0.1))).item == TREND_ITEM
    assert not is_hot[:20_000].any()
    assert np.mean(is_hot[20_000:]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("item", ["item-0042", 'new "thing" ü'])
def test_the_trending_item_may_be_a_known_or_a_new_one(item: str) -> None:
    plan = replace(PLAN, n_events=5_000, trend=Trend(item, 0, 0.5))
    n = sum(json.loads(value)["item_id"] == item for _, value, _ in records(plan) if value)
    assert 2_300 < n < 2_700


def test_a_trend_leaves_the_other_events_as_they_are() -> None:
    plain, with_trend = records(PLAN), records(replace(PLAN, trend=Trend("hot", 0, 0.1)))
    n_different = sum(a != b for a, b in zip(plain, with_trend, strict=True))
    assert n_different == pytest.approx(4_000, rel=0.1)


@pytest.mark.parametrize(("n_users", "n_items"), [(1, 1), (2, 3), (10, 51)])
def test_tiny_worlds_work(n_users: int, n_items: int) -> None:
    found = events(SyntheticPlan(n_events=2_000, n_users=n_users, n_items=n_items))
    assert set(np.unique(found.user)) <= set(range(n_users))
    assert set(np.unique(found.item)) <= set(range(n_items))


def test_every_problem_of_a_plan_is_named() -> None:
    with pytest.raises(UsageError) as refusal:
        SyntheticPlan(n_users=0, trend=Trend("", 200_000, 2.0), faults=FaultShares(malformed=0.9, late=0.9))
    message = str(refusal.value)
    for part in ("users must", "needs an id", "share must lie above 0", "must start at an event", "got 1.8"):
        assert part in message
