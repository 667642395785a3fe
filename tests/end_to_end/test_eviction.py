"""Items that make room for others vanish for the readers too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.follower import Follower
from tests.end_to_end.replica import broken_versions, committed, rebuilt
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = pytest.mark.broker

MAX_ITEMS = 100
DAY_S = 86_400.0


def views(items: range, at_s: float) -> list[bytes | None]:
    return [encoded(event(f"item-{i}", user=f"user-{i % 9}", at_s=at_s + n)) for n, i in enumerate(items)]


def test_evicted_items_end_in_tombstones_in_both_topics(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(catalogue={"max_items": MAX_ITEMS})
    topic, address = settings.input.topic, settings.kafka.bootstrap_servers
    create_topics(settings, input_partitions=1)
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        produce(address, topic, views(range(100), at_s=0.0))
        until(lambda: reader.position(topic) == 100, "the first items are published")
        assert set(rebuilt(published_by(settings)).scores()) == {f"item-{i}" for i in range(100)}
        produce(address, topic, views(range(60, 250), at_s=200.0))
        until(lambda: reader.position(topic) == 290, "the others have taken their place")
        assert worker.terminate() == 0
    replica = rebuilt(published_by(settings))
    left = {f"item-{i}" for i in range(150, 250)}
    assert set(replica.scores()) == set(replica.related()) == left
    for rows_topic in (settings.publish.scores_topic, settings.publish.related_topic):
        deleted = {row.key.decode() for row in committed(address, rows_topic) if row.value is None}
        assert deleted >= {f"item-{i}" for i in range(60)}
    assert broken_versions(published_by(settings)) == []


def test_a_catalogue_shrinks_when_items_outlive_their_time(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(catalogue={"item_ttl_s": DAY_S})
    topic, address = settings.input.topic, settings.kafka.bootstrap_servers
    create_topics(settings, input_partitions=1)
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        produce(address, topic, views(range(80), at_s=0.0))
        until(lambda: reader.position(topic) == 80, "all items are published")
        produce(address, topic, views(range(78, 80), at_s=2 * DAY_S))
        until(lambda: reader.position(topic) == 82, "two days later two of them are still in demand")
        assert worker.terminate() == 0
    replica = rebuilt(published_by(settings))
    assert set(replica.scores()) == set(replica.related()) == {"item-78", "item-79"}
    assert sum(replica.scores().values()) == pytest.approx(1.0)
