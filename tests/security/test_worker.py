"""A worker's life on a secured broker, with the least rights that README lists, and a secret that nobody gets to see.

It signs in with a password, learns, is killed, goes on by a certificate instead, and is stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from consumer.settings import Settings
from tests.broker import SecuredBroker
from tests.cli.clinic import N_EVENTS, events
from tests.cli.conftest import Freshrank
from tests.end_to_end.conftest import published_by
from tests.end_to_end.events import encoded, produce
from tests.end_to_end.letters import offsets_of_dead_letters
from tests.end_to_end.replica import broken_versions, manifests
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess
from tests.security.conftest import SecuredModel, written
from tests.security.rights import documented, grant
from tests.security.secret import SECRET, revealing

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

PATHS = ("", "page.js", "status.json", "metrics", "healthz", "readyz", "startupz", "nowhere")
BROKEN = b"{not json"


@dataclass
class Life:
    settings: Settings
    """By the open door."""
    signed_in: Settings
    exit_code: int = -1
    said: list[str] = field(default_factory=list)
    """All that it wrote and answered."""


@pytest.fixture(scope="module")
def life(secured_kafka: SecuredBroker, secured_model: SecuredModel, tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder, user = tmp_path_factory.mktemp("life"), f"{secured_model.prefix}worker"
    secured_kafka.add_user(user, SECRET)
    grant(secured_kafka, user, documented(secured_model.settings))
    by_password = talkative(secured_model.signed_in(sasl={"username": user, "password": SECRET}))
    certified = secured_kafka.authority.client(user, password=SECRET)._asdict()
    files = {"ca_file": str(secured_kafka.ca_file), **{name: str(path) for name, path in certified.items()}}
    by_certificate = talkative(secured_model.signed_in(secured_kafka.mutual_servers, tls=files))
    lived, topic = Life(secured_model.settings, by_password), secured_model.settings.input.topic
    secret_file = folder / "secret"
    secret_file.write_text(SECRET + "\n")
    variables = {"FRESHRANK__KAFKA__SASL__PASSWORD": SECRET}
    produce(secured_kafka.open_servers, topic, [BROKEN])
    with WorkerProcess(by_password, folder, variables=variables) as worker:
        worker.start()
        until(lambda: position_of(lived.settings) == N_EVENTS + 1, "all is learned and published", 200)
        until(lambda: worker.metrics()["freshrank_checkpoint_seconds_count"] >= 1, "something is saved")
        lived.said += [answer(f"{worker.url}{path}") for path in PATHS]
        worker.kill()
        lived.said.append(worker.log())
    produce(secured_kafka.open_servers, topic, [encoded(event) for event in more_events()] + [BROKEN])
    variables = {"FRESHRANK__KAFKA__TLS__KEY_PASSWORD_FILE": str(secret_file), "FRESHRANK_DEBUG": "1"}
    with WorkerProcess(by_certificate, folder, "slot-1", variables=variables) as worker:
        worker.start()
        until(lambda: position_of(lived.settings) == 2 * N_EVENTS + 2, "the rest is learned and published", 200)
        lived.said += [answer(f"{worker.url}{path}") for path in PATHS]
        lived.exit_code = worker.terminate()
        lived.said.append(worker.log())
    return lived


def more_events() -> list[dict[str, object]]:
    return events(event_id=lambda i: f"later-{i}")


def talkative(settings: Settings) -> Settings:
    """It logs all that it can, and so does librdkafka."""
    debug = {"debug": "generic,broker,security,conf,feature,protocol"}
    kafka = settings.kafka.model_copy(update={"consumer": debug, "producer": debug})
    telemetry = settings.telemetry.model_copy(update={"log_level": "debug"})
    return settings.model_copy(update={"kafka": kafka, "telemetry": telemetry})


def position_of(settings: Settings) -> int:
    """Up to where the input is in the newest version."""
    published = manifests(published_by(settings))
    return int(published[-1]["input_positions"][settings.input.topic].get("0", 0)) if published else 0


def answer(url: str) -> str:
    try:
        with urlopen(url, timeout=10) as answered:
            return f"{answered.headers}{answered.read().decode()}"
    except HTTPError as error:
        return f"{error.headers}{error.read().decode()}"


def test_it_publishes_whole_versions_and_goes_on_behind_a_kill(life: Life) -> None:
    versions = [manifest["version"] for manifest in manifests(published_by(life.settings))]
    assert versions == list(range(1, len(versions) + 1))
    assert broken_versions(published_by(life.settings)) == []
    assert life.exit_code == 0


def test_what_cannot_be_learned_is_among_the_dead_letters_once(life: Life) -> None:
    assert offsets_of_dead_letters(life.settings) == [N_EVENTS, 2 * N_EVENTS + 1]


def test_the_groups_offsets_follow(life: Life) -> None:
    admin = AdminClient({"bootstrap.servers": life.settings.kafka.bootstrap_servers})
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(life.settings.group_id)])
    (told,) = asked[life.settings.group_id].result(30).topic_partitions
    assert (told.topic, told.offset) == (life.settings.input.topic, 2 * N_EVENTS + 2)


def test_nothing_that_it_says_has_the_secret(life: Life) -> None:
    assert "sasl" in life.said[len(PATHS)].lower(), "librdkafka tells how it signs in"
    assert revealing(life.said) == []


@pytest.mark.parametrize("command", ["show-config", "check-config", "doctor", "topics", "top", "dead-letters list"])
def test_nor_has_what_a_command_says(
    freshrank: Freshrank, life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("FRESHRANK__KAFKA__SASL__PASSWORD", SECRET)
    ended = freshrank(*command.split(), "-c", written(life.signed_in, tmp_path))
    assert ended.out
    assert revealing([ended.out, ended.err, repr(life.signed_in), str(life.signed_in)]) == []
