"""What a reader answers, and what it refuses."""

from __future__ import annotations

import pytest

from consumer.errors import Fatal
from consumer.messages import StoredRecord
from consumer.snapshots import formats
from consumer.snapshots.reader import OutputTopics, SnapshotReader
from consumer.snapshots.rows import Numbering, score_columns
from tests.fakes.kafka import FakeLog
from tests.snapshots.worlds import MANIFESTS, RELATED, SCORES, Writer, committed, ends, manifests, read_all
from tests.streams import Event, busy_stream, small_settings


def small_shop() -> Writer:
    """tea and cup go together, so do pen and ink; tea is seen most."""
    writer = Writer()
    sessions = [("tea", "cup"), ("tea", "cup", "jam"), ("pen", "ink"), ("tea", "jam"), ("pen", "ink", "tea")]
    writer.learn(
        [
            Event(item, f"user-{n}", at_s=60.0 * n + place)
            for n, session in enumerate(sessions)
            for place, item in enumerate(session)
        ]
    )
    writer.publish_all()
    return writer


def test_before_the_first_version_every_answer_is_empty() -> None:
    reader = SnapshotReader("default")
    assert (reader.version, reader.manifest, reader.top(3), dict(reader.scores())) == (0, None, [], {})
    assert (reader.related("tea"), reader.recommend(["tea"], 3)) == ([], [])


def test_top_is_the_scores_in_order_with_ties_by_id() -> None:
    reader = read_all(small_shop().cluster)
    ranked = sorted(reader.scores().items(), key=lambda pair: (-pair[1], pair[0]))
    assert reader.top(3) == ranked[:3]
    assert reader.top(1_000) == ranked
    assert reader.top(0) == []
    assert ranked[0][0] == "tea"


def test_the_scores_of_a_whole_catalogue_sum_to_one() -> None:
    assert sum(read_all(small_shop().cluster).scores().values()) == pytest.approx(1.0, abs=1e-6)


def test_related_lists_what_was_seen_around_an_item_best_first() -> None:
    reader = read_all(small_shop().cluster)
    related = reader.related("pen")
    assert [item for item, _ in related] == ["ink", "tea"]
    assert related[0][1] > related[1][1] > 0
    assert reader.related("unknown") == []


def test_weights_are_in_units_of_a_fresh_event_at_the_watermark_whenever_the_row_was_published() -> None:
    settings = small_settings(models={"item_to_item": {"neighbours": 8, "time_constant_s": 3_600.0}})
    writer = Writer(settings)
    writer.learn([Event("a", at_s=0.0), Event("b", at_s=1.0)])
    writer.publish_all()
    before = dict(read_all(writer.cluster).related("a"))["b"]
    writer.learn([Event("c", user="bob", at_s=3_601.0)])
    writer.publish_all()
    assert dict(read_all(writer.cluster).related("a"))["b"] == pytest.approx(before * 2.718281828**-1, rel=1e-5)


def test_a_reader_that_was_there_before_the_first_event_reads_the_same_weights() -> None:
    """The version without events has no watermark, and is as of 1970."""
    writer, reader = Writer(), SnapshotReader("default")
    for rows in ([], [Event("a", at_s=0.0), Event("b", at_s=1.0)]):
        writer.learn(rows)
        writer.publish_all()
        for topic in (MANIFESTS, SCORES, RELATED):
            reader.feed(committed(writer.cluster, topic))
        reader.advance(ends(writer.cluster))
    assert reader.version == 2
    assert reader.related("a") == read_all(writer.cluster).related("a") != []
    assert reader.recommend(["a"], 2) == read_all(writer.cluster).recommend(["a"], 2)


def test_an_empty_or_unknown_history_gets_the_top_of_the_scores() -> None:
    reader = read_all(small_shop().cluster)
    top = [item for item, _ in reader.top(4)]
    assert reader.recommend([], 4) == top
    assert reader.recommend(["never", "seen"], 4) == top


def test_a_run_of_the_same_item_counts_once() -> None:
    reader = read_all(small_shop().cluster)
    assert reader.recommend(["pen", "tea", "tea", "tea"], 5) == reader.recommend(["pen", "tea"], 5)


def test_an_unknown_item_keeps_its_place() -> None:
    reader = read_all(small_shop().cluster)
    assert "ink" in reader.recommend(["pen", "unknown"], 5)


def test_a_list_is_as_long_as_asked_for_or_as_the_catalogue() -> None:
    reader = read_all(small_shop().cluster)
    assert len(reader.recommend(["tea"], 3)) == 3
    assert sorted(reader.recommend(["tea"], 500)) == ["cup", "ink", "jam", "pen", "tea"]
    assert reader.recommend(["tea"], 0) == []


def test_asking_changes_nothing() -> None:
    reader = read_all(small_shop().cluster)
    first = [reader.recommend(["tea", "pen"], 5) for _ in range(3)]
    reader.recommend(["x", "y"], 2)
    reader.related("z")
    assert reader.recommend(["tea", "pen"], 5) == first[0] == first[1] == first[2]
    assert len(reader.scores()) == 5


def test_topics_of_other_names_are_passed_over() -> None:
    shop = small_shop()
    reader = SnapshotReader("default", OutputTopics("other-scores", "other-related", "other-manifests"))
    reader.feed(committed(shop.cluster, SCORES) + committed(shop.cluster, MANIFESTS))
    assert not reader.advance(ends(shop.cluster))


def test_a_manifest_that_cannot_be_read_is_fatal() -> None:
    with pytest.raises(Fatal, match="manifest of default cannot be read"):
        SnapshotReader("default").feed([StoredRecord(MANIFESTS, 0, 0, b"default", b"{}", ())])


def test_versions_that_go_back_are_fatal() -> None:
    shop = small_shop()
    shop.publish()
    shop.publish()
    last, first = (formats.encode(manifests(shop.cluster)[n]) for n in (-1, 0))
    with pytest.raises(Fatal, match=r"versions never go back"):
        SnapshotReader("default").feed(
            [StoredRecord(MANIFESTS, 0, n, b"default", value, ()) for n, value in enumerate((last, first))]
        )


@pytest.mark.parametrize(
    ("topic", "key", "value"),
    [(SCORES, b"tea", b"not json"), (RELATED, b"tea", b'{"related": 3}'), (SCORES, b"\xff", b"{}")],
)
def test_a_row_that_cannot_be_read_is_fatal_and_named(topic: str, key: bytes, value: bytes) -> None:
    shop = small_shop()
    partition = 0
    end = ends(shop.cluster)[topic][partition]
    reader = SnapshotReader("default")
    manifest = manifests(shop.cluster)[-1]
    manifest.output_positions[topic][str(partition)] = end + 1
    reader.feed([StoredRecord(MANIFESTS, 0, 0, b"default", formats.encode(manifest), ())])
    reader.feed([*committed(shop.cluster, SCORES), *committed(shop.cluster, RELATED)])
    reader.feed([StoredRecord(topic, partition, end, key, value, ())])
    positions = ends(shop.cluster)
    positions[topic][partition] = end + 1
    with pytest.raises(Fatal, match=rf"row .* of {topic} cannot be read"):
        reader.advance(positions)


def test_members_that_a_later_release_adds_do_no_harm() -> None:
    row = b'{"score": 0.5, "version": 3, "updated_at": "2026-11-23T10:15:00.123Z", "more": [1]}'
    assert score_columns(SCORES, {b"a": row}, Numbering()).scores.tolist() == [0.5]


def test_a_version_of_a_freshrank_that_ranks_differently_is_not_recommended_from() -> None:
    shop = small_shop()
    manifest = manifests(shop.cluster)[-1]
    manifest.model["constants"]["item_to_item"]["hops"] = 7
    reader = SnapshotReader("default")
    reader.feed([StoredRecord(MANIFESTS, 0, 0, b"default", formats.encode(manifest), ())])
    reader.feed([*committed(shop.cluster, SCORES), *committed(shop.cluster, RELATED)])
    assert reader.advance(ends(shop.cluster))
    assert reader.top(1)[0][0] == "tea"
    with pytest.raises(Fatal, match=r"item_to_item.hops is 7 there and 30 here"):
        reader.recommend(["tea"], 3)


def test_a_stream_of_versions_leaves_no_more_rows_behind_than_there_are_items() -> None:
    """Items come and go; what the reader keeps follows those that are there."""
    settings = small_settings(catalogue={"max_items": 100, "item_ttl_s": 600.0})
    writer = Writer(settings)
    reader = SnapshotReader("default")
    at: dict[str, dict[int, int]] = {MANIFESTS: {}, SCORES: {}, RELATED: {}}
    for n in range(60):
        writer.learn([Event(f"item-{n}-{i}", f"user-{i // 4}", at_s=700.0 * n + i) for i in range(80)])
        writer.publish_all()
        for topic, start in at.items():
            reader.feed(FakeLog(writer.cluster).read(topic, start))
        at = ends(writer.cluster)
        reader.advance(at)
    assert dict(reader.scores()) == writer.published_scores()
    assert reader.n_known_ids < 3_000  # 4,800 were published


def test_recommendations_equal_the_workers_own() -> None:
    writer = Writer(small_settings(models={"item_to_item": {"neighbours": 48}}, publish={"related": 48}))
    writer.learn(busy_stream(seed=5, n=800, n_items=40, n_users=15))
    writer.publish_all()
    reader = read_all(writer.cluster)
    for history in (["item-1"], ["item-3", "item-1"], [f"item-{i}" for i in range(12)], ["item-1", "item-9", "item-1"]):
        assert reader.recommend(history, 10) == writer.recommend(history, 10)
