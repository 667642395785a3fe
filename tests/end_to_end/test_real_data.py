"""Recorded data through the tools and the worker, rebuilt and recounted by clients and code that are not ours."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.settings import Settings
from tests.broker import create_topic
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.follower import Follower
from tests.end_to_end.recount import capped, interactions, net_counts, out_of_tolerance, recounted_scores
from tests.end_to_end.replica import Replica, rebuilt
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import ROOT, WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

DATA = ROOT.parent / "shared" / "data"
PARTITIONS = 4
TAOBAO_COLUMNS = ("user_id", "item_id", "category_id", "behaviour", "epoch_seconds")


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, the settings that read it, and how it is replayed."""

    file: str
    config: str
    n_events: int
    replay: tuple[str, ...]
    columns: tuple[str, str, str, str]  # of user, item, type and time
    fields: tuple[str, ...] | None = None  # where the file names none

    def path(self) -> Path:
        path = DATA / self.file
        if not path.exists():
            pytest.skip(f"needs {path}")
        return path


REES46 = Recording(
    "rees46_2019_oct_head.csv.gz",
    "rees46.yaml",
    17_434,  # the last line is cut off
    ("--keep-names", "--numbers", "price", "--time-format", "%Y-%m-%d %H:%M:%S UTC", "--limit", "17434"),
    ("user_id", "product_id", "event_type", "event_time"),
)
TAOBAO = Recording(
    "taobao_userbehavior.csv.gz",
    "taobao.yaml",
    96_168,
    ("--no-header", "--columns", ",".join(TAOBAO_COLUMNS), "--keep-names", "--numbers", "epoch_seconds"),
    ("user_id", "item_id", "behaviour", "epoch_seconds"),
    TAOBAO_COLUMNS,
)


def settings_for(recording: Recording, model: SettingsOf) -> Settings:
    """Those of `config/`, but with this test's names."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "config" / recording.config).read_text(encoding="utf-8"))
    return model(input={**config["input"], "topic": model().input.topic})


def replay(recording: Recording, settings: Settings) -> None:
    where = ("--topic", settings.input.topic, "--bootstrap-servers", settings.kafka.bootstrap_servers)
    command = [sys.executable, "-m", "producer_tools", "replay", str(recording.path()), *recording.replay, *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def learned(recording: Recording, settings: Settings, directory: Path) -> None:
    """Let a worker learn the recording until nothing waits to be published."""
    topic = settings.input.topic
    create_topic(settings.kafka.bootstrap_servers, topic, PARTITIONS)
    create_topics(settings)
    with WorkerProcess(settings, directory) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        replay(recording, settings)

        def is_all_published() -> bool:
            n_learned = sum(reader.position(topic, partition) for partition in range(PARTITIONS))
            manifest = reader.manifest
            return (
                n_learned == recording.n_events and manifest is not None and not any(manifest["rows_waiting"].values())
            )

        until(is_all_published, "everything is published", 120)
        outcomes = {name: int(n) for name, n in worker.metrics().items() if "events_total{outcome=" in name and n}
        assert outcomes == {'freshrank_events_total{outcome="admitted"}': recording.n_events}
        assert worker.terminate() == 0


@pytest.mark.parametrize("recording", [REES46, TAOBAO], ids=["rees46", "taobao"])
def test_the_last_version_is_what_the_file_recounts_to(recording: Recording, model: SettingsOf, tmp_path: Path) -> None:
    path, settings = recording.path(), settings_for(recording, model)
    learned(recording, settings, tmp_path)
    replica = rebuilt(published_by(settings))
    manifest, scores = replica.manifest, replica.scores()
    assert manifest is not None
    weights = {name: kind.weight for name, kind in settings.input.event_types.items()}
    events = [
        event
        for event, _ in zip(
            interactions(path, recording.columns, weights, fieldnames=recording.fields),
            range(recording.n_events),
            strict=False,
        )
    ]
    events = list(capped(events, settings.users.daily_item_weight * max(map(abs, weights.values()))))
    expected = recounted_scores(events, manifest)
    assert set(scores) == set(replica.related()) == set(expected)
    assert out_of_tolerance(scores, expected, settings.publish.tolerance) == {}
    assert math.fsum(scores.values()) == pytest.approx(1.0, abs=settings.publish.tolerance)
    assert replica.rows.checksum == manifest["checksum"]
    assert_totals_are_recounted(events, manifest)
    assert_kcat_sees_the_same(settings, replica)


def assert_totals_are_recounted(events: list[Any], manifest: Any) -> None:
    totals = manifest["model"]["totals"]
    net = net_counts(events, manifest)
    assert totals["items"] == len(net)
    recounted = [math.fsum(counts[h] for counts in net.values()) for h in range(len(totals["popularity"]))]
    assert totals["popularity"] == pytest.approx(recounted, rel=1e-6)


def assert_kcat_sees_the_same(settings: Settings, replica: Replica) -> None:
    """A client with nothing of ours in it."""
    kcat = shutil.which("kcat")
    if kcat is None:
        pytest.skip("all but the last check passed; that one needs kcat")
    topic = ("-t", settings.publish.scores_topic, "-C", "-e", "-q", "-f", r"%k\t%s\n")
    client = ("-b", settings.kafka.bootstrap_servers, "-X", "isolation.level=read_committed")
    lines = subprocess.run([kcat, *client, *topic], capture_output=True, text=True, check=True).stdout.splitlines()
    last = dict(line.split("\t", 1) for line in lines)
    assert {item: json.loads(value)["score"] for item, value in last.items() if value} == replica.scores()
