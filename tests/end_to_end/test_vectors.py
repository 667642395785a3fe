"""A worker that publishes its network, and a reader that ranks with it: the same lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoints.loading import load_newest
from consumer.checkpoints.local_store import LocalStore
from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.models.recommend import MERGED
from consumer.settings import Settings
from consumer.snapshots.vector_format import ENCODER_KEY
from consumer.term import new_state
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.replica import broken_versions, committed
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics
from tests.learning.states import World

pytestmark = [pytest.mark.broker, pytest.mark.neural, pytest.mark.timeout(600)]

N_ITEMS = 60
NETWORK = {
    "enabled": True, "dimensions": 16, "examples_per_step": 16, "replay_examples": 1_000, "negatives": 32,
    "steps_per_thousand": 60, "queries_per_thousand": 1_000,
}  # fmt: skip


def sessions(seed: int, n: int, first: int) -> list[bytes | None]:
    """Users who go on from item to item, mostly to the next one."""
    rng = np.random.default_rng(seed)
    events: list[bytes | None] = []
    for session in range(n):
        item = int(rng.integers(N_ITEMS))
        for place in range(6):
            at_s = 60.0 * (first + session) + place
            events.append(encoded(event(f"item-{item}", user=f"user-{first + session}", at_s=at_s)))
            item = int((item + rng.choice([1, 1, 1, 2, 7])) % N_ITEMS)
    return events


def own_lists(settings: Settings, histories: list[list[str]], n: int) -> list[list[str]]:
    """Of the worker's members, all of them, in the state of its newest checkpoint."""
    state = new_state(settings)
    assert load_newest(LocalStore(Path(settings.checkpoints.directory)), settings, state) is not None
    world = World(settings)
    world.model = state.model
    assert state.admission.watermark_ms is not None
    found = []
    for history in histories:
        lists = world.recommended(list(reversed(history)), state.admission.watermark_ms, n)
        found.append([state.model.item_id(int(row)).decode() for row in lists.merged[: lists.lengths[MERGED]]])
    return found


def test_the_readers_lists_are_the_workers_before_and_after_a_restart(model: SettingsOf, tmp_path: Path) -> None:
    plain = model(models={"neural": NETWORK}, evaluation={"sample_one_in": 1}, users={"daily_item_weight": 1e6})
    publish = {"vectors": True, "vectors_topic": f"{plain.model}-vectors", "vectors_tolerance": 0.0005}
    settings = Settings.model_validate(
        plain.model_dump() | {"publish": plain.publish.model_dump() | publish | {"tolerance": 0.0001}}
    )
    topic, address = settings.input.topic, settings.kafka.bootstrap_servers
    create_topics(settings, input_partitions=1)
    rng, n_sent = np.random.default_rng(4), 0
    with WorkerProcess(settings, tmp_path) as worker, KafkaSnapshotReader(settings) as reader:
        for round_number in range(2):
            worker.start_ready()
            values = sessions(round_number, 300, 300 * round_number)
            produce(address, topic, values)
            n_sent += len(values)

            def is_all_out() -> bool:
                reader.poll(0.1)
                manifest = reader.manifest
                return (
                    manifest is not None
                    and manifest.input_positions[topic]["0"] == n_sent  # noqa: B023 - called in this round only
                    and not any(manifest.rows_waiting.values())
                )

            until(is_all_out, "everything is published", 120.0)
            version = reader.version
            assert worker.terminate() == 0
            until(lambda: reader.poll(0.1) or reader.caught_up(), "the last version is shown")
            assert reader.version >= version
            histories = [[f"item-{i}" for i in rng.permutation(N_ITEMS)[: rng.integers(1, 6)]] for _ in range(50)]
            ours = own_lists(settings, histories, 10)
            theirs = [reader.recommend(history, 10) for history in histories]
            assert np.mean([set(a) == set(b) for a, b in zip(ours, theirs, strict=True)]) > 0.9
            same = np.mean(
                [a == b for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True)]
            )
            print(f"places alike: {same:.4f}")  # noqa: T201 - shown by -s
            assert same > 0.95
    with KafkaSnapshotReader(plain) as without:
        without.catch_up(60.0)
        tables = [without.recommend(history, 10) for history in histories]
    assert np.mean([a == b for a, b in zip(tables, ours, strict=True)]) < 0.5  # the network has a say
    rows = {row.key: row.value for row in committed(address, settings.publish.vectors_topic)}
    assert len(rows) == N_ITEMS + 1
    assert rows[ENCODER_KEY]
    assert broken_versions(published_by(settings)) == []
