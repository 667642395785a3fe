"""The hand-over on a real broker: a replay takes the live model's place while events come in at 10,000 a second.

The replay leaves out the first part of the topic on purpose. So what is published afterwards tells which model is live,
and is recounted from the events that this one has to have seen, each once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from consumer.settings import Settings
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import START_S, PacedProducer, encoded, event, rfc3339
from tests.end_to_end.follower import Follower
from tests.end_to_end.recount import Interaction, capped, net_counts, out_of_tolerance, recounted_scores
from tests.end_to_end.replays import Replay, freshrank, written
from tests.end_to_end.replica import broken_versions, manifests, rebuilt
from tests.end_to_end.states import differences, learned_and_admitted, newest
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

RATE = 10_000
N_OLD = 20_000
"""On items of which nothing is heard afterwards; the replay begins behind them."""
N_EVENTS = 400_000
"""At the most: traffic ends a moment after the hand-over."""
N_AFTER = 15_000
STEP_S = 0.05


def traffic() -> tuple[list[bytes], list[Interaction]]:
    """Views, as records and as what they count for."""
    rng = np.random.default_rng(5)
    items = np.minimum(rng.pareto(1.0, N_EVENTS) * 20, 1_999).astype(int)
    users = rng.integers(5_000, size=N_EVENTS)
    records, interactions = [], []
    for i in range(N_EVENTS):
        item, user = f"{'old' if i < N_OLD else 'item'}-{items[i]}", f"user-{users[i]}"
        records.append(encoded(event(item, user=user, at_s=i * STEP_S, event_id=f"e-{i}")))
        interactions.append(Interaction(user, item, 1.0, START_S + i * STEP_S))
    return records, interactions


def promote(settings: Settings, directory: Path, name: str) -> str:
    done = freshrank("promote", name, "-c", str(written(settings, directory)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def n_published(reader: Follower, settings: Settings, partitions: int) -> int:
    return sum(reader.position(settings.input.topic, p) for p in range(partitions))


@pytest.mark.parametrize("partitions", [1, 2])
def test_no_event_is_lost_or_doubled_at_the_hand_over(model: SettingsOf, tmp_path: Path, partitions: int) -> None:
    settings, (records, interactions) = model(), traffic()
    servers, topic = settings.kafka.bootstrap_servers, settings.input.topic
    create_topics(settings, input_partitions=partitions)
    starts = ",".join(f"{p}:{N_OLD // partitions}" for p in range(partitions))
    replay = Replay(settings, tmp_path, "anew", "--from-offsets", starts)
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published_by(settings)) as reader,
        PacedProducer(servers, topic, records, RATE, partitions) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        until(lambda: producer.n_sent > 2 * N_OLD, "there is some history")
        replayed = replay.run()
        assert replayed["is_complete"]
        version = reader.shown[-1].version
        assert "done: the worker goes on from there" in promote(settings, tmp_path, "anew")
        assert producer.n_sent < N_EVENTS, "the traffic ended before the hand-over"
        n_sent = producer.n_sent + N_AFTER
        producer.allow(n_sent)
        until(lambda: n_published(reader, settings, partitions) == n_sent, "all events are published", 120)
        until(lambda: not any((reader.manifest or {})["rows_waiting"].values()), "nothing waits")
        assert worker.terminate() == 0
        last = manifests(published_by(settings))[-1]["version"]
        until(lambda: reader.shown[-1].version == last, "the last version is read")
    assert last > version
    assert_the_recount_is_equal(settings, interactions[N_OLD:n_sent])
    assert_readers_saw_whole_versions_in_order(settings, reader)
    if partitions == 1:
        whole = Replay(settings, tmp_path, "whole", "--from-offsets", starts)
        whole.run()
        live = learned_and_admitted(newest(Path(settings.checkpoints.directory))[1])
        assert differences(live, whole.state()) == {}


def assert_the_recount_is_equal(settings: Settings, events: Sequence[Interaction]) -> None:
    replica = rebuilt(published_by(settings))
    manifest, scores = replica.manifest, replica.scores()
    assert manifest is not None
    counted = list(capped(events, settings.users.daily_item_weight * 10))
    expected = recounted_scores(counted, manifest)
    assert set(scores) == set(replica.related()) == set(expected)
    assert out_of_tolerance(scores, expected, settings.publish.tolerance) == {}
    net, totals = net_counts(counted, manifest), manifest["model"]["totals"]
    recounted = [math.fsum(counts[h] for counts in net.values()) for h in range(len(totals["popularity"]))]
    # one event more or less would be a part in 400,000 of the longest half-life's total
    assert totals["popularity"] == pytest.approx(recounted, rel=1e-6)
    assert replica.rows.checksum == manifest["checksum"]


def assert_readers_saw_whole_versions_in_order(settings: Settings, reader: Follower) -> None:
    shown = [s.version for s in reader.shown]
    assert shown == sorted(set(shown))
    assert [s.version for s in reader.shown if not s.is_whole] == []
    assert broken_versions(published_by(settings)) == []


def test_the_state_before_a_promotion_can_be_returned_to(model: SettingsOf, tmp_path: Path) -> None:
    settings, (records, _) = model(), traffic()
    create_topics(settings, input_partitions=1)
    n = N_OLD + 5_000
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published_by(settings)) as reader,
        PacedProducer(settings.kafka.bootstrap_servers, settings.input.topic, records, 50_000) as producer,
    ):
        worker.start_ready()
        producer.allow(n)
        until(lambda: n_published(reader, settings, 1) == n, "all is published")
        until(lambda: '"good"' in listed_checkpoints(settings, tmp_path), "a good state is saved")
        Replay(settings, tmp_path, "anew", "--from-offsets", f"0:{N_OLD}").run()
        before = manifests(published_by(settings))[-1]["version"]
        promote(settings, tmp_path, "anew")
        until(lambda: all("old" not in item for item in rebuilt(published_by(settings)).scores()), "old items are gone")
        listed = re.findall(r'"version": (\d+)', listed_checkpoints(settings, tmp_path))
        version = max(v for v in map(int, listed) if v <= before)
        done = freshrank("rollback", "--to", str(version), "-c", str(written(settings, tmp_path)))
        assert done.returncode == 0, done.stderr
        until(lambda: any("old" in item for item in rebuilt(published_by(settings)).scores()), "they are back")
        assert worker.terminate() == 0
    assert_readers_saw_whole_versions_in_order(settings, reader)


def listed_checkpoints(settings: Settings, directory: Path) -> str:
    return freshrank("checkpoints", "--json", "-c", str(written(settings, directory))).stdout


def test_what_cannot_be_promoted_is_refused_at_once(model: SettingsOf, tmp_path: Path) -> None:
    settings, (records, _) = model(), traffic()
    create_topics(settings, input_partitions=1)
    file = str(written(settings, tmp_path))
    with PacedProducer(settings.kafka.bootstrap_servers, settings.input.topic, records, 100_000) as producer:
        producer.allow(5_000)
        until(lambda: producer.n_sent == 5_000, "sent")
    with Replay(settings, tmp_path, "slow", "--rate", "500") as replay:
        replay.start()
        until(lambda: (replay.directory / "replay.json").exists(), "it has begun")
        assert "there is no replay 'unknown'" in freshrank("promote", "unknown", "-c", file).stderr
        assert "is running already" in freshrank("promote", "slow", "-c", file).stderr
        until(lambda: replay.n_learned() > 0, "a checkpoint is saved")
    unfinished = " ".join(freshrank("promote", "slow", "-c", file).stderr.split())
    assert "the replay slow is not finished" in unfinished


def test_a_replay_of_a_file_goes_over_into_the_live_topic_at_a_seam(model: SettingsOf, tmp_path: Path) -> None:
    """The file has the first part of the events, the live topic the second, and both what lies between."""
    settings, (records, interactions) = model(), traffic()
    create_topics(settings, input_partitions=2)
    n, file_ends, live_begins, seam = 60_000, 40_000, 25_000, 35_000  # 5,000 events are 250 s
    file = tmp_path / "history.ndjson"
    file.write_bytes(b"\n".join(records[:file_ends]))
    config = str(written(settings, tmp_path))
    with (
        WorkerProcess(settings, tmp_path) as worker,
        Follower(published_by(settings)) as reader,
        PacedProducer(
            settings.kafka.bootstrap_servers, settings.input.topic, records[live_begins:n], 30_000, 2
        ) as producer,
    ):
        worker.start_ready()
        producer.allow(n)
        until(lambda: producer.n_sent > 20_000, "the live topic reaches beyond the file")
        assert freshrank("replay", str(file), "-c", config, "--name", "filed").returncode == 0
        unsaid = freshrank("promote", "filed", "-c", config).stderr
        assert "say with --from-time where the live topic goes on from it" in " ".join(unsaid.split())
        early = freshrank("promote", "filed", "-c", config, "--from-time", rfc3339(START_S)).stderr
        assert "what came in before would be learned twice" in " ".join(early.split())
        done = freshrank("promote", "filed", "-c", config, "--from-time", rfc3339(START_S + seam * STEP_S))
        assert done.returncode == 0, done.stderr
        assert "done: the worker goes on from there" in done.stdout
        until(lambda: n_published(reader, settings, 2) == n - live_begins, "all events are published", 120)
        until(lambda: not any((reader.manifest or {})["rows_waiting"].values()), "nothing waits")
        assert worker.terminate() == 0
    assert_the_recount_is_equal(settings, interactions[:n])
    assert_readers_saw_whole_versions_in_order(settings, reader)
