"""Every query of the dashboards, on a real Prometheus that scrapes a live worker under load.

There is no Grafana here: what it would ask is asked, with its variables filled in as it fills them in.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consumer.checkpoints import requests
from consumer.checkpoints.local_store import LocalStore
from consumer.checkpoints.requests import RollbackRequest
from consumer.settings import Settings
from deploy.grafana.__main__ import DASHBOARDS
from tests.broker import Broker
from tests.end_to_end.events import PacedProducer, encoded, event
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import READY_TIMEOUT_S, WorkerProcess, create_topics, settings_of
from tests.watching.debian_tools import path_of
from tests.watching.prometheus import INSTANCE, JOB, Prometheus

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

N_ITEMS = 300
N_WALKS = 15_000
N_EVENTS = 40_000
RATE = 1_500
HELD = 'freshrank_publish_held{reason="share"}'
FILLED_IN = {"$job": JOB, "$instance": ".*", "$model": ".*", "$__rate_interval": "10s"}


def habits_that_change() -> list[bytes]:
    """Shoppers who go from each item to the one after it, and then anywhere; one record in 200 is broken."""
    rng = random.Random(1)
    at = [rng.randrange(N_ITEMS) for _ in range(400)]
    records = []
    for i in range(N_EVENTS):
        user = rng.randrange(len(at))
        goes_on = i < N_WALKS and rng.random() < 0.95
        at[user] = (at[user] + 1) % N_ITEMS if goes_on else rng.randrange(N_ITEMS)
        whole = encoded(event(f"item-{at[user]}", user=f"user-{user}", at_s=0.1 * i, event_id=f"e-{i}"))
        records.append(whole[:-1] if i % 200 == 7 else whole)
    return records


@dataclass(frozen=True, slots=True)
class Day:
    """A Prometheus that has seen a worker go through much, and when."""

    prometheus: Prometheus
    start_s: float
    end_s: float

    def values(self, query: str) -> list[float]:
        for name, value in FILLED_IN.items():
            query = query.replace(name, value)
        return self.prometheus.over(query, self.start_s, self.end_s)


def has_good_checkpoint(store: LocalStore) -> bool:
    return requests.last_good(requests.readable(store)) is not None


def counted(worker: WorkerProcess, metric: str) -> float:
    return worker.metrics().get(metric, 0.0)


def roll_back(worker: WorkerProcess) -> None:
    """As `freshrank rollback` does."""
    store = LocalStore(Path(worker.settings.checkpoints.directory))
    until(lambda: has_good_checkpoint(store), "a state that went out is saved")
    checkpoint = requests.target_of(requests.readable(store), None)
    store.put_request(requests.encode(RollbackRequest(id="of-this-test", checkpoint=checkpoint)))
    until(lambda: counted(worker, 'freshrank_rollbacks_total{reason="operator"}') == 1, "it is rolled back")


def live_through_much(settings: Settings, directory: Path, prometheus: Prometheus) -> Iterator[Day]:
    """Start, load, a rollback, a drift, a restart, and versions that are held."""
    start_s, tight = time.time(), {"young_s": 0.0, "share_per_hour": 1e-6}
    records, servers = habits_that_change(), settings.kafka.bootstrap_servers
    held_soon = settings.model_copy(
        update={"publish": settings.publish.model_copy(update={"gate": settings.publish.gate.model_copy(update=tight)})}
    )
    with PacedProducer(servers, settings.input.topic, records, per_second=RATE) as producer:
        with WorkerProcess(settings, directory) as worker:
            worker.start()
            prometheus.watch(worker.port)
            until(worker.is_ready, "the worker is ready", READY_TIMEOUT_S)
            until(prometheus.is_scraping, "it is scraped")
            producer.allow(N_WALKS)
            until(lambda: producer.n_sent == N_WALKS, "the usual has been sent")
            roll_back(worker)
            producer.allow(N_EVENTS - 2_000)
            until(lambda: counted(worker, 'freshrank_drift_alarms_total{loss="next"}') > 0, "the drift is noticed")
            until(
                lambda: len(prometheus.over("freshrank_drift_alarms_total > 0", start_s, time.time())) > 5, "and seen"
            )
            assert worker.terminate() == 0
        with WorkerProcess(held_soon, directory) as worker:
            worker.start()
            prometheus.watch(worker.port)
            until(worker.is_ready, "the worker is ready again", READY_TIMEOUT_S)
            producer.allow(N_EVENTS)
            until(lambda: counted(worker, HELD) == 1, "versions are held")
            until(lambda: len(prometheus.over(f"{HELD} == 1", start_s, time.time())) > 5, "and seen")
            yield Day(prometheus, start_s, time.time())


@pytest.fixture(scope="module")
def day(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    path_of("prometheus")  # before a worker is started for nothing
    directory = tmp_path_factory.mktemp("watched")
    settings = settings_of(
        kafka.bootstrap_servers, f"watched-{random.randrange(1 << 32):08x}-", directory,
        evaluation={"sample_one_in": 5},
    )  # fmt: skip
    create_topics(settings, input_partitions=1)
    with Prometheus(directory) as prometheus:
        yield from live_through_much(settings, directory, prometheus)


@pytest.mark.parametrize(
    ("title", "query"),
    [
        pytest.param(panel.title, query.promql, id=f"{name}: {panel.title} {n}")
        for name, dashboard in DASHBOARDS.items()
        for row in dashboard.rows
        for panel in row.panels
        for n, query in enumerate(panel.queries, start=1)
    ],
)
def test_every_query_of_every_panel_returns_data(day: Day, title: str, query: str) -> None:
    assert day.values(query), f"{title}: {query}"


@pytest.mark.parametrize(
    "query",
    sorted({annotation.query.promql for dashboard in DASHBOARDS.values() for annotation in dashboard.annotations}),
)
def test_every_annotation_marks_what_has_happened(day: Day, query: str) -> None:
    assert any(value > 0 for value in day.values(query))


def test_each_start_of_the_worker_is_marked_once_at_its_time(day: Day) -> None:
    started = set(day.values('process_start_time_seconds{job="$job"} * 1000'))
    assert len(started) == 2
    # In seconds since the machine started, whose time moves when the clock is set right.
    assert all(day.start_s - 60 <= at / 1000 <= day.end_s + 60 for at in started)


@pytest.mark.parametrize(
    "variable",
    sorted({(v.name, v.query) for dashboard in DASHBOARDS.values() for v in dashboard.variables}),
    ids=lambda variable: variable[0],
)
def test_every_choice_at_the_top_has_something_to_choose(day: Day, variable: tuple[str, str]) -> None:
    name, query = variable
    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", query)
    assert asked is not None
    series = asked[1].replace("$job", JOB)
    values = day.prometheus.get(f"label/{asked[2]}/values", **{"match[]": series})
    assert set(values) >= {"job": {JOB}, "instance": {INSTANCE}, "model": {"ensemble", "popularity"}}[name]


def test_every_rule_can_be_evaluated(day: Day) -> None:
    rules = [rule for group in day.prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}


def test_the_alert_about_held_versions_is_under_way(day: Day) -> None:
    pending = day.values('ALERTS{alertname="FreshrankPublishHeld", alertstate="pending", reason="share"}')
    assert pending
