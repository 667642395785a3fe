"""Who cannot sign in, or whose broker is not who it says it is, is told so soon, and told what to do."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from consumer.settings import Settings
from tests.broker.secured import PASSWORD
from tests.cli.conftest import Freshrank, Started
from tests.security.conftest import SecuredModel, written
from tests.security.secret import SECRET, revealing

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

SOON_S = 30.0
RIGHT: Mapping[str, str] = {"username": "known", "password": PASSWORD}


@pytest.fixture(scope="module")
def model(secured_model: SecuredModel) -> SecuredModel:
    secured_model.broker.add_user("known")
    return secured_model


def refused(freshrank: Freshrank, settings: Settings, folder: Path, command: str = "topics") -> str:
    """What is said, on one line; the command has to end soon, with exit code 1."""
    began_s = time.monotonic()
    ended = freshrank(command, "-c", written(settings, folder))
    assert time.monotonic() - began_s < SOON_S
    assert ended.code == 1
    return " ".join((ended.out + ended.err).split())


@pytest.mark.parametrize(
    ("sasl", "told"),
    [
        ({"password": "wrong"}, "invalid credentials with SASL mechanism SCRAM-SHA-512"),
        ({"username": "unknown"}, "invalid credentials with SASL mechanism SCRAM-SHA-512"),
        ({"mechanism": "SCRAM-SHA-256"}, "Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512"),
        ({"mechanism": "PLAIN"}, "Unsupported SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512"),
    ],
    ids=["wrong password", "unknown user", "other mechanism", "PLAIN"],
)
def test_wrong_credentials(
    freshrank: Freshrank, model: SecuredModel, tmp_path: Path, sasl: Mapping[str, str], told: str
) -> None:
    said = refused(freshrank, model.signed_in(sasl={**RIGHT, **sasl}), tmp_path)
    assert told in said
    assert "Check kafka.sasl" in said


def test_right_ones_with_a_wrong_way_to_encrypt(freshrank: Freshrank, model: SecuredModel, tmp_path: Path) -> None:
    tls = {"ca_file": str(model.broker.ca_file)}
    in_the_clear = model.signed_in(model.broker.sasl_ssl_servers, sasl=RIGHT)
    assert "speaks TLS, and kafka.tls is not set: give kafka.tls.ca_file" in refused(freshrank, in_the_clear, tmp_path)
    encrypted = model.signed_in(model.broker.sasl_servers, sasl=RIGHT, tls=tls)
    assert "does not seem to speak TLS" in refused(freshrank, encrypted, tmp_path, "doctor")


def test_nobody_signs_in_where_somebody_has_to(freshrank: Freshrank, model: SecuredModel, tmp_path: Path) -> None:
    said = refused(freshrank, model.signed_in(model.broker.sasl_servers), tmp_path)
    assert "If it wants clients to sign in, give kafka.sasl" in said


def test_a_broker_with_the_certificate_of_an_unknown_authority(
    freshrank: Freshrank, model: SecuredModel, tmp_path: Path
) -> None:
    for tls in ({}, {"ca_file": str(model.broker.stranger.ca_file)}):
        said = refused(freshrank, model.signed_in(model.broker.sasl_ssl_servers, sasl=RIGHT, tls=tls), tmp_path)
        assert "is not accepted: unable to get local issuer certificate. Check kafka.tls.ca_file" in said


def test_a_broker_with_the_certificate_of_another_host(
    freshrank: Freshrank, model: SecuredModel, tmp_path: Path
) -> None:
    tls = {"ca_file": str(model.broker.ca_file)}
    said = refused(freshrank, model.signed_in(model.broker.misnamed_servers, sasl=RIGHT, tls=tls), tmp_path)
    assert "certificate is not valid for '127.0.0.1'. Put a name into kafka.bootstrap_servers" in said


def test_a_broker_whose_certificate_has_expired(freshrank: Freshrank, model: SecuredModel, tmp_path: Path) -> None:
    tls = {"ca_file": str(model.broker.ca_file)}
    said = refused(freshrank, model.signed_in(model.broker.expired_servers, sasl=RIGHT, tls=tls), tmp_path)
    assert "is not accepted: certificate has expired. Renew the broker's certificate" in said


@pytest.mark.parametrize("command", ["topics", "doctor"])
def test_a_worker_without_a_certificate_where_one_is_asked_for(
    freshrank: Freshrank, model: SecuredModel, tmp_path: Path, command: str
) -> None:
    tls = {"ca_file": str(model.broker.ca_file)}
    said = refused(freshrank, model.signed_in(model.broker.mutual_servers, tls=tls), tmp_path, command)
    assert "asks for a certificate of the worker's own: give kafka.tls.certificate_file" in said


def test_a_worker_with_a_certificate_of_an_authority_that_the_brokers_do_not_trust(
    freshrank: Freshrank, model: SecuredModel, tmp_path: Path
) -> None:
    foreign = model.broker.stranger.client("known")._asdict()
    tls = {"ca_file": str(model.broker.ca_file), **{name: str(path) for name, path in foreign.items()}}
    said = refused(freshrank, model.signed_in(model.broker.mutual_servers, tls=tls), tmp_path)
    assert "does not accept the worker's certificate in kafka.tls.certificate_file" in said


def test_a_worker_that_is_refused_ends_with_the_same_words(
    started: Started, model: SecuredModel, tmp_path: Path
) -> None:
    file = written(model.signed_in(sasl={**RIGHT, "password": SECRET}), tmp_path)
    with started("run", "-c", file) as worker:
        assert worker.wait(60) == 1
    said = (tmp_path / "stderr").read_text()
    assert re.search(r"^error: connecting to Kafka: .*invalid credentials.* Check kafka\.sasl", said, re.MULTILINE)
    assert "Traceback" not in said
    assert revealing([said]) == []


def test_its_traceback_has_no_secret(
    started: Started, model: SecuredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHRANK_DEBUG", "1")
    file = written(model.signed_in(sasl={**RIGHT, "password": SECRET}), tmp_path)
    with started("run", "-c", file) as worker:
        assert worker.wait(60) == 1
    said = (tmp_path / "stderr").read_text()
    assert "Traceback" in said
    assert revealing([said, (tmp_path / "stdout").read_text()]) == []
