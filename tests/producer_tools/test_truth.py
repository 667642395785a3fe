"""The truth that is told is the one that the stream follows."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from producer_tools.errors import ToolError
from producer_tools.event_columns import IMPRESSION, Fault, joined
from producer_tools.plan import FaultShares, SyntheticPlan, Trend
from producer_tools.shoppers import ADDS, BUYS, END_SHARE, REMOVES
from producer_tools.synthetic import SyntheticStream
from producer_tools.true_shares import TrueShare
from producer_tools.truth_file import facts, write_truth

PLAN = SyntheticPlan(n_events=400_000, n_users=20_000, n_items=800, seed=3, events_per_s=40)
LIVELY = replace(
    PLAN,
    rhythm=0.5,
    drift_s=5_000,
    new_items_per_hour=12,
    impressions=1,
    returns=0.2,
    faults=FaultShares(bots=0.05, duplicates=0.02, malformed=0.01),
)


def counted_and_true(plan: SyntheticPlan, at_s: int, within_s: int) -> tuple[np.ndarray, np.ndarray]:
    """By item, from the trend's on: how often it was counted around this moment, how often by its true share."""
    stream = SyntheticStream(plan)
    found = joined(list(stream.events()))
    is_near = np.abs(found.true_time_ms - plan.start_ms - 1_000 * at_s) < 1_000 * within_s
    counts = np.bincount(
        found.item[is_near & (found.fault == Fault.NONE) & (found.event_type < IMPRESSION)] + 1,
        minlength=2 * plan.n_items,
    )
    truth = TrueShare(stream).at(plan.start_ms + 1_000 * at_s)
    assert truth.share.sum() == pytest.approx(1.0)
    expected = np.zeros(len(counts))
    expected[truth.item + 1] = truth.share * counts.sum()
    return counts, expected


def assert_alike(counted: np.ndarray, expected: np.ndarray) -> None:
    """Views of one item come in clusters (looked at again, put into the cart), hence twice what single ones vary."""
    common = expected > 30
    assert common.sum() > 25
    deviation = (counted - expected)[common] ** 2 / expected[common]
    assert deviation.mean() < 3.5
    assert counted[expected == 0].sum() < 0.01 * counted.sum()


@pytest.mark.parametrize("at_s", [1_500, 8_000])
def test_true_shares_are_what_events_are_counted_to(at_s: int) -> None:
    assert_alike(*counted_and_true(PLAN, at_s, 1_000))


@pytest.mark.parametrize("at_s", [1_000, 2_500, 4_900])
def test_true_shares_follow_drift_and_new_items_through_faults_and_impressions(at_s: int) -> None:
    assert_alike(*counted_and_true(LIVELY, at_s, 140))


def test_a_wrong_moment_is_noticed() -> None:
    counted, _ = counted_and_true(LIVELY, 4_500, 300)
    _, expected = counted_and_true(LIVELY, 500, 300)
    with pytest.raises(AssertionError, match=r"assert .* < 3.5"):
        assert_alike(counted, expected)


def test_trends_have_their_shares_while_they_last() -> None:
    stream = SyntheticStream(replace(PLAN, trend_every_s=2_000, trend=Trend("hot", 200_000, 0.25)))
    truth = TrueShare(stream)

    def share(item: int, at_s: int) -> float:
        found = truth.at(PLAN.start_ms + 1_000 * at_s)
        return float(found.share[found.item == item].sum())

    trends = [fact for fact in facts(stream, 1) if fact["kind"] == "trend" and fact["ends"]]
    sudden = int(trends[1]["item"].removeprefix("item-"))  # from 4,000 s to 5,000 s
    before, during, with_both, after = (share(sudden, at_s) for at_s in (3_999, 4_000, 4_999, 5_000))
    assert during == pytest.approx(trends[1]["share"] + (1 - trends[1]["share"]) * before)
    assert with_both == pytest.approx(during)
    assert after == pytest.approx(0.75 * before)  # the other trend, from 5,000 s on, takes the rest
    truth = TrueShare(stream)
    assert [share(-1, at_s) for at_s in (4_999, 5_000)] == [0.0, 0.25]


def test_expected_impressions_and_returns_are_those_of_the_shoppers() -> None:
    carts = (1 - END_SHARE) * ADDS
    purchases, removals = (1 - END_SHARE) * carts * BUYS, (1 - END_SHARE) * carts * REMOVES
    views = 1 / (1 + carts + purchases + removals)
    plan = replace(PLAN, impressions=1, returns=1.0)
    assert plan.records_per_action == pytest.approx(1 + views + views * purchases, abs=0.001)


def told(plan: SyntheticPlan, n_moments: int = 2) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for fact in facts(SyntheticStream(plan), n_moments):
        found.setdefault(fact["kind"], []).append(json.loads(json.dumps(fact)))
    return found


def test_the_truth_names_all_that_was_planted() -> None:
    plan = replace(LIVELY, n_events=60_000, trend_every_s=600)
    found, stream = told(plan), SyntheticStream(plan)
    events = joined(list(stream.events()))
    lines = [value or b"" for block in stream.blocks() for value in block.values]
    ids = Counter(
        line.split(b'"item_id":"', 1)[1].split(b'"', 1)[0].decode() for line in lines if b'"item_id":"' in line
    )
    assert found["stream"][0]["plan"]["n_events"] == 60_000
    assert found["planted"][0]["faults"]["duplicate"] == np.count_nonzero(events.fault == Fault.DUPLICATE)
    assert sum(found["planted"][0]["types"].values()) == 60_000
    assert {bot["user"] for bot in found["bot"]} == {"bot-00", "bot-01", "bot-02"}
    assert {item for item in ids if item.startswith("new-")} <= {new["item"] for new in found["new_item"]}
    assert len(found["trend"]) >= 2
    assert [shares["record"] for shares in found["shares"]] == [30_000, 60_000]
    assert set(found["shares"][-1]["shares"]) >= {trend["item"] for trend in found["trend"]}


def test_without_wishes_the_truth_is_the_shares() -> None:
    assert set(told(replace(PLAN, n_events=1_000))) == {"stream", "planted", "shares"}


def test_a_compressed_truth_file_is_the_same_for_the_same_plan(tmp_path: Path) -> None:
    stream = SyntheticStream(replace(PLAN, n_events=1_000))
    paths = [tmp_path / name / "truth.ndjson.gz" for name in "ab"]
    for path in paths:
        path.parent.mkdir()
        write_truth(path, stream, 3)
    a, b = (gzip.decompress(path.read_bytes()) for path in paths)
    assert a == b
    assert len(a.splitlines()) == 5


def test_a_truth_file_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be written: No such file"):
        write_truth(tmp_path / "no" / "truth.ndjson", SyntheticStream(replace(PLAN, n_events=10)), 1)
