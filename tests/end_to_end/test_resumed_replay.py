"""A replay that is killed in the middle and goes on: a worker that reads along learns each event once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from producer_tools.ndjson_file import write_ndjson
from producer_tools.plan import SyntheticPlan
from producer_tools.synthetic import SyntheticStream
from tests.broker import create_topic
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.follower import Follower
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import ROOT, WorkerProcess, create_topics

pytestmark = pytest.mark.broker

N_EVENTS = 60_000


def test_a_worker_learns_each_event_of_a_killed_and_resumed_replay_once(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    topic, servers = settings.input.topic, settings.kafka.bootstrap_servers
    create_topic(servers, topic, 4, {"retention.ms": "-1"})
    create_topics(settings)
    recorded = tmp_path / "events.ndjson"
    write_ndjson(recorded, SyntheticStream(SyntheticPlan(n_events=N_EVENTS)).blocks(), lambda _n: None)
    where = ("-b", servers, "-t", topic, "--timestamps", "event", "--resume-as", f"{topic}-replay")
    command = [sys.executable, "-m", "producer_tools", "replay", str(recorded), *where]
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)):
        worker.start_ready()

        def n_admitted() -> float:
            return worker.metrics()['freshrank_events_total{outcome="admitted"}']

        with subprocess.Popen([*command, "--rate", "10000"], cwd=ROOT) as replay:
            until(lambda: n_admitted() > N_EVENTS / 4, "a quarter is learned")
            replay.send_signal(signal.SIGKILL)
        assert n_admitted() < N_EVENTS
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "going on at row" in done.stdout
        until(lambda: n_admitted() >= N_EVENTS, "all of it is learned")
        found = {name: n for name, n in worker.metrics().items() if "events_total{outcome=" in name and n}
        assert found == {'freshrank_events_total{outcome="admitted"}': N_EVENTS}
        assert worker.terminate() == 0
