"""A worker finds out what is true of a synthetic shop: its items' shares as they drift, and a trend when it comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from consumer.settings import Settings
from producer_tools.connection import Connection
from producer_tools.event_columns import TREND_ITEM
from producer_tools.plan import FaultShares, SyntheticPlan, Trend
from producer_tools.producing import RecordProducer, Timestamps
from producer_tools.records import Float64Array, Int64Array, RecordBlock
from producer_tools.synthetic import SyntheticStream
from producer_tools.truth_file import facts
from tests.broker import create_topic
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.follower import Follower
from tests.end_to_end.replica import Replica, rebuilt
from tests.end_to_end.spearman import of_the_greatest
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = pytest.mark.broker

PARTITIONS = 4
MOMENTS = 4
N_COMPARED = 200
"""Items with the greatest true shares: they have four in five of all events."""
SHOP = SyntheticPlan(
    n_events=600_000,
    n_users=20_000,
    n_items=1_000,
    events_per_s=15,  # eleven hours
    rhythm=0.6,
    drift_s=6 * 3_600,
    new_items_per_hour=2,
    faults=FaultShares(0.002, 0.01, 0.005, tombstones=0.002, out_of_order=0.02, bots=0.01),
)


def say(figure: str) -> None:
    """Seen with `pytest -s`."""
    sys.stdout.write(f"{figure}\n")


def create_input(settings: Settings) -> None:
    """What it holds is to stay, however old."""
    create_topic(settings.kafka.bootstrap_servers, settings.input.topic, PARTITIONS, {"retention.ms": "-1"})
    create_topics(settings)


def published_scores(settings: Settings, reader: Follower, n_records: int) -> Mapping[str, float]:
    """Once so many records have been learned and no row waits."""

    def is_all_published() -> bool:
        manifest = reader.manifest
        n_learned = sum(reader.position(settings.input.topic, partition) for partition in range(PARTITIONS))
        return n_learned == n_records and manifest is not None and not any(manifest["rows_waiting"].values())

    until(is_all_published, f"{n_records} records are published")
    return rebuilt(published_by(settings)).scores()


def test_published_shares_follow_the_true_ones_as_they_drift(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(models={"popularity": {"half_lives_s": (1_800.0, 7_200.0, 28_800.0)}})
    create_input(settings)
    stream = SyntheticStream(SHOP)
    moments = [fact["shares"] for fact in facts(stream, MOMENTS) if fact["kind"] == "shares"]
    producer = RecordProducer(Connection(settings.kafka.bootstrap_servers), settings.input.topic, Timestamps.EVENT)
    published = []
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        for k, block in enumerate(stream.blocks(SHOP.n_events // MOMENTS), start=1):
            assert producer.send([block]).is_complete
            published.append(published_scores(settings, reader, k * len(block)))
        assert worker.terminate() == 0
    found = [of_the_greatest(true, at, N_COMPARED) for true, at in zip(moments, published, strict=True)]
    of_the_first = of_the_greatest(moments[-1], published[0], N_COMPARED)
    say(f"rank correlation with the true shares at {MOMENTS} moments: {np.round(found, 3)}")
    say(f"of the first version with the last moment's: {of_the_first:.3f}")
    assert min(found) > 0.8
    assert of_the_first < 0.6, "the shop hardly changed, so nothing was shown"


TREND = SyntheticPlan(
    n_events=1_000_000,
    n_users=20_000,
    n_items=1_000,
    events_per_s=2_000,
    trend=Trend("hot", 700_000, 0.1),
)
HISTORY_S = 340
"""Of these 350 seconds of event time before the trend so much is in the past when the worker starts."""
TOP = 20


class AsItHappens:
    """Every record is due at its event time; what has happened already, at once."""

    def __init__(self) -> None:
        self._start_s = time.time()

    def due_s(self, first: int, times_ms: Int64Array) -> Float64Array:
        return np.maximum(times_ms / 1_000.0 - self._start_s, 0.0)


class TopWatch:
    """The first version in which the trend is among the best."""

    def __init__(self) -> None:
        self.watermark_ms = self.seen_ms = 0.0

    def look(self, replica: Replica) -> None:
        scores = replica.scores()
        if not self.seen_ms and "hot" in sorted(scores, key=lambda item: -scores[item])[:TOP]:
            assert replica.manifest is not None
            self.seen_ms = 1_000 * time.time()
            self.watermark_ms = 1_000 * datetime.fromisoformat(replica.manifest["watermark"]).timestamp()


def test_a_planted_trend_is_in_the_published_top_20_within_seconds(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(models={"popularity": {"half_lives_s": (60.0, 600.0, 3_600.0)}})
    create_input(settings)
    watch = TopWatch()
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings), watch.look):
        worker.start_ready()
        start_ms = round(1_000 * time.time()) - 1_000 * HISTORY_S
        stream = SyntheticStream(replace(TREND, start_ms=start_ms))
        producer = RecordProducer(Connection(settings.kafka.bootstrap_servers), settings.input.topic)
        assert producer.send(_until(stream, watch), AsItHappens()).is_complete
        until(lambda: watch.seen_ms, "the trend is in the top")
        assert worker.terminate() == 0
    began_ms = _first_of_trend_ms(stream)
    event_s, wall_s = (watch.watermark_ms - began_ms) / 1_000, (watch.seen_ms - began_ms) / 1_000
    say(f"in the published top {TOP} after {event_s:.1f} s of event time, {wall_s:.1f} s on the wall")
    assert 0 < event_s < 20


def _until(stream: SyntheticStream, watch: TopWatch) -> Iterator[RecordBlock]:
    for block in stream.blocks(1_000):
        if watch.seen_ms:
            return
        yield block


def _first_of_trend_ms(stream: SyntheticStream) -> int:
    for events in stream.events():
        about_it = np.flatnonzero(events.item == TREND_ITEM)
        if len(about_it):
            return int(events.event_time_ms[about_it[0]])
    raise AssertionError("the stream has no trend")
