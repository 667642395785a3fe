"""What a manifest says suffices: for recounting scores, for recommending, for knowing what belongs to it."""

from __future__ import annotations

import math
from collections import defaultdict
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.settings import Settings
from consumer.snapshots.reader import SnapshotReader
from tests.snapshots.rebuilt import PlainRecommender, last_rows, time_s
from tests.snapshots.worlds import RELATED, SCORES, Writer, manifests, read_all
from tests.streams import START_MS, Event, busy_stream, small_settings


def everything_published(seed: int, n: int = 500) -> Writer:
    """Tolerances so small that what is published is what was learned."""
    publish = {"related": 40, "tolerance": 1e-6, "related_tolerance": 1e-9}
    i2i = {"item_to_item": {"neighbours": 40, "time_constant_s": 40_000.0}}
    writer = Writer(small_settings(publish=publish, models=i2i))
    rows = busy_stream(seed, n, n_items=30, n_users=10, step_s=20.0)
    for start in range(0, n, 100):
        writer.learn(rows[start : start + 100])
        writer.publish_all()
    return writer


@cache
def readers_of(seed: int) -> tuple[SnapshotReader, PlainRecommender]:
    """The two of one history, published once for all examples."""
    cluster = everything_published(seed).cluster
    return read_all(cluster), PlainRecommender(cluster)


def recount(rows: list[Event], settings_: Settings, model: dict[str, object]) -> dict[str, float]:
    """Scores from the events and the manifest's mixture, by the definition."""
    weights = {name: kind.weight for name, kind in settings_.input.event_types.items()}
    mixture = model["weights"]["popularity.mixture"]  # type: ignore[index]  # JSON
    half_lives = model["constants"]["popularity"]["half_lives_s"]  # type: ignore[index]  # JSON
    now_s = max(row.at_s for row in rows)
    scores: dict[str, float] = defaultdict(float)
    for m, half_life in zip(mixture, half_lives, strict=True):
        sides: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for row in rows:
            weight = weights[row.type]
            sides[row.item][weight < 0] += abs(weight) * 2.0 ** ((row.at_s - now_s) / half_life)
        net = {item: max(0.0, positive - negative) for item, (positive, negative) in sides.items()}
        total = math.fsum(net.values())
        for item in net:
            scores[item] += m * net[item] / total
    return scores


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_can_be_recounted_from_the_events_with_the_manifest(seed: int) -> None:
    writer = Writer()
    writer.learn(busy_stream(seed, 800, n_items=40, n_users=10, step_s=20.0))
    writer.publish_all()
    recounted = recount(writer.learned, writer.settings, manifests(writer.cluster)[-1].model)
    published = last_rows(writer.cluster, SCORES)
    assert set(recounted) == set(published)
    for item, score in recounted.items():
        assert published[item]["score"] == pytest.approx(score, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_scores_published_bit_by_bit_stay_within_the_tolerance_of_the_recount(seed: int) -> None:
    writer = Writer()
    rows = busy_stream(seed, 800, n_items=40, n_users=10, step_s=20.0)
    for start in range(0, len(rows), 40):
        writer.learn(rows[start : start + 40])
        writer.publish()
    recounted = recount(writer.learned, writer.settings, manifests(writer.cluster)[-1].model)
    published = last_rows(writer.cluster, SCORES)
    assert len({row["version"] for row in published.values()}) > 1
    for item, score in recounted.items():
        allowed = max(writer.settings.publish.tolerance * score, 0.01 / len(recounted))
        assert abs(published[item]["score"] - score) <= allowed * (1 + 1e-6)


def test_totals_are_the_sums_over_all_items_at_their_time() -> None:
    writer = everything_published(1)
    manifest = manifests(writer.cluster)[-1]
    totals = manifest.model["totals"]
    now_s = time_s(totals["as_of"])
    assert now_s == time_s(manifest.watermark or "")
    related = last_rows(writer.cluster, RELATED)
    time_constant_s = manifest.model["constants"]["item_to_item"]["time_constant_s"]
    masses = [row["mass"] * math.exp((time_s(row["as_of"]) - now_s) / time_constant_s) for row in related.values()]
    assert totals["item_to_item"] == pytest.approx(math.fsum(masses), rel=1e-5)
    assert totals["items"] == len(related) == writer.model.n_items
    for half_life, total in zip(writer.settings.models.popularity.half_lives_s, totals["popularity"], strict=True):
        sides: dict[str, float] = defaultdict(float)
        for row in writer.learned:
            weight = writer.settings.input.event_types[row.type].weight
            sides[row.item] += weight * 2.0 ** ((row.at_s + START_MS / 1000 - now_s) / half_life)
        assert total == pytest.approx(sum(max(0.0, side) for side in sides.values()), rel=1e-9)


@given(
    seed=st.integers(1, 3),
    history=st.lists(st.integers(0, 32).map(lambda i: f"item-{i}"), max_size=25),
    n=st.integers(1, 40),
)
@settings(deadline=None, max_examples=100)
def test_rows_and_manifest_are_all_it_takes_to_recommend(seed: int, history: list[str], n: int) -> None:
    """The formulas in plain Python over the JSON give what the reader's kernels give."""
    reader, plain = readers_of(seed)
    is_any_known = any(item in plain.scores for item in history)
    assert reader.recommend(history, n) == plain.recommend(history if is_any_known else [], n)


def test_output_positions_stand_behind_the_last_row_and_are_carried_over() -> None:
    writer = Writer()
    writer.learn([Event("a", "ann", at_s=0.0), Event("b", "ann", at_s=1.0)])
    writer.publish_all()
    first = manifests(writer.cluster)[-1].output_positions
    for topic in (SCORES, RELATED):
        lasts: dict[str, int] = {}
        for record in writer.cluster.committed(topic):
            lasts[str(record.partition)] = record.offset + 1
        assert first[topic] == lasts
    writer.publish()
    assert manifests(writer.cluster)[-1].output_positions == first


def test_a_heartbeat_has_a_number_of_its_own_and_no_rows() -> None:
    writer = Writer()
    writer.publish()
    writer.publish()
    one, two = manifests(writer.cluster)
    assert (one.version, two.version) == (1, 2)
    assert (two.rows, two.checksum, two.watermark) == ({}, "0" * 16, None)


def test_a_manifest_says_where_it_stands_in_the_input() -> None:
    writer = Writer()
    writer.learn([Event("a", "ann", at_s=0.0), Event("a", "ann", at_s=61.5)])
    writer.publish()
    manifest = manifests(writer.cluster)[-1]
    assert manifest.input_positions == {"behaviour-events": {"0": 2}}
    assert manifest.watermark == "2026-11-18T11:07:41.500Z"
    assert manifest.rows_waiting == {SCORES: 0, RELATED: 0}
    assert {topic: counts.upserts for topic, counts in manifest.rows.items()} == {SCORES: 1, RELATED: 1}
    assert (manifest.kind, manifest.discarded, manifest.settings_digest) == ("full", [], "0123456789abcdef")
