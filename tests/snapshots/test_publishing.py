"""Which rows go out, when, and what they say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.settings import Settings
from tests.snapshots.rebuilt import checksum, last_rows, records_of
from tests.snapshots.worlds import RELATED, SCORES, Writer, manifests
from tests.streams import Event, busy_stream, small_settings, streams


def tight(max_rows: int = 3, item_ttl_s: float = 3_000.0, **publish: object) -> Settings:
    """Few rows a version, and items that are soon forgotten."""
    return small_settings(
        catalogue={"max_items": 100, "item_ttl_s": item_ttl_s},
        publish={"related": 8, "max_rows": max_rows, **publish},
    )


def n_beyond_tolerance(writer: Writer) -> int:
    """Live items whose last published score is not within the tolerance of the model's."""
    published = last_rows(writer.cluster, SCORES)
    scores = writer.model_scores()
    tolerance = writer.settings.publish.tolerance
    return sum(
        item not in published
        or abs(score - published[item]["score"]) > max(tolerance * score, 0.01 / len(scores)) * (1 + 1e-6)
        for item, score in scores.items()
    )


def positions_of_last_manifest(writer: Writer) -> dict[str, dict[int, int]]:
    return {topic: dict(by) for topic, by in writer.publisher.output_positions.items()}


@given(rows=streams(n_items=12, most=80), pieces=st.integers(1, 8), tolerance=st.sampled_from([0.002, 0.02, 0.3]))
@settings(deadline=None, max_examples=60)
def test_where_nothing_waits_every_score_is_within_the_tolerance(
    rows: list[Event], pieces: int, tolerance: float
) -> None:
    writer = Writer(small_settings(publish={"related": 8, "tolerance": tolerance}))
    for piece in range(pieces):
        writer.learn(rows[piece::pieces])
        written = writer.publish()
        assert not any(written.waiting.values())
        assert n_beyond_tolerance(writer) == 0


@given(rows=streams(n_items=12, most=80), pieces=st.integers(1, 8), max_rows=st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_a_version_is_bounded_and_says_how_many_rows_wait(rows: list[Event], pieces: int, max_rows: int) -> None:
    writer = Writer(tight(max_rows, item_ttl_s=10_000_000.0))
    for piece in range(pieces):
        writer.learn(rows[piece::pieces])
        written = writer.publish()
        for topic in (SCORES, RELATED):
            assert written.rows.get((topic, "upsert"), 0) + written.rows.get((topic, "tombstone"), 0) <= max_rows
        assert written.waiting[SCORES] == n_beyond_tolerance(writer)


@given(rows=streams(n_items=12, most=120), pieces=st.integers(1, 12), max_rows=st.integers(1, 6))
@settings(deadline=None, max_examples=100)
def test_every_checksum_is_that_of_the_rows_in_front_of_the_manifest(
    rows: list[Event], pieces: int, max_rows: int
) -> None:
    """With evictions and returns at any moment, and tombstones that wait."""
    writer = Writer(tight(max_rows, item_ttl_s=2_500.0))
    size = -(-len(rows) // pieces)
    for start in range(0, len(rows), size):
        writer.learn(rows[start : start + size])
        writer.publish()
        assert manifests(writer.cluster)[-1].checksum == checksum(writer.cluster, positions_of_last_manifest(writer))
    writer.publish_all()
    assert set(last_rows(writer.cluster, SCORES)) == set(writer.model_scores())
    assert set(last_rows(writer.cluster, RELATED)) == set(writer.model_scores())
    assert manifests(writer.cluster)[-1].checksum == checksum(writer.cluster, positions_of_last_manifest(writer))


def test_a_row_that_hardly_changed_goes_out_although_others_change_all_the_time() -> None:
    writer = Writer(tight(max_rows=2, item_ttl_s=10_000_000.0))
    writer.learn([Event(f"item-{i}", f"user-{i}", at_s=i) for i in range(12)])
    writer.publish_all()
    writer.learn([Event("item-11", "quiet", at_s=20.0), Event("item-10", "quiet", at_s=21.0)])
    first_waiting = writer.publisher.version + 1
    for n in range(40):
        writer.learn([Event(f"item-{i}", f"busy-{n}-{i}", at_s=30.0 + n) for i in range(6)])
        writer.publish()
    for topic in (SCORES, RELATED):
        late = last_rows(writer.cluster, topic)
        assert late["item-11"]["version"] >= first_waiting
        assert late["item-10"]["version"] >= first_waiting


def test_only_what_changed_goes_out_again() -> None:
    writer = Writer()
    writer.learn(busy_stream(seed=1, n=400, n_items=60, n_users=20))
    writer.publish_all()
    written = writer.publish()
    assert sum(written.rows.values()) == 0
    writer.learn([Event("new-1", "ann", at_s=3_000.0), Event("new-2", "ann", at_s=3_001.0)])
    written = writer.publish()
    assert written.rows[RELATED, "upsert"] == 2
    assert written.rows.get((SCORES, "upsert"), 0) < 30


def test_an_evicted_item_gets_a_tombstone_in_both_topics() -> None:
    writer = Writer(tight(max_rows=100))
    writer.learn([Event("old", "ann", at_s=0.0), Event("young", "ann", at_s=1.0)])
    writer.publish_all()
    writer.learn([Event("young", "bob", at_s=5_000.0)])
    written = writer.publish()
    assert (written.rows[SCORES, "tombstone"], written.rows[RELATED, "tombstone"]) == (1, 1)
    assert set(last_rows(writer.cluster, SCORES)) == set(last_rows(writer.cluster, RELATED)) == {"young"}
    assert sum(writer.publish().rows.values()) == 0


def test_an_item_that_was_never_published_gets_no_tombstone() -> None:
    writer = Writer(tight(max_rows=100))
    writer.learn([Event("old", "ann", at_s=0.0), Event("young", "ann", at_s=5_000.0)])
    written = writer.publish()
    assert not any(kind == "tombstone" for _, kind in written.rows if written.rows[_, kind])
    assert set(last_rows(writer.cluster, SCORES)) == {"young"}


def test_an_item_that_returns_before_its_tombstone_is_published_anew_and_gets_none() -> None:
    writer = Writer(tight(max_rows=100))
    writer.learn([Event("old", "ann", at_s=0.0), Event("young", "ann", at_s=1.0)])
    writer.publish_all()
    writer.learn([Event("young", "bob", at_s=5_000.0), Event("old", "bob", at_s=5_001.0)])
    written = writer.publish()
    assert (written.rows[SCORES, "tombstone"], written.rows[RELATED, "tombstone"]) == (0, 0)
    assert last_rows(writer.cluster, SCORES)["old"]["version"] == written.version
    assert last_rows(writer.cluster, RELATED)["old"]["related"] == [["young", pytest.approx(0.85, rel=1e-3)]]
    assert manifests(writer.cluster)[-1].checksum == checksum(writer.cluster, positions_of_last_manifest(writer))


def test_tombstones_wait_too_and_leave_room_for_upserts() -> None:
    writer = Writer(tight(max_rows=10))
    writer.learn([Event(f"old-{i}", f"user-{i}", at_s=i) for i in range(30)])
    writer.publish_all()
    writer.learn([Event(f"young-{i}", f"user-{i}", at_s=9_000.0 + i) for i in range(20)])
    written = writer.publish()
    assert (written.rows[SCORES, "tombstone"], written.rows[SCORES, "upsert"]) == (5, 5)
    assert written.waiting[SCORES] == 25 + 15
    writer.publish_all()
    assert set(last_rows(writer.cluster, SCORES)) == {f"young-{i}" for i in range(20)}


def test_a_related_row_lists_no_item_that_is_gone() -> None:
    writer = Writer(tight(max_rows=100))
    writer.learn([Event("old", "ann", at_s=0.0), Event("kept", "ann", at_s=1.0)])
    writer.publish_all()
    writer.learn([Event("kept", "bob", at_s=5_000.0), Event("new", "bob", at_s=5_001.0)])
    writer.publish_all()
    assert [item for item, _ in last_rows(writer.cluster, RELATED)["kept"]["related"]] == ["new"]


def test_rows_are_exactly_what_the_contract_says() -> None:
    writer = Writer()
    writer.learn([Event("tea", "ann", at_s=0.0), Event("cup", "ann", at_s=0.0)])
    writer.publish()
    score = last_rows(writer.cluster, SCORES)["tea"]
    assert score == {"score": pytest.approx(0.5), "version": 1, "updated_at": "2026-11-18T11:06:40.000Z"}
    related = last_rows(writer.cluster, RELATED)["tea"]
    assert related == {"related": [["cup", 1]], "mass": 1, "as_of": "2026-11-18T11:06:40.000Z", "version": 1}
    keys = {record.key for record in records_of(writer.cluster, SCORES, 1)}
    assert keys == {b"tea", b"cup"}


def test_related_rows_are_as_long_as_the_settings_say() -> None:
    writer = Writer(small_settings(publish={"related": 2}))
    writer.learn([Event(f"item-{i}", "ann", at_s=i) for i in range(6)])
    writer.publish_all()
    assert {len(row["related"]) for row in last_rows(writer.cluster, RELATED).values()} == {2}


def test_scores_have_nine_digits_and_weights_six() -> None:
    writer = Writer()
    writer.learn(busy_stream(seed=8, n=300, n_items=20, n_users=6))
    writer.publish()
    for row in last_rows(writer.cluster, SCORES).values():
        assert float(f"{row['score']:.9g}") == row["score"]
    for row in last_rows(writer.cluster, RELATED).values():
        assert all(float(f"{weight:.6g}") == weight for _, weight in row["related"])
        assert float(f"{row['mass']:.6g}") == row["mass"]


def test_ids_of_any_text_come_out_as_they_went_in() -> None:
    writer = Writer()
    ids = ['quo"te', "back\\slash", "new\nline", "\x00\x1f", "ключ", "😀", "a/b c", " "]
    writer.learn([Event(item, "ann", at_s=i) for i, item in enumerate(ids)])
    writer.publish()
    rows = last_rows(writer.cluster, RELATED)
    assert set(rows) == set(ids)
    assert {item for row in rows.values() for item, _ in row["related"]} == set(ids)
    assert all(json.dumps(row) for row in rows.values())
