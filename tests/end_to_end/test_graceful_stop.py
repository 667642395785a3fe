"""SIGTERM under load: how a supervisor stops a worker, within the time that the chart gives it, and far below."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from consumer.settings import Settings
from tests.deploy.charts import CHART
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import PacedProducer
from tests.end_to_end.follower import Follower
from tests.end_to_end.plain import assert_counted_once, plain_stream
from tests.end_to_end.replica import broken_versions, manifests
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
GRACE_S = float(VALUES["terminationGracePeriodSeconds"])
STOP_S = GRACE_S / 4
"""A stop that took longer would leave too little for a slower disk and broker."""
PER_SECOND = 20_000
N_EVENTS = 20 * PER_SECOND
LEARNED = "freshrank_batch_events_total"


class Standing(NamedTuple):
    """How far a writer had come."""

    epoch: int
    version: int
    position: int


def last_published(settings: Settings, epoch: int) -> Standing:
    """By the last version of this writer."""
    own = [manifest for manifest in manifests(published_by(settings)) if manifest["writer"]["epoch"] == epoch]
    return Standing(epoch, own[-1]["version"], own[-1]["input_positions"][settings.input.topic]["0"])


def taken_over_from(worker: WorkerProcess) -> Standing:
    """By the checkpoint from which it went on, which has these numbers in its name."""
    numbers = re.findall(r"taken over .* checkpoint=checkpoint-(\d+)-(\d+)-(\d+)", worker.log())[-1]
    return Standing(*map(int, numbers))


def stopped_under_load(worker: WorkerProcess) -> tuple[int, float]:
    """Sends SIGTERM; how many events it had learned by then, and the seconds until it was gone with exit code 0."""
    n_learned = int(worker.metrics()[LEARNED])
    asked_s = time.monotonic()
    worker.send(signal.SIGTERM)
    assert worker.wait(GRACE_S) == 0
    return n_learned, time.monotonic() - asked_s


def test_a_stop_under_load_saves_all_and_the_standby_goes_on(model: SettingsOf, tmp_path: Path) -> None:
    settings, events = model(), plain_stream(N_EVENTS)
    topic, published = settings.input.topic, published_by(settings)
    create_topics(settings, input_partitions=1)
    with (
        WorkerProcess(settings, tmp_path, "slot-0") as first,
        WorkerProcess(settings, tmp_path, "slot-1") as second,
        Follower(published) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, topic, events, PER_SECOND) as producer,
    ):
        first.start_ready()
        second.start()
        until(second.is_standing_by, "the second worker stands by", 120)
        producer.allow(N_EVENTS)
        until(lambda: reader.position(topic) >= 3 * PER_SECOND, "the first worker is under load")
        n_learned, seconds = stopped_under_load(first)
        assert producer.n_sent < N_EVENTS, "the load had ended before the worker was stopped"
        until(lambda: reader.shown[-1].epoch == 2, "the second worker publishes")
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published", 120)
        assert second.terminate() == 0
    assert seconds <= STOP_S
    assert taken_over_from(second) == last_published(settings, epoch=1)
    assert n_learned <= taken_over_from(second).position < N_EVENTS
    assert [shown for shown in reader.shown if not shown.is_whole] == []
    assert broken_versions(published) == []
    assert_counted_once(settings, events)


def test_a_stop_under_load_and_a_restart_lose_and_double_nothing(model: SettingsOf, tmp_path: Path) -> None:
    settings, events = model(), plain_stream(N_EVENTS)
    topic = settings.input.topic
    create_topics(settings, input_partitions=1)
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published_by(settings)) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, topic, events, PER_SECOND) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        until(lambda: reader.position(topic) >= 3 * PER_SECOND, "the worker is under load")
        n_learned, seconds = stopped_under_load(worker)
        worker.start_ready()
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published", 120)
        assert worker.terminate() == 0
    assert seconds <= STOP_S
    assert taken_over_from(worker) == last_published(settings, epoch=1)
    assert n_learned <= taken_over_from(worker).position < N_EVENTS
    assert broken_versions(published_by(settings)) == []
    assert_counted_once(settings, events)
