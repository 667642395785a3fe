"""librdkafka's properties: tuned, open to additions, closed to what the guarantees rest on."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.errors import BadSettings
from consumer.kafka.client_config import (
    admin_properties,
    check_properties,
    member_properties,
    producer_properties,
    reader_properties,
)
from consumer.settings import Settings


def settings(**kafka: Any) -> Settings:
    return Settings.model_validate({"model": "shop", "kafka": {"bootstrap_servers": "127.0.0.1:1", **kafka}})


def problems(**kafka: Any) -> list[str]:
    with pytest.raises(BadSettings) as refused:
        check_properties(settings(**kafka))
    return list(refused.value.problems)


def test_the_input_never_jumps_over_data_nor_commits_by_itself() -> None:
    properties = member_properties(settings())
    assert properties["auto.offset.reset"] == "error"
    assert properties["enable.auto.commit"] is False
    assert properties["enable.auto.offset.store"] is False
    assert properties["isolation.level"] == "read_committed"


def test_a_member_is_static_and_cooperative() -> None:
    properties = member_properties(settings(instance_id="slot-1", session_timeout_s=6))
    assert properties["group.id"] == "freshrank-shop"
    assert properties["group.instance.id"] == "slot-1"
    assert properties["partition.assignment.strategy"] == "cooperative-sticky"
    assert properties["session.timeout.ms"] == 6000


def test_the_producer_is_one_transactional_writer_of_the_model() -> None:
    properties = producer_properties(settings(transaction_timeout_s=30))
    assert properties["transactional.id"] == "freshrank-shop"
    assert properties["transaction.timeout.ms"] == 30_000
    assert properties["partitioner"] == "murmur2_random"
    assert properties["acks"] == "all"


def test_tuned_defaults_may_be_overridden() -> None:
    assert member_properties(settings())["fetch.min.bytes"] == 1 << 20
    assert member_properties(settings(consumer={"fetch.min.bytes": 1}))["fetch.min.bytes"] == 1


def test_sasl_and_tls_reach_every_client() -> None:
    secured = settings(sasl={"username": "u", "password": "p"}, tls={"ca_file": "/ca.pem", "key_password": "s"})
    for properties in (member_properties, reader_properties, producer_properties, admin_properties):
        assert properties(secured)["security.protocol"] == "SASL_SSL"
        assert properties(secured)["sasl.password"] == "p"
        assert properties(secured)["ssl.ca.location"] == "/ca.pem"
        assert properties(secured)["ssl.key.password"] == "s"


def test_other_ways_of_signing_in_pass_through() -> None:
    extras = {"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}
    assert member_properties(settings(consumer=extras))["sasl.mechanism"] == "OAUTHBEARER"
    assert admin_properties(settings(consumer=extras))["sasl.mechanism"] == "OAUTHBEARER"


def test_what_the_worker_owns_is_refused_all_at_once() -> None:
    told = problems(consumer={"group.id": "x", "auto.offset.reset": "latest"}, producer={"acks": "1"})
    assert [problem.split(":")[0] for problem in told] == [
        "kafka.consumer.group.id",
        "kafka.consumer.auto.offset.reset",
        "kafka.producer.acks",
    ]


def test_a_client_is_not_even_described_with_owned_properties() -> None:
    with pytest.raises(BadSettings, match=r"kafka\.producer\.transactional\.id"):
        producer_properties(settings(producer={"transactional.id": "x"}))


def test_signing_in_is_said_in_one_place() -> None:
    told = problems(sasl={"username": "u", "password": "p"}, consumer={"sasl.username": "v"})
    assert told == ["kafka.consumer.sasl.username: follows from kafka.sasl and kafka.tls, give it in one place only"]


def test_properties_unknown_to_librdkafka_are_refused_all_at_once() -> None:
    told = problems(consumer={"fetch.min.byte": 1, "no.such": 2}, producer={"linger.msec": 3})
    assert [problem.split(":")[0] for problem in told] == [
        "kafka.consumer.fetch.min.byte",
        "kafka.consumer.no.such",
        "kafka.producer.linger.msec",
    ]


def test_a_value_out_of_range_is_refused_with_its_key() -> None:
    (told,) = problems(consumer={"fetch.wait.max.ms": -5})
    assert told.startswith("kafka.consumer.fetch.wait.max.ms:")


def test_good_settings_pass() -> None:
    check_properties(settings(consumer={"client.rack": "eu-1"}, producer={"linger.ms": 20}))
