"""A user whose name is a marker, good, bad and forgotten, on a real Kafka: afterwards he is in the input and in the
dead letters, as docs/operations.md says, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from consumer.checkpoints import contents
from consumer.checkpoints.local_store import LocalStore
from consumer.events.hashing import hash_text
from consumer.settings import Settings
from tests.checkpoints.traces import history, traces
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.follower import Follower
from tests.end_to_end.letters import dead_letters
from tests.end_to_end.replica import committed
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import ROOT, WorkerProcess, create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

MARKER = "user-whom-nobody-may-name"
BAD = [
    encoded(event("item-1", user=MARKER + "x" * 300)),
    encoded(event("item-1", user=[MARKER])),  # type: ignore[arg-type]  # that is what is wrong with it
    encoded(event(MARKER * 20, user=MARKER)),
    encoded(event("item-1", user=MARKER, event_time=MARKER)),
    encoded(event("item-1", user=MARKER, value=MARKER)),
    encoded(event("item-1", user=MARKER))[:-1],
]


def good(n: int, start: int = 0) -> list[bytes]:
    users = (MARKER, "ann", "bob")
    return [
        encoded(event(f"item-{i % 7}", user=users[i % 3], at_s=float(i), event_id=f"e-{i}"))
        for i in range(start, start + n)
    ]


def forget(settings: Settings, directory: Path) -> str:
    config = directory / "command.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    words = [sys.executable, "-m", "consumer", "forget-user", "--file", "-", "--config", str(config)]
    done = subprocess.run(words, cwd=ROOT, input=f"{MARKER}\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def files_with(directory: Path, needle: bytes) -> list[str]:
    return [str(path) for path in directory.rglob("*") if path.is_file() and needle in path.read_bytes()]


def pages(worker: WorkerProcess) -> str:
    """All that it serves."""
    found = []
    for page in ("", "status.json", "metrics", "healthz", "readyz"):
        with urlopen(f"{worker.url}{page}", timeout=5) as answer:
            found.append(answer.read().decode())
    return "\n".join(found)


def kept(settings: Settings) -> list[int]:
    """Requests that each kept checkpoint has obeyed."""
    store = LocalStore(Path(settings.checkpoints.directory))
    return [contents.decode(name, store.notes(name)).forgotten for name in store.names()]


def test_a_forgotten_user_is_in_no_file_and_comes_back_by_no_way(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(evaluation={"sample_one_in": 1})
    create_topics(settings, input_partitions=1)
    topic, servers = settings.input.topic, settings.kafka.bootstrap_servers
    directory = Path(settings.checkpoints.directory)
    first_half = hash_text(MARKER.encode())[0].to_bytes(8, "little")
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        produce(servers, topic, [*good(300), *BAD])
        until(lambda: reader.position(topic) == 300 + len(BAD), "all is published")
        until(lambda: files_with(directory, first_half), "he is in a checkpoint")
        assert forget(settings, tmp_path).endswith(
            "done: neither the worker's state nor any checkpoint of it holds them\n"
        )
        assert len(kept(settings)) >= 2
        assert set(kept(settings)) == {1}
        assert files_with(directory, first_half) == []
        worker.kill()
        worker.start_ready()
        produce(servers, topic, good(3, start=300))
        until(lambda: reader.position(topic) == 303 + len(BAD), "what came after it is published")
        shown = pages(worker)
        assert worker.terminate() == 0
    store = LocalStore(directory)
    arrays = store.arrays(store.names()[-1])
    assert history(arrays, MARKER) == ["item-6"]  # event 300 is his
    assert traces(arrays, "ann") == {"users", "cases"}
    assert len(dead_letters(settings)) == len(BAD)
    published = published_by(settings)
    for output in (published.scores, published.related, published.manifests):
        assert not [row for row in committed(servers, output) if MARKER.encode() in row.key + (row.value or b"")]
    assert MARKER not in shown
    assert MARKER not in worker.log()
    assert "users forgotten" in worker.log()


def test_a_rebuild_does_not_bring_him_back(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    create_topics(settings, input_partitions=1)
    topic, servers = settings.input.topic, settings.kafka.bootstrap_servers
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        produce(servers, topic, good(60))
        until(lambda: reader.position(topic) == 60, "all is published")
        forget(settings, tmp_path)
        assert worker.terminate() == 0
        worker.start("--rebuild")
        until(worker.is_ready, "it learns again", 120)
        produce(servers, topic, good(3, start=60))
        until(lambda: reader.position(topic) == 63, "all is learned again")
        assert worker.terminate() == 0
    store = LocalStore(Path(settings.checkpoints.directory))
    arrays = store.arrays(store.names()[-1])
    assert history(arrays, MARKER) == ["item-4"]  # event 60 is his
    assert len(history(arrays, "ann")) == 20
