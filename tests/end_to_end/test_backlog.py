"""Hours of backlog over several partitions, read from the start, in whatever order the partitions come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.follower import Follower
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = pytest.mark.broker

N_PARTITIONS = 4
N_EACH = 30_000
SIX_HOURS_S = 6 * 3_600.0


def test_nothing_that_is_in_order_within_its_partition_is_late(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    topic = settings.input.topic
    create_topics(settings, input_partitions=N_PARTITIONS)
    rng = np.random.default_rng(4)
    for partition in range(N_PARTITIONS):
        items = rng.integers(500, size=N_EACH)
        values = [
            encoded(event(f"item-{items[i]}", user=f"user-{partition}-{i % 997}", at_s=i * SIX_HOURS_S / N_EACH))
            for i in range(N_EACH)
        ]
        produce(settings.kafka.bootstrap_servers, topic, list(values), partition)
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        until(lambda: all(reader.position(topic, p) == N_EACH for p in range(N_PARTITIONS)), "all is learned")
        found = worker.metrics()
        assert worker.terminate() == 0
    assert found['freshrank_events_total{outcome="late"}'] == 0
    assert found['freshrank_events_total{outcome="admitted"}'] == N_PARTITIONS * N_EACH
