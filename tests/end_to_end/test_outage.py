"""The broker goes away and comes back; nothing is lost, nothing is doubled, nobody has to help."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.broker import LocalBroker
from tests.end_to_end.conftest import published_by
from tests.end_to_end.events import PacedProducer
from tests.end_to_end.follower import Follower
from tests.end_to_end.plain import assert_counted_once, plain_stream
from tests.end_to_end.replica import broken_versions, manifests
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics, settings_of

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

N_EVENTS = 60_000
PER_SECOND = 3_000
TRANSACTION_TIMEOUT_S = 5.0


@pytest.mark.parametrize(
    ("how", "outage_s", "session_s"),
    [("kill", 1.0, 30.0), ("stop", 2.5 * TRANSACTION_TIMEOUT_S, 6.0)],
    ids=["crash", "longer than a transaction may take"],
)
def test_the_worker_goes_on_after_an_outage(
    own_kafka: LocalBroker, tmp_path: Path, how: str, outage_s: float, session_s: float
) -> None:
    """A crash that no session outlasts keeps the lease where it is; a long one has it won anew."""
    timeouts = {"transaction_timeout_s": TRANSACTION_TIMEOUT_S, "session_timeout_s": session_s}
    settings = settings_of(own_kafka.bootstrap_servers, "outage-", tmp_path, kafka=timeouts)
    topic, published, events = settings.input.topic, published_by(settings), plain_stream(N_EVENTS)
    create_topics(settings, input_partitions=1)
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published) as reader,
        PacedProducer(own_kafka.bootstrap_servers, topic, events, PER_SECOND) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        until(lambda: reader.position(topic) > PER_SECOND, "the worker is under load")
        getattr(own_kafka, how)()
        time.sleep(outage_s)  # how long it lasts is the point
        own_kafka.start()
        producer.allow(N_EVENTS, per_second=50_000)
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published", 120)
        assert worker.terminate() == 0
    versions = [manifest["version"] for manifest in manifests(published)]
    assert versions == list(range(1, len(versions) + 1))
    assert [shown for shown in reader.shown if not shown.is_whole] == []
    assert broken_versions(published) == []
    assert_counted_once(settings, events)
