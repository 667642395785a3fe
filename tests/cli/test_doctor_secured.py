"""`freshrank doctor` as a user of a secured broker: what the user may not do is found before a worker tries it."""

from __future__ import annotations

import signal
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # re-exported

from tests.broker import SecuredBroker
from tests.broker.properties import free_port
from tests.broker.secured import PASSWORD
from tests.cli.clinic import N_EVENTS, Patient, events, worst
from tests.cli.conftest import Freshrank, Started
from tests.cli.test_doctor import examined
from tests.end_to_end.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE
CONFIGS = AclOperation.DESCRIBE_CONFIGS
CLUSTER = (ResourceType.BROKER, "kafka-cluster")


class SecuredPatient:
    """Topics and records as they should be, and a user who may do nothing yet."""

    def __init__(self, broker: SecuredBroker, prefix: str, folder: Path) -> None:
        self.broker = broker
        self.inside = Patient(broker.open_servers, prefix, folder)
        self.inside.make()
        self.inside.send(events())
        self.user = f"{prefix}worker"
        broker.add_user(self.user)
        settings = self.inside.checked
        publish = settings.publish
        self.input = settings.input.topic
        self.output = (
            publish.scores_topic,
            publish.related_topic,
            publish.manifests_topic,
            settings.dead_letters_topic,
        )
        self.group = self.transactional_id = settings.group_id

    def sign_in(self, *, password: str = PASSWORD, over_tls: bool = False) -> Patient:
        servers = self.broker.sasl_ssl_servers if over_tls else self.broker.sasl_servers
        kafka: dict[str, Any] = self.inside.settings["kafka"]
        kafka.update(bootstrap_servers=servers, sasl={"username": self.user, "password": password})
        if over_tls:
            kafka["tls"] = {"ca_file": str(self.broker.ca_file)}
        return self.inside

    def allow_all(self, *, but: str = "") -> None:
        """Everything that README asks for, but what is on the resource of that name."""
        for topic in {self.input, *self.output} - {but}:
            operations = [READ, CONFIGS] if topic == self.input else [READ, WRITE, CONFIGS]
            self.broker.allow(self.user, ResourceType.TOPIC, topic, operations)
        if but != "group":
            self.broker.allow(self.user, ResourceType.GROUP, self.group, [READ])
        if but != "transactional id":
            self.broker.allow(self.user, ResourceType.TRANSACTIONAL_ID, self.transactional_id, [WRITE, DESCRIBE])
        if but != "cluster":
            self.broker.allow(self.user, *CLUSTER, [DESCRIBE, CONFIGS])


@pytest.fixture
def patient(secured_kafka: SecuredBroker, topic_prefix: str, tmp_path: Path) -> SecuredPatient:
    return SecuredPatient(secured_kafka, topic_prefix, tmp_path)


@pytest.mark.parametrize("over_tls", [False, True], ids=["in the clear", "over TLS"])
def test_a_user_who_may_do_all_of_it_has_no_finding_above_ok(
    freshrank: Freshrank, patient: SecuredPatient, over_tls: bool
) -> None:
    patient.allow_all()
    code, findings = examined(freshrank, patient.sign_in(over_tls=over_tls))
    assert (code, worst(findings)) == (0, [])


def test_a_wrong_password_is_found(freshrank: Freshrank, patient: SecuredPatient) -> None:
    code, findings = examined(freshrank, patient.sign_in(password="wrong"))
    assert code == 1
    assert "Check kafka.sasl, kafka.tls and kafka.bootstrap_servers" in findings[0]["saw"]
    assert "authentication" in findings[0]["saw"].lower()


def test_a_certificate_of_somebody_else_is_found(freshrank: Freshrank, patient: SecuredPatient, tmp_path: Path) -> None:
    signed_in = patient.sign_in(over_tls=True)
    del signed_in.settings["kafka"]["tls"]["ca_file"]
    code, findings = examined(freshrank, signed_in)
    assert code == 1
    assert "certificate verif" in findings[0]["saw"]


def test_topics_that_may_not_be_described_are_found(freshrank: Freshrank, patient: SecuredPatient) -> None:
    patient.allow_all(but=patient.input)
    code, findings = examined(freshrank, patient.sign_in())
    assert code == 1
    assert (
        f"problem input topic: {patient.input} does not exist (input.topic), or this principal may not describe it"
        in (worst(findings))
    )


def test_output_that_may_not_be_written_is_found(freshrank: Freshrank, patient: SecuredPatient) -> None:
    scores = patient.output[0]
    patient.allow_all(but=scores)
    patient.broker.allow(patient.user, ResourceType.TOPIC, scores, [READ, CONFIGS])
    code, findings = examined(freshrank, patient.sign_in())
    assert (code, worst(findings)) == (1, [f"problem permissions: topic {scores}: Write not allowed"])


def test_input_that_may_be_described_only_is_found(freshrank: Freshrank, patient: SecuredPatient) -> None:
    patient.allow_all(but=patient.input)
    patient.broker.allow(patient.user, ResourceType.TOPIC, patient.input, [DESCRIBE, CONFIGS])
    code, findings = examined(freshrank, patient.sign_in())
    assert code == 1
    told = worst(findings)
    assert f"problem permissions: topic {patient.input}: Read not allowed" in told
    assert [line.split(":")[0] for line in told[1:]] == [
        f"warning {c}" for c in ("input topic", "events", "keys", "clocks")
    ]
    assert all("TOPIC_AUTHORIZATION_FAILED" in line for line in told[1:])


def test_a_group_that_may_not_be_read_is_found(freshrank: Freshrank, patient: SecuredPatient) -> None:
    patient.allow_all(but="group")
    code, findings = examined(freshrank, patient.sign_in())
    assert code == 1
    assert f"problem permissions: group {patient.group}: this principal may not describe it" in worst(findings)


def test_a_transactional_id_that_may_not_be_used_is_found(freshrank: Freshrank, patient: SecuredPatient) -> None:
    patient.allow_all(but="transactional id")
    code, findings = examined(freshrank, patient.sign_in())
    expected = f"transactional id {patient.transactional_id}: no ACL lets {patient.user} write to it"
    assert (code, worst(findings)) == (1, [f"problem permissions: {expected}"])


def test_what_the_doctor_calls_allowed_is_enough_for_a_worker(
    started: Started, patient: SecuredPatient, tmp_path: Path
) -> None:
    """With what README asks for, and nothing on the cluster."""
    patient.allow_all(but="cluster")
    signed_in, port = patient.sign_in(over_tls=True), free_port()
    signed_in.settings["telemetry"] = {"port": port}
    with started("run", "-c", signed_in.write_settings()) as worker:

        def has_published() -> bool:
            assert worker.poll() is None, (tmp_path / "stderr").read_text()
            page = page_of(port)
            return f'outcome="admitted"}} {N_EVENTS:.1f}' in page and "freshrank_snapshot_version 0.0" not in page

        until(has_published, "all is learned and published", 300)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, (tmp_path / "stderr").read_text()


def page_of(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def test_what_cannot_be_seen_is_said_to_be_unseen(freshrank: Freshrank, patient: SecuredPatient) -> None:
    patient.allow_all(but="cluster")
    code, findings = examined(freshrank, patient.sign_in())
    told = worst(findings)
    assert code == 0, told
    assert [line.split(":")[0] for line in told] == ["warning permissions", "warning timeouts"]
    assert "cannot be told without trying" in told[0]
    assert "cannot be seen" in told[1]
