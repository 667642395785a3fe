"""A real worker whose port is attacked goes on learning, answers its supervisor, stays as small, and stops."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.broker import Broker
from tests.end_to_end.events import PacedProducer
from tests.end_to_end.plain import plain_stream
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics, settings_of
from tests.security.attack import Attack

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

PER_SECOND = 2_000
ATTACKED_S = 10
N_EVENTS = PER_SECOND * 3 * ATTACKED_S
ADMITTED = 'freshrank_events_total{outcome="admitted"}'


def test_an_attack_costs_nobody_anything(kafka: Broker, topic_prefix: str, tmp_path: Path) -> None:
    settings = settings_of(kafka.bootstrap_servers, topic_prefix, tmp_path)
    create_topics(settings, input_partitions=1)
    values = plain_stream(N_EVENTS)
    with (
        WorkerProcess(settings, tmp_path) as worker,
        PacedProducer(kafka.bootstrap_servers, settings.input.topic, values, PER_SECOND) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        until(lambda: worker.metrics()[ADMITTED] > PER_SECOND * ATTACKED_S / 2, "it is warm")
        before = resident_mib(worker.pid)
        with Attack(worker.port) as attack:
            took_s = probed(worker, ATTACKED_S)
            behind = producer.n_sent - worker.metrics()[ADMITTED]
            assert attack.n_connections > 100
            assert max(took_s) < 2.0
            assert behind < 3 * PER_SECOND
            assert resident_mib(worker.pid) - before < 64
            assert worker.terminate(60) == 0
    assert "telemetry request failed" not in worker.log()


def probed(worker: WorkerProcess, seconds: float) -> list[float]:
    """How long each answer of `/healthz` took; each has to be 200."""
    took_s: list[float] = []
    end_s = time.monotonic() + seconds
    while (began_s := time.monotonic()) < end_s:
        with urlopen(f"{worker.url}healthz", timeout=5) as answer:
            assert answer.status == 200
        took_s.append(time.monotonic() - began_s)
    return took_s


def resident_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024
