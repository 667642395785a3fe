"""What goes on in a synthetic shop: drift, new items, trends, impressions, returns, bots."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from producer_tools.bots import N_BOTS
from producer_tools.errors import UsageError
from producer_tools.event_columns import IMPRESSION, PURCHASE, RETURN, TREND_ITEM, VIEW, EventColumns, Fault, joined
from producer_tools.plan import FaultShares, SyntheticPlan, Trend
from producer_tools.records import Int64Array
from producer_tools.synthetic import SyntheticStream
from producer_tools.trends import sudden_trends

PLAN = SyntheticPlan(n_events=100_000, n_users=3_000, n_items=1_000, seed=7, events_per_s=10)
LIVELY = replace(
    PLAN, rhythm=0.8, drift_s=3_600, new_items_per_hour=30, trend_every_s=1_800, impressions=3, returns=0.3
)


def events(plan: SyntheticPlan) -> EventColumns:
    return joined(list(SyntheticStream(plan).events()))


def hours(found: EventColumns, plan: SyntheticPlan = PLAN) -> Int64Array:
    return (found.true_time_ms - plan.start_ms) // 3_600_000


def top(found: EventColumns, where: np.ndarray) -> set[int]:
    return set(np.argsort(np.bincount(found.item[where], minlength=PLAN.n_items))[-20:].tolist())


@pytest.mark.parametrize("block_records", [1_000, 7_919, 50_000])
def test_the_block_size_changes_nothing(block_records: int) -> None:
    whole = [(k, v) for block in SyntheticStream(LIVELY).blocks() for k, v in zip(block.keys, block.values)]  # noqa: B905
    cut = [(k, v) for b in SyntheticStream(LIVELY).blocks(block_records) for k, v in zip(b.keys, b.values, strict=True)]
    assert whole == cut
    assert len(whole) == LIVELY.n_events


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    longer, shorter = events(replace(LIVELY, n_events=150_000)), events(LIVELY)
    assert np.array_equal(longer.item[:100_000], shorter.item)
    assert np.array_equal(longer.event_time_ms[:100_000], shorter.event_time_ms)


def test_without_drift_the_popular_items_stay() -> None:
    found = events(PLAN)
    assert len(top(found, hours(found) == 0) & top(found, hours(found) == 2)) >= 16


def test_with_drift_about_half_of_the_popular_items_change_from_epoch_to_epoch() -> None:
    plan = replace(PLAN, drift_s=3_600, events_per_s=20)
    found = events(plan)
    at_s = (found.true_time_ms - plan.start_ms) / 1_000
    first, second = top(found, at_s < 400), top(found, (at_s > 3_400) & (at_s < 3_800))
    assert 5 <= len(first & second) <= 16


def test_new_items_arrive_at_the_rate_asked_for_and_not_before_their_time() -> None:
    found = events(replace(PLAN, new_items_per_hour=20))
    is_new = found.item >= PLAN.n_items
    assert 0.01 < np.mean(is_new) < 0.1
    number = found.item[is_new] - PLAN.n_items
    arrives_ms = PLAN.start_ms + (number + 1) * 180_000
    assert np.all(found.true_time_ms[is_new] >= arrives_ms)
    assert len(np.unique(number)) >= 45  # of 55 in 2 h 46 min


def test_ids_of_new_items_are_those_of_their_own_stream() -> None:
    one, other = SyntheticStream(PLAN), SyntheticStream(replace(PLAN, start_ms=PLAN.start_ms + 1))
    assert one.item_id(PLAN.n_items) != other.item_id(PLAN.n_items)
    assert one.item_id(PLAN.n_items - 1) == other.item_id(PLAN.n_items - 1)


def test_sudden_trends_come_and_go_with_their_shares() -> None:
    plan = replace(PLAN, trend_every_s=3_000)
    found = events(plan)
    trends = sudden_trends(plan, plan.start_ms, plan.end_ms)
    assert len(trends) == 3
    for trend in trends:
        is_about_it = found.item == trend.item
        is_on = (found.true_time_ms >= trend.begins_ms) & (found.true_time_ms < trend.ends_ms)
        assert np.mean(is_about_it[is_on]) == pytest.approx(trend.share, abs=0.012)
        assert np.mean(is_about_it[~is_on]) < 0.005


def test_sudden_trends_leave_the_other_events_as_they_are() -> None:
    plain, with_trends = events(PLAN), events(replace(PLAN, trend_every_s=3_000))
    assert 0.01 < np.mean(plain.item != with_trends.item) < 0.06
    assert np.array_equal(plain.user, with_trends.user)


def test_two_trends_at_once_both_get_their_shares() -> None:
    plan = replace(PLAN, trend_every_s=3_000, trend=Trend("hot", 0, 0.3))
    found = events(plan)
    trend = sudden_trends(plan, plan.start_ms, plan.end_ms)[0]
    is_on = (found.true_time_ms >= trend.begins_ms) & (found.true_time_ms < trend.ends_ms)
    assert np.mean(found.item[is_on] == TREND_ITEM) == pytest.approx(0.3, abs=0.02)
    assert np.mean(found.item[is_on] == trend.item) == pytest.approx(trend.share, abs=0.012)


def test_a_view_follows_some_seconds_after_the_impressions_it_is_among() -> None:
    plan = replace(PLAN, n_events=60_000, n_users=200_000, impressions=4, events_per_s=100)
    found = events(plan)
    n_shown, n_viewed = (np.count_nonzero(found.event_type == kind) for kind in (IMPRESSION, VIEW))
    assert n_shown / n_viewed == pytest.approx(4, rel=0.06)  # some are still to be clicked at the end
    delays_s = []
    for place in np.flatnonzero(found.event_type == VIEW)[10_000:10_300]:
        before = found.take(slice(max(0, place - 50_000), place))
        of_session = (before.session == found.session[place]) & (before.event_type == IMPRESSION)
        shown = before.take(np.flatnonzero(of_session & (before.item == found.item[place])))
        assert len(shown), "viewed, and never shown"
        delays_s.append((found.true_time_ms[place] - shown.true_time_ms[-1]) / 1_000)
    assert 1 < np.median(delays_s) < 10
    assert max(delays_s) <= 80


def test_what_people_do_is_the_same_with_impressions() -> None:
    plain, with_impressions = events(PLAN), events(replace(PLAN, impressions=3))
    acts = with_impressions.take(np.flatnonzero(with_impressions.event_type != IMPRESSION))
    assert np.array_equal(acts.user, plain.user[: len(acts)])
    assert np.array_equal(acts.item, plain.item[: len(acts)])


def test_returns_follow_their_purchases_after_about_an_hour() -> None:
    found = events(replace(PLAN, returns=0.5))
    returns = np.flatnonzero(found.event_type == RETURN)
    n_purchases = np.count_nonzero((found.event_type == PURCHASE) & (hours(found) < 1))
    assert len(returns) > 0.5 * n_purchases
    for place in returns[:100]:
        is_same = (found.session == found.session[place]) & (found.item == found.item[place])
        bought_ms = found.true_time_ms[is_same & (found.event_type == PURCHASE)]
        assert any(1_750_000 <= found.true_time_ms[place] - at_ms <= 5_450_000 for at_ms in bought_ms)


def test_bots_look_at_one_item_each_and_belong_to_no_persons_session() -> None:
    plan = replace(PLAN, faults=FaultShares(bots=0.1))
    found = events(plan)
    is_bot = found.fault == Fault.BOT
    assert np.mean(is_bot) == pytest.approx(0.1, abs=0.005)
    assert set(np.unique(found.user[is_bot])) == set(range(plan.n_users, plan.n_users + N_BOTS))
    for user in np.unique(found.user[is_bot]):
        assert len(np.unique(found.item[found.user == user])) == 1
    assert not set(found.session[is_bot]) & set(found.session[~is_bot])


def test_events_out_of_order_are_a_little_older_than_their_place_and_not_late() -> None:
    plan = replace(PLAN, faults=FaultShares(out_of_order=0.1, out_of_order_by_s=60))
    found = events(plan)
    back_ms = found.true_time_ms - found.event_time_ms
    assert np.all(back_ms[found.fault == Fault.NONE] == 0)
    assert 20_000 < np.mean(back_ms[found.fault == Fault.OUT_OF_ORDER]) < 40_000
    assert back_ms.max() <= 60_000


def test_all_of_it_at_once_is_still_made_of_standard_events() -> None:
    plan = replace(LIVELY, n_events=20_000, faults=FaultShares(out_of_order=0.02, bots=0.02, duplicates=0.02))
    for block in SyntheticStream(plan).blocks():
        for key, value in zip(block.keys, block.values, strict=True):
            event = json.loads(value or b"")
            assert event["user_id"].encode() == key
            assert set(event) == {"event_id", "user_id", "item_id", "event_type", "event_time", "session_id"}


def test_every_impossible_wish_is_named() -> None:
    with pytest.raises(UsageError) as refusal:
        SyntheticPlan(rhythm=1.0, drift_s=-1, new_items_per_hour=-1, trend_every_s=-1, impressions=101, returns=2)
    for part in ("daily rhythm", "drift", "new items", "sudden trend", "impressions", "returns"):
        assert part in str(refusal.value)
