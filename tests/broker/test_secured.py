"""What security tests rely on: who can't sign in isn't let in, and what no ACL allows isn't done."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AclOperation, AdminClient, ResourceType  # type: ignore[attr-defined]  # re-exported

from tests.broker import SecuredBroker, create_topic
from tests.broker.secured import PASSWORD, PLAIN_USER

pytestmark = pytest.mark.broker


def signed_in(servers: str, user: str, password: str = PASSWORD, **more: str) -> dict[str, Any]:
    """Properties of a client; `more` with `_` for `.`."""
    return {
        "bootstrap.servers": servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password,
        **{key.replace("_", "."): value for key, value in more.items()},
    }


def error_of_producing(properties: dict[str, Any], topic: str) -> int:
    """The error's code; KafkaError.NO_ERROR where the record was taken."""
    codes: list[int] = []
    producer = Producer({**properties, "message.timeout.ms": 20_000})
    producer.produce(topic, b"x", on_delivery=lambda e, _: codes.append(e.code() if e else KafkaError.NO_ERROR))
    producer.flush(30)
    return codes[0]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_signs_in_and_sees_only_what_is_allowed(
    secured_kafka: SecuredBroker, topic_prefix: str, mechanism: str
) -> None:
    user, mine, other = f"{topic_prefix}user", f"{topic_prefix}mine", f"{topic_prefix}other"
    secured_kafka.add_user(user)
    for topic in (mine, other):
        create_topic(secured_kafka.open_servers, topic)
    secured_kafka.allow(user, ResourceType.TOPIC, mine, [AclOperation.WRITE])
    properties = signed_in(secured_kafka.sasl_servers, user, sasl_mechanism=mechanism)
    topics = AdminClient(properties).list_topics(timeout=20).topics
    assert mine in topics
    assert other not in topics
    assert error_of_producing(properties, mine) == KafkaError.NO_ERROR
    assert error_of_producing(properties, other) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_over_tls_the_certificate_is_checked(secured_kafka: SecuredBroker, topic_prefix: str) -> None:
    user = f"{topic_prefix}user"
    secured_kafka.add_user(user)
    over_tls = signed_in(secured_kafka.sasl_ssl_servers, user, security_protocol="SASL_SSL")
    trusting = {**over_tls, "ssl.ca.location": str(secured_kafka.ca_file)}
    assert AdminClient(trusting).list_topics(timeout=20).brokers
    with pytest.raises(KafkaException):
        AdminClient({**over_tls, "log_level": "0"}).list_topics(timeout=3)


def test_plain_knows_one_user(secured_kafka: SecuredBroker) -> None:
    plain = signed_in(secured_kafka.sasl_servers, PLAIN_USER, sasl_mechanism="PLAIN")
    assert AdminClient(plain).list_topics(timeout=20).brokers


def test_a_wrong_password_is_refused(secured_kafka: SecuredBroker, topic_prefix: str) -> None:
    user = f"{topic_prefix}user"
    secured_kafka.add_user(user)
    errors: list[int] = []
    properties = signed_in(secured_kafka.sasl_servers, user, "wrong")
    properties |= {"log_level": 0, "error_cb": lambda error: errors.append(error.code())}
    client = AdminClient(properties)
    with pytest.raises(KafkaException):
        client.list_topics(timeout=3)
    client.poll(0)
    assert KafkaError._AUTHENTICATION in errors
