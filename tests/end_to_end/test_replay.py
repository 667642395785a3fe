"""History learned by `freshrank replay` on a real broker: the same state as live, whatever happens on the way."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from consumer.settings import Settings
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import PacedProducer, encoded, event, produce, unruly_stream
from tests.end_to_end.follower import Follower
from tests.end_to_end.replays import Replay
from tests.end_to_end.states import Arrays, differences, learned_and_admitted, newest
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

N_EVENTS = 60_000
N_PARTITIONS = 3
SMALL = {
    "catalogue": {"max_items": 800},
    "users": {"max_users": 1_500},
    "evaluation": {"sample_one_in": 10},
    "models": {"item_to_item": {"neighbours": 16}},
    "publish": {"related": 16},
}
"""Less room than the stream has items and users, so that rows are evicted and used again."""


def stream(seed: int, n: int = N_EVENTS) -> list[bytes]:
    return unruly_stream(seed, n, n_items=2_000, n_users=3_000, seconds=40_000)


def state_of_live_worker(settings: Settings, records: list[bytes], directory: Path) -> Arrays:
    """Of a worker that saw the records as they came."""
    topic = settings.input.topic
    with (
        WorkerProcess(settings, directory) as worker,
        Follower(published_by(settings)) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, topic, records, per_second=20_000) as producer,
    ):
        worker.start_ready()
        producer.allow(len(records))
        until(lambda: reader.position(topic) == len(records), "all events are published")
        assert worker.terminate() == 0
    return learned_and_admitted(newest(Path(settings.checkpoints.directory))[1])


def produce_over_partitions(settings: Settings, n_each: int) -> None:
    """A stream a partition, at the same times, each user's events in one of them."""
    create_topics(settings, input_partitions=N_PARTITIONS)
    for partition in range(N_PARTITIONS):
        produce(settings.kafka.bootstrap_servers, settings.input.topic, list(stream(partition, n_each)), partition)


def test_one_partition_gives_the_state_of_the_worker_that_saw_it_live(model: SettingsOf, tmp_path: Path) -> None:
    settings, records = model(**SMALL), stream(1)
    create_topics(settings, input_partitions=1)
    live = state_of_live_worker(settings, records, tmp_path)
    replay = Replay(settings, tmp_path, "again")
    said = replay.run()
    assert said["is_complete"]
    assert said["records"] == N_EVENTS
    assert replay.notes().input_positions == {0: N_EVENTS}
    assert differences(replay.state(), live) == {}


def test_kills_and_stops_at_any_moment_change_nothing(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(**SMALL, checkpoints={"interval_s": 0.2, "directory": str(tmp_path / "checkpoints")})
    produce_over_partitions(settings, 20_000)
    whole = Replay(settings, tmp_path, "whole")
    assert whole.run()["records"] == 20_000 * N_PARTITIONS
    moments = random.Random(3)
    with Replay(settings, tmp_path, "disturbed") as disturbed:
        for n in range(5):
            n_before = disturbed.n_learned()
            disturbed.start("--rate", "6000")
            until(lambda n=n_before: disturbed.n_learned() > n, "a checkpoint is saved")  # type: ignore[misc]
            time.sleep(moments.uniform(0.0, 1.0))  # no condition: any moment will do
            if n % 2:
                assert disturbed.end(signal.SIGTERM) == 0
            else:
                disturbed.end(signal.SIGKILL)
        n_before = disturbed.n_learned()
        assert 0 < n_before < 20_000 * N_PARTITIONS
        said = disturbed.run()
    assert said["records"] == 20_000 * N_PARTITIONS - n_before
    assert disturbed.notes().input_positions == dict.fromkeys(range(N_PARTITIONS), 20_000)
    assert differences(disturbed.state(), whole.state()) == {}


def test_a_range_ends_where_the_topic_ended_when_it_was_captured(model: SettingsOf, tmp_path: Path) -> None:
    settings, records = model(), stream(2, 4_000)
    create_topics(settings, input_partitions=1)
    produce(settings.kafka.bootstrap_servers, settings.input.topic, list(records[:3_000]))
    with Replay(settings, tmp_path, "captured") as replay:
        replay.start("--rate", "1000")
        until(lambda: (replay.directory / "replay.json").exists(), "the range is captured")
        produce(settings.kafka.bootstrap_servers, settings.input.topic, list(records[3_000:]))
        replay.end(signal.SIGTERM)
        assert replay.run()["is_complete"]
    assert replay.notes().input_positions == {0: 3_000}


def test_a_dry_run_says_what_would_be_read_and_learns_nothing(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    produce_over_partitions(settings, 100)
    replay = Replay(settings, tmp_path, "tried", "--dry-run")
    said = replay.run("--from-offsets", "1:40", "--to-offsets", "1:60,2:500")
    assert {p: (of["from"], of["to"], of["records_at_most"]) for p, of in said["partitions"].items()} == {
        "0": (0, 100, 100),
        "1": (40, 60, 20),
        "2": (0, 100, 100),
    }
    assert all(of["first"] <= of["last"] for of in said["partitions"].values())
    assert said["remarks"] == [
        f"{settings.input.topic} [2]: the topic is shorter than asked: it ends at 100, not at 500"
    ]
    assert not replay.directory.exists()


def test_what_cannot_be_replayed_is_refused_with_the_reason(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    create_topics(settings, input_partitions=1)
    replay = Replay(settings, tmp_path, "refused")
    assert "holds no record: there is nothing to replay" in replay.refused()
    produce(settings.kafka.bootstrap_servers, settings.input.topic, [encoded(event("lamp", event_id="e"))])
    assert "lies past the end; the newest record is of 20" in replay.refused("--from", "2100-01-01")
    assert "--from-offsets 9 lies past the end, which is 1" in replay.refused("--from-offsets", "0:9")
    assert "has no partition 7; it has 0" in replay.refused("--from-offsets", "7:0")
    assert "time runs forward" in replay.refused("--from", "2026-02-01", "--to", "2026-01-01")
    assert replay.run("--from", "2020-01-01")["is_complete"]
    assert "was begun for --from 2020-01-01, not for the whole topic" in replay.refused()
    assert replay.run("--restart")["records"] == 1
