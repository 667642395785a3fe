"""Several workers of one model: one writes, the others wait for its lease, and nobody gets into anybody's way."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import PacedProducer
from tests.end_to_end.follower import Follower
from tests.end_to_end.plain import assert_counted_once, plain_stream
from tests.end_to_end.replica import broken_versions, manifests
from tests.end_to_end.states import newest
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics, members

pytestmark = [pytest.mark.broker, pytest.mark.timeout(240)]

TAKE_OVER_S = 10.0
N_EVENTS = 100_000
PER_SECOND = 3_000
REBALANCES = "freshrank_rebalances_total"


def test_a_standby_takes_over_within_ten_seconds_of_a_kill_and_nothing_is_lost_or_doubled(
    model: SettingsOf, tmp_path: Path
) -> None:
    settings = model()
    topic, published, events = settings.input.topic, published_by(settings), plain_stream(N_EVENTS)
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
        until(lambda: reader.position(topic) > 5 * PER_SECOND, "the first worker is under load")
        first.kill()
        before = reader.shown[-1]
        until(lambda: reader.shown[-1].epoch > before.epoch, "the second worker publishes", 60)
        taken_over = next(shown for shown in reader.shown if shown.epoch > before.epoch)
        producer.allow(N_EVENTS, per_second=50_000)
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published")
        assert second.terminate() == 0
    assert taken_over.at_s - before.at_s <= TAKE_OVER_S
    assert taken_over.version == before.version + 1
    assert newest(Path(settings.checkpoints.directory))[0].input_positions == {0: N_EVENTS}
    assert [shown for shown in reader.shown if not shown.is_whole] == []
    assert broken_versions(published) == []
    assert_counted_once(settings, events)


def test_an_active_worker_is_not_disturbed_by_standbys_that_start_leave_or_die(
    model: SettingsOf, tmp_path: Path
) -> None:
    settings = model()
    topic, published = settings.input.topic, published_by(settings)
    create_topics(settings, input_partitions=1)
    with (
        WorkerProcess(settings, tmp_path, "slot-0") as active,
        WorkerProcess(settings, tmp_path, "slot-1") as standby,
        Follower(published) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, topic, plain_stream(N_EVENTS), PER_SECOND) as producer,
    ):
        active.start_ready()
        producer.allow(N_EVENTS)
        until(lambda: reader.position(topic) > 0, "the active worker publishes")
        at_first = active.metrics()[REBALANCES]
        for leave in (standby.terminate, standby.kill, standby.terminate):
            standby.start()
            until(standby.is_standing_by, "the standby is there", 120)
            wait_for_versions(reader, 5)
            assert leave() in (0, None)
            wait_for_versions(reader, 5)
        assert active.metrics()[REBALANCES] == at_first
        assert active.terminate() == 0
    assert {manifest["writer"]["epoch"] for manifest in manifests(published)} == {1}
    assert longest_gap_s(reader) < settings.kafka.session_timeout_s


def wait_for_versions(reader: Follower, n: int) -> None:
    """Until so many more have been seen."""
    before = len(reader.shown)
    until(lambda: len(reader.shown) >= before + n, f"{n} more versions are published")


def longest_gap_s(reader: Follower) -> float:
    return float(np.diff([shown.at_s for shown in reader.shown]).max())


def test_a_worker_that_wakes_up_replaced_waits_for_its_turn(model: SettingsOf, tmp_path: Path) -> None:
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
        wait_for_versions(reader, 5)
        first.send(signal.SIGSTOP)
        until(lambda: reader.shown[-1].epoch == 2, "the second worker publishes")
        first.send(signal.SIGCONT)
        until(lambda: members(settings) == {"slot-0", "slot-1"}, "the first worker is back in the group")
        wait_for_versions(reader, 10)
        second.kill()
        until(lambda: reader.shown[-1].epoch == 3, "the first worker publishes again")
        producer.allow(N_EVENTS, per_second=50_000)
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published")
        assert first.terminate() == 0
    epochs = [manifest["writer"]["epoch"] for manifest in manifests(published)]
    assert epochs == sorted(epochs)
    assert [shown for shown in reader.shown if not shown.is_whole] == []
    assert_counted_once(settings, events)


def test_a_worker_that_sleeps_beyond_its_session_goes_on_by_itself(model: SettingsOf, tmp_path: Path) -> None:
    settings, events = model(), plain_stream(N_EVENTS)
    topic, published = settings.input.topic, published_by(settings)
    create_topics(settings, input_partitions=1)
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, topic, events, PER_SECOND) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        wait_for_versions(reader, 5)
        worker.send(signal.SIGSTOP)
        until(lambda: members(settings) == set(), "the group has given it up")
        worker.send(signal.SIGCONT)
        producer.allow(N_EVENTS, per_second=50_000)
        until(lambda: reader.position(topic) == N_EVENTS, "all events are published")
        assert worker.terminate() == 0
    assert broken_versions(published) == []
    assert_counted_once(settings, events)
