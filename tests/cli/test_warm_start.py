"""`freshrank warm-start` on a real Kafka: from a worker's checkpoints and from its topics to another worker."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from producer_tools.connection import Connection
from producer_tools.plan import SyntheticPlan
from producer_tools.producing import RecordProducer
from producer_tools.synthetic import SyntheticStream
from tests.broker import Broker
from tests.cli.conftest import Ended, Freshrank, Started
from tests.cli.test_on_a_broker import Model, has_learned_all
from tests.end_to_end.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]


def new_model(kafka: Broker, freshrank: Freshrank, prefix: str, folder: Path) -> Model:
    """Its topics exist, its input is empty."""
    folder.mkdir()
    model = Model(kafka.bootstrap_servers, prefix, folder)
    assert freshrank("topics", "-c", model.file, "--create", "--input-partitions", 2).code == 0
    return model


def send_one(model: Model) -> None:
    """An event of an item that the other deployment knows nothing of."""
    plan = SyntheticPlan(n_events=1, n_users=1, n_items=1, start_ms=time.time_ns() // 1_000_000)
    assert RecordProducer(Connection(model.servers), model.input).send(SyntheticStream(plan).blocks()).is_complete


def top(freshrank: Freshrank, model: Model, n: int) -> dict[str, float]:
    ended = freshrank("top", "-c", model.file, "--json", "-n", n)
    if ended.code != 0:
        return {}
    return {row["item"]: row["score"] for row in json.loads(ended.out)["items"]}


def warm_start(freshrank: Freshrank, model: Model, *arguments: object) -> Ended:
    return freshrank("warm-start", "-c", model.file, *arguments)


def stopped(worker: subprocess.Popen[str]) -> int:
    worker.send_signal(signal.SIGTERM)
    return worker.wait(60)


def begin(freshrank: Freshrank, new: Model, source: Path, vectors: Path) -> None:
    """A warm start; then it is refused, then forced."""
    begun = warm_start(freshrank, new, "--from", source, "--from", vectors, "--start", "end")
    assert begun.code == 0, begun
    assert "51 items and popularity, item_to_item, repeat, fusion at a discount of 0.1; 1 items" in begun.out
    again = warm_start(freshrank, new, "--from", source)
    assert again.code == 1
    assert "has checkpoints in" in again.err
    assert warm_start(freshrank, new, "--from", source, "--from", vectors, "--force").code == 0


def is_all_published(freshrank: Freshrank, new: Model) -> bool:
    """51 items of the other deployment and one that only the vectors know."""
    return len(top(freshrank, new, 100)) >= 52


def test_a_new_deployment_begins_with_what_another_one_learned(
    kafka: Broker, freshrank: Freshrank, started: Started, topic_prefix: str, tmp_path: Path
) -> None:
    old = new_model(kafka, freshrank, f"{topic_prefix}old-", tmp_path / "old")
    with started("run", "-c", old.file) as worker:
        old.send()
        until(lambda: has_learned_all(worker, old), "everything is learned", 300)
        assert stopped(worker) == 0
    learned = top(freshrank, old, 10)

    nothing = new_model(kafka, freshrank, f"{topic_prefix}none-", tmp_path / "none")
    ended = warm_start(freshrank, nothing, "--from", nothing.file)
    assert ended.code == 1
    assert "has published nothing to" in ended.err

    np.savez(tmp_path / "v.npz", ids=["lamp", "mug"], vectors=[[1.0, 0.0], [1.0, 0.1]])
    for name, source in (("by-checkpoint", tmp_path / "old" / "checkpoints"), ("by-topics", old.file)):
        new = new_model(kafka, freshrank, f"{topic_prefix}{name}-", tmp_path / name)
        begin(freshrank, new, source, tmp_path / "v.npz")
        with started("run", "-c", new.file) as worker:
            send_one(new)
            until(partial(is_all_published, freshrank, new), "what the other one learned is published", 120)
            assert stopped(worker) == 0, (tmp_path / "stderr").read_text()
        begun_with = top(freshrank, new, 10)
        assert next(iter(begun_with)) == "lamp"
        assert begun_with["lamp"] == pytest.approx(learned["lamp"], rel=0.1)
        assert json.loads(freshrank("related", "lamp", "-c", new.file, "--json").out)["related"]


@pytest.mark.parametrize("start", ["now", "2026-11-23T10:15:00"])
def test_a_start_that_is_no_time_is_told(freshrank: Freshrank, kafka: Broker, tmp_path: Path, start: str) -> None:
    model = Model(kafka.bootstrap_servers, "never-", tmp_path)
    ended = warm_start(freshrank, model, "--from", tmp_path, "--start", start)
    assert ended.code == 1
    assert f"--start {start}: " in ended.err
