"""A reader follows a writer on a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.kafka.tail import KafkaTail
from consumer.messages import OutputRecord
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.reader import BrokenSnapshot
from tests.kafka.worlds import RealWorld
from tests.snapshots.worlds import Writer
from tests.streams import busy_stream, small_settings

pytestmark = pytest.mark.broker
DEADLINE_S = 30.0


def settings_of(real: RealWorld) -> Settings:
    small = small_settings()
    publish = real.settings.publish.model_copy(update={"max_rows": 20, "related": 8})
    return small.model_copy(
        update={
            "model": real.settings.model,
            "input": real.settings.input,
            "kafka": real.settings.kafka,
            "publish": publish,
        }
    )


def new_writer(real: RealWorld) -> Writer:
    output = real.output()
    output.open()
    return Writer(settings_of(real), output=output)


@contextmanager
def reading(real: RealWorld) -> Iterator[KafkaSnapshotReader]:
    with KafkaSnapshotReader(settings_of(real)) as reader:
        yield reader


def poll_until_version(reader: KafkaSnapshotReader, version: int) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while reader.version != version:
        assert time.monotonic() < until_s, f"version {reader.version} is still shown, not {version}"
        reader.poll(0.1)


def test_a_follower_sees_only_whole_versions_in_their_order(real: RealWorld) -> None:
    writer = new_writer(real)
    rows = busy_stream(seed=1, n=1_500, n_items=80, n_users=20)
    published: dict[int, dict[str, float]] = {}
    seen: list[tuple[int, bool, dict[str, float]]] = []
    with reading(real) as reader:

        def take_down(version: int) -> None:
            manifest = reader.manifest
            assert manifest is not None
            seen.append((version, reader.checksum == manifest.checksum, dict(reader.scores())))

        reader.follow(on_version=take_down)
        for start in range(0, len(rows), 50):
            writer.learn(rows[start : start + 50])
            writer.publish()
            published[writer.publisher.version] = writer.published_scores()
        until_s = time.monotonic() + DEADLINE_S
        while reader.version < writer.publisher.version and time.monotonic() < until_s:
            time.sleep(0.01)  # the deadline ends it
        assert reader.failure is None
    versions = [version for version, _, _ in seen]
    assert versions[-1] == writer.publisher.version == 30
    assert versions == sorted(set(versions))
    assert all(is_right for _, is_right, _ in seen)
    assert all(scores == published[version] for version, _, scores in seen)


def test_a_reader_that_starts_late_shows_the_newest_version_alone(real: RealWorld) -> None:
    writer = new_writer(real)
    for start in range(0, 300, 100):
        writer.learn(busy_stream(seed=start, n=100, n_items=30, n_users=5))
        writer.publish_all()
    with reading(real) as reader:
        reader.catch_up(DEADLINE_S)
        assert reader.version == writer.publisher.version
        assert dict(reader.scores()) == writer.published_scores()


def test_an_aborted_transaction_is_never_seen_and_its_number_serves_the_next(real: RealWorld) -> None:
    writer = new_writer(real)
    rows = busy_stream(seed=3, n=200, n_items=30, n_users=5)
    writer.learn(rows[:100])
    writer.publish()
    with reading(real) as reader:
        poll_until_version(reader, 1)
        writer.output.begin()
        writer.output.write([OutputRecord(writer.settings.publish.scores_topic, b"ghost", b"{}")])
        writer.output.flush()
        writer.publisher.abort()
        writer.learn(rows[100:])
        writer.publish()
        poll_until_version(reader, 2)
        assert "ghost" not in reader.scores()
        assert dict(reader.scores()) == writer.published_scores()


def test_an_empty_version_is_shown_too(real: RealWorld) -> None:
    writer = new_writer(real)
    writer.learn(busy_stream(seed=4, n=50, n_items=10, n_users=3))
    writer.publish_all()
    with reading(real) as reader:
        reader.catch_up(DEADLINE_S)
        writer.publish()
        poll_until_version(reader, writer.publisher.version)
        assert reader.manifest is not None
        assert reader.manifest.rows == {}
        assert dict(reader.scores()) == writer.published_scores()


def test_where_nothing_was_published_a_reader_catches_up_with_nothing(real: RealWorld) -> None:
    with reading(real) as reader:
        reader.catch_up(DEADLINE_S)
        assert (reader.version, dict(reader.scores()), reader.recommend(["a"], 3)) == (0, {}, [])


def test_after_a_restart_the_tail_gives_everything_again(real: RealWorld) -> None:
    writer = new_writer(real)
    writer.learn(busy_stream(seed=5, n=50, n_items=10, n_users=3))
    writer.publish_all()
    tail = KafkaTail(settings_of(real))
    try:
        first = _everything(tail)
        tail.restart()
        assert not tail.caught_up()
        assert _everything(tail) == first
    finally:
        tail.close()


def test_rows_that_nobody_vouches_for_are_not_shown_even_when_read_again(real: RealWorld) -> None:
    writer = new_writer(real)
    writer.learn(busy_stream(seed=6, n=50, n_items=10, n_users=3))
    writer.publish_all()
    with reading(real) as reader:
        reader.catch_up(DEADLINE_S)
        shown, scores = reader.version, dict(reader.scores())
        intruder = writer.publish([_row(writer, b"intruder")])
        with pytest.raises(BrokenSnapshot, match="something else writes to these topics"):
            poll_until_version(reader, intruder.version or 0)
        assert (reader.version, dict(reader.scores())) == (shown, scores)


def test_a_tail_of_topics_that_were_made_anew_asks_for_a_restart(real: RealWorld) -> None:
    writer = new_writer(real)
    writer.learn(busy_stream(seed=7, n=200, n_items=30, n_users=5))
    writer.publish_all()
    tail = KafkaTail(settings_of(real))
    try:
        _everything(tail)
        _make_anew(real, writer.settings.publish.scores_topic)
        with pytest.raises(BrokenSnapshot, match="lies outside the log"):
            _poll_until_refused(tail)
        tail.restart()
        assert {topic for topic, _, _ in _everything(tail)} == {
            writer.settings.publish.related_topic,
            writer.settings.publish.manifests_topic,
        }
    finally:
        tail.close()


def _row(writer: Writer, key: bytes) -> OutputRecord:
    value = formats.score_value("0.5", 1, formats.timestamp(0))
    return OutputRecord(writer.settings.publish.scores_topic, key, value)


def _poll_until_refused(tail: KafkaTail) -> None:
    until_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < until_s:
        tail.poll(0.1)


def _make_anew(real: RealWorld, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": real.address})
    admin.delete_topics([topic])[topic].result(30)
    until_s = time.monotonic() + DEADLINE_S
    while topic in admin.list_topics(timeout=10).topics and time.monotonic() < until_s:
        time.sleep(0.05)  # the deadline ends it
    config = {"cleanup.policy": "compact"}
    admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1, config=config)])[topic].result(30)


def _everything(tail: KafkaTail) -> set[tuple[str, int, int]]:
    found: set[tuple[str, int, int]] = set()
    until_s = time.monotonic() + DEADLINE_S
    while not tail.caught_up():
        assert time.monotonic() < until_s, "never caught up"
        found |= {(r.topic, r.partition, r.offset) for r in tail.poll(0.1)}
    return found
