"""A worker that is stopped or killed, however often, ends in the state of one that never was."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.settings import Settings
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import PacedProducer, unruly_stream
from tests.end_to_end.follower import Follower, Shown
from tests.end_to_end.letters import offsets_of_dead_letters
from tests.end_to_end.replica import broken_versions, manifests
from tests.end_to_end.states import Arrays, differences, learned_and_admitted, newest
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

N_EVENTS = 120_000
N_KILLS = 10
LONGEST_LIFE_S = 2.5
SMALL = {
    "catalogue": {"max_items": 800},
    "users": {"max_users": 1_500},
    "evaluation": {"sample_one_in": 10},
    "models": {"item_to_item": {"neighbours": 16}},
}
"""Less room than the stream has items and users, so that rows are evicted and used again."""


def settings_reading(topic: str, model: SettingsOf, name: str) -> Settings:
    """One of several models that learn from the same topic: samples are chosen by its name."""
    return model(name, input={"topic": topic}, publish={"related": 16}, **SMALL)


def stream(seed: int) -> list[bytes]:
    return unruly_stream(seed, N_EVENTS, n_items=2_000, n_users=3_000, seconds=40_000)


def uninterrupted_state(topic: str, model: SettingsOf, directory: Path) -> Arrays:
    """What one worker ends with that reads the whole topic in one go."""
    settings = settings_reading(topic, model, "whole-")
    create_topics(settings)
    with WorkerProcess(settings, directory) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published")
        assert worker.terminate() == 0
    return final_state(settings)


def final_state(settings: Settings) -> Arrays:
    notes, arrays = newest(Path(settings.checkpoints.directory))
    assert notes.input_positions == {0: N_EVENTS}
    return learned_and_admitted(arrays)


def offsets_of_broken_records(records: list[bytes]) -> list[int]:
    return [offset for offset, value in enumerate(records) if not value.endswith(b"}")]


def finish(worker: WorkerProcess, reader: Follower) -> None:
    """Let it learn all there is, stop it, and read what it published last."""
    settings = worker.settings
    until(lambda: reader.position(settings.input.topic) == N_EVENTS, "all events are published")
    assert worker.terminate() == 0
    last = manifests(published_by(settings))[-1]["version"]
    until(lambda: reader.shown[-1].version == last, "the last version is read")


def assert_whole_and_in_order(shown: list[Shown], settings: Settings) -> None:
    """What a reader saw all the while, and what anybody may read in the log later."""
    assert [s.version for s in shown if not s.is_whole] == []
    assert [s.version for s in shown] == sorted({s.version for s in shown})
    written = [manifest["version"] for manifest in manifests(published_by(settings))]
    assert written == list(range(1, len(written) + 1))
    assert broken_versions(published_by(settings)) == []


def test_sigterm_half_way_and_a_restart_change_nothing(model: SettingsOf, tmp_path: Path) -> None:
    topic = model().input.topic
    settings, records = settings_reading(topic, model, "stopped-"), stream(1)
    create_topics(settings, input_partitions=1)
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published_by(settings)) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, topic, records, per_second=20_000) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        until(lambda: reader.position(topic) >= N_EVENTS // 2, "half of the events is published")
        assert worker.terminate() == 0
        assert N_EVENTS // 2 <= newest(Path(settings.checkpoints.directory))[0].input_positions[0] < N_EVENTS
        worker.start_ready()
        finish(worker, reader)
    assert differences(final_state(settings), uninterrupted_state(topic, model, tmp_path)) == {}
    assert_whole_and_in_order(reader.shown, settings)
    assert offsets_of_dead_letters(settings) == offsets_of_broken_records(records)


def test_ten_kills_at_random_moments_change_nothing(model: SettingsOf, tmp_path: Path) -> None:
    topic = model().input.topic
    settings, records = settings_reading(topic, model, "killed-"), stream(2)
    create_topics(settings, input_partitions=1)
    moments, seen_by_ours = random.Random(10), list[int]()
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published_by(settings)) as reader,
        KafkaSnapshotReader(settings) as ours,
        PacedProducer(settings.kafka.bootstrap_servers, topic, records, per_second=5_000) as producer,
    ):
        ours.follow(on_version=seen_by_ours.append)
        for n in range(N_KILLS):
            worker.start()
            if n % 4 == 3:
                until(worker.is_standing_by, "the worker is about to take over")
            else:
                until(worker.is_ready, "the worker is ready")
            producer.allow((n + 1) * N_EVENTS // N_KILLS)
            time.sleep(moments.uniform(0.0, LONGEST_LIFE_S))  # no condition: any moment will do
            worker.kill()
        worker.start_ready()
        producer.allow(N_EVENTS, per_second=50_000)
        finish(worker, reader)
        until(lambda: ours.version == reader.shown[-1].version, "our own reader shows the last version")
        assert ours.failure is None
    assert seen_by_ours == sorted(set(seen_by_ours))
    assert "published rows read in full" not in worker.log()
    assert differences(final_state(settings), uninterrupted_state(topic, model, tmp_path)) == {}
    assert_whole_and_in_order(reader.shown, settings)
    assert offsets_of_dead_letters(settings) == offsets_of_broken_records(records)
