"""A model poisoned on purpose never reaches a reader of a real Kafka, says so, and goes back to its last good state."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from consumer.checkpoints import contents
from consumer.checkpoints.contents import UNPROVEN
from consumer.checkpoints.local_store import LocalStore
from consumer.messages import Int64Array
from consumer.settings import Settings
from consumer.tables import Array
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.follower import Follower
from tests.end_to_end.replica import rebuilt
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import ROOT, WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

N_ITEMS = 300
N_EVENTS = 12_000
N_MORE = 1_000  # so that the checkpoint that is spoilt isn't the good one


def walks(n: int) -> list[bytes]:
    """Shoppers who go from each item to the one after it, mostly."""
    rng = random.Random(1)
    at = [rng.randrange(N_ITEMS) for _ in range(400)]
    values = []
    for i in range(n):
        user = rng.randrange(len(at))
        at[user] = (at[user] + 1) % N_ITEMS if rng.random() < 0.95 else rng.randrange(N_ITEMS)
        values.append(encoded(event(f"item-{at[user]}", user=f"user-{user}", at_s=2.0 * i, event_id=f"e-{i}")))
    return values


def flood_by_few(n: int) -> list[bytes]:
    return [
        encoded(event("flooded", user=f"bot-{i % 5}", at_s=2.0 * N_EVENTS + 0.01 * i, kind="purchase"))
        for i in range(n)
    ]


def settings_with(model: SettingsOf, **gate: float) -> Settings:
    return model(evaluation={"sample_one_in": 5}, publish={"gate": gate})


def learned(worker: WorkerProcess, reader: Follower, n: int) -> None:
    until(lambda: reader.position(worker.settings.input.topic) == n, f"{n} events are published")


def rewrite(settings: Settings, change: Callable[[dict[str, Array]], None]) -> None:
    """The newest checkpoint with other numbers and right checksums, as of a state that no version has shown: what the
    worker starts with next."""
    store = LocalStore(Path(settings.checkpoints.directory))
    name = store.names()[-1]
    arrays, notes = {k: v.copy() for k, v in store.arrays(name).items()}, store.notes(name)
    change(arrays)
    store.begin(None)
    for array, values in arrays.items():
        store.write_array(array, values)
    unproven = msgspec.structs.replace(contents.decode(name, notes), verdict=UNPROVEN)
    store.commit(name, contents.encode(unproven))


def shuffle_labels(arrays: dict[str, Array]) -> None:
    others: Int64Array = np.random.default_rng(0).permutation(N_ITEMS)
    for name in ("items.neighbour", "items.weight", "items.size", "items.counts", "items.evidence"):
        arrays[name][:N_ITEMS] = arrays[name][others]


def spoil_a_number(arrays: dict[str, Array]) -> None:
    arrays["items.counts"][7] = np.nan


def command(settings: Settings, directory: Path, *words: str) -> str:
    config = directory / "command.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "consumer", *words, "--config", str(config)], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_good_one_kept(settings: Settings, directory: Path) -> bool:
    return '"verdict": "good"' in command(settings, directory, "checkpoints", "--json")


def test_an_item_flooded_by_a_few_users_gets_no_more_than_they_may_weigh(model: SettingsOf, tmp_path: Path) -> None:
    settings = settings_with(model)
    create_topics(settings, input_partitions=1)
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        n_flood = 5_000
        produce(settings.kafka.bootstrap_servers, settings.input.topic, [*walks(N_EVENTS), *flood_by_few(n_flood)])
        learned(worker, reader, N_EVENTS + n_flood)
        until(lambda: worker.metrics().get("freshrank_capped_events_total") == n_flood - 15, "they are counted")
        assert worker.terminate() == 0
    # 5 users of weight 30 among what the last hours have left of 12,000: uncapped it would be 50,000
    assert rebuilt(published_by(settings)).scores()["flooded"] < 0.1


@pytest.mark.parametrize(("poison", "reason"), [(spoil_a_number, "not_finite"), (shuffle_labels, "worse")])
def test_a_poisoned_model_is_held_and_rolled_back_under_higher_versions(
    model: SettingsOf, tmp_path: Path, poison: Callable[[dict[str, Array]], None], reason: str
) -> None:
    settings, held_metric = settings_with(model), f'freshrank_publish_held{{reason="{reason}"}}'
    create_topics(settings, input_partitions=1)
    records = walks(N_EVENTS + 4_000)
    topic, servers = settings.input.topic, settings.kafka.bootstrap_servers
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        produce(servers, topic, records[:N_EVENTS])
        learned(worker, reader, N_EVENTS)
        until(lambda: is_good_one_kept(settings, tmp_path), "a state that went out is saved")
        produce(servers, topic, records[N_EVENTS : N_EVENTS + N_MORE])
        learned(worker, reader, N_EVENTS + N_MORE)
        assert worker.terminate() == 0
        before = rebuilt(published_by(settings))
        assert before.manifest is not None
        rewrite(settings, poison)
        worker.start_ready()
        produce(servers, topic, records[N_EVENTS + N_MORE :])
        until(lambda: worker.metrics().get(held_metric) == 1.0, "the version is held")
        held = rebuilt(published_by(settings))
        assert held.manifest == before.manifest
        assert held.related() == before.related()
        assert is_good_one_kept(settings, tmp_path)
        assert "done" in command(settings, tmp_path, "rollback")
        learned(worker, reader, len(records))
        until(lambda: worker.metrics().get(held_metric) == 0.0, "versions go out again")
        assert worker.terminate() == 0
    after = rebuilt(published_by(settings))
    assert after.manifest is not None
    assert after.manifest["version"] > before.manifest["version"]
    (left_out,) = after.manifest["discarded"]
    assert left_out["input"][topic]["0"][1] == len(records)
    assert after.rows.checksum == after.manifest["checksum"]
