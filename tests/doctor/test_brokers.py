"""Brokers that answer are told from those that do not."""

from __future__ import annotations

from consumer.doctor.brokers import check_brokers
from consumer.doctor.findings import Severity
from consumer.kafka.inspection import BrokerAddress, ClusterFacts
from consumer.settings import Settings

THREE = ClusterFacts("c", [BrokerAddress(n, f"kafka-{n}", 9092) for n in (1, 2, 3)], {})


def told(*down: int, **kafka: object) -> list[tuple[Severity, str]]:
    settings = Settings.model_validate({"kafka": kafka})
    findings = check_brokers(settings, THREE, lambda broker: "Connection refused" if broker.id in down else "")
    return [(f.severity, f.saw) for f in findings]


def test_brokers_that_answer_are_named_with_how_they_were_met() -> None:
    names = "kafka-1:9092, kafka-2:9092, kafka-3:9092"
    assert told() == [(Severity.OK, f"3 brokers answer without signing in, without TLS: {names}")]
    secured = told(sasl={"username": "u", "password": "p"}, tls={})
    assert secured == [(Severity.OK, f"3 brokers answer as u (SCRAM-SHA-512) over TLS: {names}")]


def test_one_that_is_down_does_not_hide_the_others() -> None:
    assert told(2) == [
        (Severity.PROBLEM, "broker 2 wants to be called at kafka-2:9092, which fails: Connection refused"),
        (Severity.OK, "2 brokers answer without signing in, without TLS: kafka-1:9092, kafka-3:9092"),
    ]


def test_where_all_are_down_none_is_called_good() -> None:
    assert [severity for severity, _ in told(1, 2, 3)] == [Severity.PROBLEM] * 3
