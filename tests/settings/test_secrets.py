"""Secrets come from files or the environment, and no way of getting them wrong shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from consumer.errors import BadSettings
from consumer.kafka.client_config import check_properties
from consumer.settings import Settings
from consumer.settings_loading import load

SASL = "kafka:\n  sasl:\n    username: reader\n    password: "
UNQUOTED = (
    "*hunter2", "!hunter2 x", "!!hunter2 x", "!h!hunter2 x", "[hunter2]", "{hunter2: 1}", "@hunter2", "%hunter2",
    "'hunter2", '"\\hunter2"', "hunter2: a", "|hunter2", ">hunter2", "`hunter2", "- hunter2", "? hunter2",
    "&x hunter2\n    other: &x hunter2",
)  # fmt: skip


@pytest.mark.parametrize("given", UNQUOTED)
def test_a_password_that_yaml_reads_otherwise_is_not_quoted_in_the_complaint(
    yaml_file: Callable[[str], Path], given: str
) -> None:
    with pytest.raises(BadSettings) as refused:
        load([yaml_file(SASL + given)], {})
    assert ":4" in str(refused.value) or ":5" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"FRESHRANK__KAFKA__SASL__PASSWORD": "hunter2"},  # without a user
        {"FRESHRANK__KAFKA__SASL__PASWORD": "hunter2", "FRESHRANK__KAFKA__SASL__USERNAME": "reader"},
        {"FRESHRANK__KAFKA__SASL__PASSWORD__X": "hunter2"},
        {"FRESHRANK__KAFKA__TLS__KEY_PASSWORD": "hunter2", "FRESHRANK__KAFKA__TLS": "hunter2: [}"},
    ],
)
def test_a_misspelt_variable_is_named_without_its_value(variables: Mapping[str, str]) -> None:
    with pytest.raises(BadSettings) as refused:
        load([], variables)
    assert "hunter2" not in str(refused.value)


SECRET_PROPERTIES = (
    "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "ssl.certificate.pem", "ssl.ca.pem", "sasl.password",
    "sasl.oauthbearer.config", "sasl.oauthbearer.client.secret", "no.such.password",
)  # fmt: skip


@pytest.mark.parametrize("key", SECRET_PROPERTIES)
def test_neither_settings_nor_librdkafka_tell_a_property_that_is_a_secret(key: str) -> None:
    properties = {key: "hunter2", "security.protocol": "ssl"}
    settings = Settings.model_validate({"kafka": {"consumer": properties, "producer": properties}})
    told = [repr(settings), str(settings), repr(settings.kafka)]
    try:
        check_properties(settings)
    except BadSettings as refused:
        told.append(str(refused))
    assert [text for text in told if "hunter2" in text] == []


def test_no_repr_tells_a_password() -> None:
    sasl = {"username": "reader", "password": "hunter2"}
    settings = Settings.model_validate({"kafka": {"sasl": sasl, "tls": {"key_password": "hunter2"}}})
    assert "hunter2" not in f"{settings!r} {settings} {settings.kafka.sasl!r} {settings.kafka.tls!r}"
