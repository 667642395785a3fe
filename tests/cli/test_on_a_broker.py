"""The commands against a real Kafka: topics, a worker from start to SIGTERM, and what it published."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from producer_tools.connection import Connection
from producer_tools.plan import SyntheticPlan, Trend
from producer_tools.producing import RecordProducer
from producer_tools.synthetic import SyntheticStream
from tests.broker import Broker, create_topic
from tests.broker.properties import free_port
from tests.cli.conftest import Freshrank, Started
from tests.end_to_end.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

N_EVENTS = 3_000


class Model:
    """A model of this test's own: its settings, in a file."""

    def __init__(self, bootstrap_servers: str, prefix: str, folder: Path) -> None:
        self.port = free_port()
        self.servers = bootstrap_servers
        self.input = f"{prefix}events"
        self.scores, self.related, self.manifests = (f"{prefix}{name}" for name in ("scores", "related", "manifests"))
        self.file = folder / "freshrank.yaml"
        self.file.write_text(yaml.safe_dump(self._settings(prefix, folder)))

    def _settings(self, prefix: str, folder: Path) -> dict[str, object]:
        return {
            "model": f"{prefix}model",
            "input": {"topic": self.input},
            "kafka": {"bootstrap_servers": self.servers, "session_timeout_s": 6},
            "publish": {
                "scores_topic": self.scores,
                "related_topic": self.related,
                "manifests_topic": self.manifests,
            },
            "checkpoints": {"directory": str(folder / "checkpoints")},
            "telemetry": {"port": self.port},
        }

    def send(self) -> None:
        plan = SyntheticPlan(
            n_events=N_EVENTS,
            n_users=200,
            n_items=50,
            start_ms=time.time_ns() // 1_000_000,
            trend=Trend("lamp", 0, 0.5),
        )
        assert RecordProducer(Connection(self.servers), self.input).send(SyntheticStream(plan).blocks()).is_complete

    def metrics(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""


@pytest.fixture
def model(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Model:
    return Model(kafka.bootstrap_servers, topic_prefix, tmp_path)


def test_missing_topics_are_told_then_created_then_found_good(freshrank: Freshrank, model: Model) -> None:
    before = freshrank("topics", "-c", model.file)
    assert before.code == 1
    assert f"wrong: {model.scores}: does not exist" in before.out
    created = freshrank("topics", "-c", model.file, "--create", "--input-partitions", 2)
    assert created.code == 0, created
    assert created.out.count("created ") == 5
    assert freshrank("topics", "-c", model.file) == (0, "all topics are as they should be\n", "")


def test_the_input_is_not_created_unasked(freshrank: Freshrank, model: Model) -> None:
    ended = freshrank("topics", "-c", model.file, "--create")
    assert ended.code == 1
    assert f"wrong: {model.input}: does not exist (the input)" in ended.out


def test_a_topic_that_breaks_the_contract_is_wrong_and_stays_as_it_is(freshrank: Freshrank, model: Model) -> None:
    create_topic(model.servers, model.scores, config={"cleanup.policy": "delete"})
    complaint = f"wrong: {model.scores}: cleanup.policy is delete, wanted compact"
    until(lambda: complaint in freshrank("topics", "-c", model.file).out, "the topic is seen by the broker")
    ended = freshrank("topics", "-c", model.file, "--create", "--input-partitions", 1)
    assert ended.code == 1
    assert complaint in ended.out
    assert f"created {model.scores}" not in ended.out


def test_another_number_of_partitions_differs_but_does_no_harm(freshrank: Freshrank, model: Model) -> None:
    freshrank("topics", "-c", model.file, "--create", "--input-partitions", 1, "--partitions", 2)
    ended = freshrank("topics", "-c", model.file, "--partitions", 3)
    assert ended.code == 0
    assert f"differs: {model.scores}: has 2 partitions, wanted 3" in ended.out


def test_before_anything_is_published_reading_says_so(freshrank: Freshrank, model: Model) -> None:
    freshrank("topics", "-c", model.file, "--create", "--input-partitions", 1)
    ended = freshrank("top", "-c", model.file)
    assert (ended.code, ended.out) == (1, "")
    assert f"has published nothing to {model.manifests}" in ended.err


def test_a_worker_refuses_missing_topics_with_a_message(started: Started, model: Model, tmp_path: Path) -> None:
    with started("run", "-c", model.file) as worker:
        assert worker.wait(120) == 1
    err = (tmp_path / "stderr").read_text()
    assert "`freshrank topics --create` creates what is missing" in err
    assert "Traceback" not in err


def test_what_a_worker_learned_is_shown_and_sigterm_ends_it_well(
    freshrank: Freshrank, started: Started, model: Model, tmp_path: Path
) -> None:
    freshrank("topics", "-c", model.file, "--create", "--input-partitions", 2)
    with started("run", "-c", model.file) as worker:
        model.send()
        until(lambda: has_learned_all(worker, model), "everything is learned", 300)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, (tmp_path / "stderr").read_text()

    top = freshrank("top", "-c", model.file, "-n", 3)
    assert (top.code, top.err) == (0, "")
    assert "51 items" in top.out.splitlines()[0]
    assert "lamp" in top.out.splitlines()[2]

    as_json = json.loads(freshrank("top", "-c", model.file, "--json").out)
    assert as_json["items"][0]["item"] == "lamp"
    assert as_json["items"][0]["score"] == pytest.approx(0.5, abs=0.1)
    assert as_json["version"] >= 1

    related = json.loads(freshrank("related", "lamp", "-c", model.file, "-n", 5, "--json").out)
    assert len(related["related"]) == 5
    assert related["related"][0]["evidence"] >= related["related"][4]["evidence"] > 0

    history = ",".join(("item-00", related["related"][0]["item"], "nowhere"))
    recommended = freshrank("recommend", "--history", history, "-c", model.file, "-n", 5)
    assert recommended.code == 0
    assert "lamp" in recommended.out
    assert "not in this version: nowhere" in recommended.out

    unknown = freshrank("related", "nowhere", "-c", model.file)
    assert unknown.code == 1
    assert "item 'nowhere' is not in version" in unknown.err


def has_learned_all(worker: subprocess.Popen[str], model: Model) -> bool:
    assert worker.poll() is None, "the worker ended by itself"
    return f'freshrank_events_total{{outcome="admitted"}} {N_EVENTS:.1f}' in model.metrics()
