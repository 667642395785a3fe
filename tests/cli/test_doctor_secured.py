"""`freshrank doctor` as a user of a secured broker: what the user may not do is found before a worker tries it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation, ResourceType  # type: ignore[attr-defined]  # re-exported

from tests.broker import SecuredBroker
from tests.broker.secured import PASSWORD
from tests.cli.clinic import Patient, events, worst
from tests.cli.conftest import Freshrank
from tests.cli.test_doctor import examined
from tests.security.rights import documented, grant

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

READ, DESCRIBE = AclOperation.READ, AclOperation.DESCRIBE
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
        """Everything that README asks for, but what is on the resource of that name or kind; and to see the cluster."""
        rights = documented(self.inside.checked)
        grant(self.broker, self.user, [right for right in rights if but not in (right.name, right.kind)])
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
    assert "is not accepted" in findings[0]["saw"]
    assert "Check kafka.tls.ca_file" in findings[0]["saw"]


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


def test_what_cannot_be_seen_is_said_to_be_unseen(freshrank: Freshrank, patient: SecuredPatient) -> None:
    patient.allow_all(but="cluster")
    code, findings = examined(freshrank, patient.sign_in())
    told = worst(findings)
    assert code == 0, told
    assert [line.split(":")[0] for line in told] == ["warning permissions", "warning timeouts"]
    assert "cannot be told without trying" in told[0]
    assert "cannot be seen" in told[1]
