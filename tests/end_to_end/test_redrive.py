"""Dead letters listed, shown and sent back on a real Kafka: by a command that is killed, and to a worker."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer

from consumer.kafka.dead_letters import dead_letter_record
from consumer.messages import DeadLetter, InputRecord, Outcome
from consumer.settings import Settings
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.follower import Follower
from tests.end_to_end.letters import dead_letters, headers
from tests.end_to_end.replica import messages, rebuilt
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import ROOT, WorkerProcess, create_topics

pytestmark = pytest.mark.broker

N_LETTERS = 6_000


class Command:
    """`freshrank dead-letters` with these settings."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._config = directory / "command.yaml"
        written = settings.model_dump(mode="json", exclude_defaults=True)
        self._config.write_text(yaml.safe_dump(written), encoding="utf-8")

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._words(words), cwd=ROOT, capture_output=True, text=True, check=False)

    def json(self, *words: str) -> dict[str, object]:
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def started(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._words(words), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _words(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "consumer", "dead-letters", *words, "--config", str(self._config)]


def bury(settings: Settings, n: int) -> None:
    """Letters as the worker writes them, of records that were in the input once."""
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers, "linger.ms": 20})
    for i in range(n):
        record = InputRecord(
            settings.input.topic, i % 2, i, 1_000, b"user-%d" % (i % 50), b"%d" % i, (("n", b"%d" % i),)
        )
        letter = dead_letter_record(
            DeadLetter(record, Outcome.UNDECODABLE, "not JSON"), settings.dead_letters_topic, max_bytes=1 << 20
        )
        producer.produce(letter.topic, letter.value, letter.key, headers=list(letter.headers))
        producer.poll(0)
    assert producer.flush(60) == 0


def sent_back(settings: Settings) -> list[int]:
    """The numbers of those in the input, in the order of each partition."""
    return [int(m.value() or b"-1") for m in messages(settings.kafka.bootstrap_servers, settings.input.topic)]


def test_a_redrive_that_is_killed_again_and_again_sends_every_letter_once(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    create_topics(settings, input_partitions=2)
    bury(settings, N_LETTERS)
    command = Command(settings, tmp_path)
    n_kills, n_before = 0, 0
    for _ in range(2):
        running = command.started("redrive")
        until(lambda: running.poll() is not None or len(sent_back(settings)) > n_before, "some are sent", 60)  # noqa: B023
        n_kills += running.poll() is None
        running.kill()
        running.wait()
        n_before = len(sent_back(settings))
    assert n_kills > 0
    last = command.json("redrive")
    found = sent_back(settings)
    assert Counter(found) == Counter(range(N_LETTERS))
    assert last["sent"] == N_LETTERS - n_before
    of_one_user = [n for n in found if n % 50 == 7]
    assert of_one_user == sorted(of_one_user)
    assert command.json("redrive")["sent"] == 0
    assert command.json("list")["states"] == {"sent back": N_LETTERS}


def test_what_failed_for_a_wrong_setting_is_learned_after_a_redrive_and_what_fails_again_says_so(
    model: SettingsOf, tmp_path: Path
) -> None:
    wrong, right = model(input={"topic": model().input.topic, "fields": {"user_id": "uid"}}), model()
    create_topics(right, input_partitions=1)
    topic, servers = right.input.topic, right.kafka.bootstrap_servers
    command = Command(right, tmp_path)
    good = [encoded(event(f"item-{i}", user="ann", at_s=float(i), event_id=f"e-{i}")) for i in range(20)]
    with WorkerProcess(wrong, tmp_path) as worker:
        worker.start_ready()
        produce(servers, topic, [*good, b"{broken"])
        until(lambda: len(dead_letters(right)) == 21, "all are dead letters")
        assert worker.terminate() == 0
    listed = command.json("list", "--reason", "missing_field")
    assert (listed["n"], listed["reasons"]) == (20, {"missing_field": 20})
    with WorkerProcess(right, tmp_path) as worker, Follower(published_by(right)) as reader:
        worker.start_ready()
        produce(
            servers, topic, [encoded(event("now", at_s=86_400.0, event_id="now"))]
        )  # what comes back is late by then
        until(lambda: worker.metrics()['freshrank_events_total{outcome="admitted"}'] == 1, "time has moved on")
        assert command.json("redrive", "--reason", "missing_field", "--limit", "5")["sent"] == 5
        assert command.json("redrive")["sent"] == 16
        until(lambda: len(dead_letters(right)) > 21 + 2, "the broken one fails again, beside the receipts")
        until(lambda: (reader.position(topic) or 0) > 21 + 21, "all is published")
        assert worker.metrics()['freshrank_events_total{outcome="admitted"}'] == 21
        assert worker.terminate() == 0
    assert set(rebuilt(published_by(right)).scores()) == {"now", *(f"item-{i}" for i in range(20))}
    assert command.json("list")["states"] == {"came back": 1, "sent back": 21}
    (failed_again,) = [m for m in dead_letters(right) if headers(m).get("freshrank-redriven-times")]
    assert headers(failed_again)["freshrank-redriven-times"] == b"1"
    assert headers(failed_again)["freshrank-redriven"].startswith(f"{topic}/0/20 {right.dead_letters_topic}/".encode())
    shown = command.json("show", f"{failed_again.partition()}:{failed_again.offset()}")
    assert (shown["state"], shown["value"], shown["redriven"]) == ("came back", "{broken", 1)
    assert command.json("redrive")["sent"] == 0


def test_a_letter_that_was_cut_is_told_and_stays(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    create_topics(settings, input_partitions=1)
    record = InputRecord(settings.input.topic, 0, 7, 1_000, b"ann", b"x" * 20_000, ())
    letter = dead_letter_record(
        DeadLetter(record, Outcome.UNDECODABLE, "not JSON"), settings.dead_letters_topic, max_bytes=10_000
    )
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    producer.produce(letter.topic, letter.value, letter.key, headers=list(letter.headers), partition=0)
    assert producer.flush(30) == 0
    command = Command(settings, tmp_path)
    done = command("redrive")
    assert (done.returncode, done.stdout) == (0, f"sent 0 back to {settings.input.topic}\n")
    assert "1 can't be sent back, since they were too large and are cut: 0:0" in done.stderr
    named = command("redrive", "--letter", "0:0")
    assert (named.returncode, named.stdout) == (2, "")
    assert "--letter 0:0 was too large and is cut, so it can't be sent back" in named.stderr
    assert sent_back(settings) == []
