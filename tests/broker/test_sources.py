"""Which source gives the broker, and what is said where none can."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import Broker, NoBroker, real_kafka, skip_or_fail
from tests.broker.properties import as_container_environment, server_properties
from tests.broker.sources import Address, FromContainer, FromEnvironment


@dataclass
class FakeSource:
    address: str
    lacking: Sequence[str] = ()
    is_open: bool = False

    def lacks(self) -> Sequence[str]:
        return self.lacking

    @contextmanager
    def open(self) -> Iterator[Broker]:
        self.is_open = True
        yield Address(self.address)
        self.is_open = False


def test_the_first_source_that_lacks_nothing_gives_the_broker() -> None:
    without, first, second = FakeSource("a:1", ["luck"]), FakeSource("b:2"), FakeSource("c:3")
    with real_kafka([without, first, second]) as broker:
        assert broker.bootstrap_servers == "b:2"
        assert [without.is_open, first.is_open, second.is_open] == [False, True, False]
    assert not first.is_open


def test_where_no_source_works_the_message_says_what_each_needs() -> None:
    sources = [FakeSource("a:1", ["an address"]), FakeSource("b:2", ["Java", "Maven"])]
    with (
        pytest.raises(NoBroker, match=r"one of these is needed: an address; or Java and Maven$"),
        real_kafka(sources),
    ):
        pass


def test_a_missing_broker_skips_the_test() -> None:
    with pytest.raises(pytest.skip.Exception, match="no Java"):
        skip_or_fail("no Java", {})


def test_with_ci_true_a_missing_broker_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="no Java"):
        skip_or_fail("no Java", {"CI": "true"})


def test_without_an_address_in_the_environment_its_variable_is_named() -> None:
    assert FromEnvironment({}).lacks() == ["a broker's address in FRESHRANK_TEST_KAFKA"]
    assert FromEnvironment({"FRESHRANK_TEST_KAFKA": "kafka:9092"}).lacks() == []


def test_a_docker_client_without_an_engine_is_not_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = tmp_path / "docker"
    client.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 28" && exit 0\nexit 1\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert FromContainer().lacks() == ["a Docker engine (the docker client reaches none)"]


def test_a_container_gets_the_same_properties_as_variables() -> None:
    properties = server_properties(listen=":9092", advertised="localhost:5", controller=":9093")
    environment = as_container_environment(properties)
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://localhost:5"
    assert environment["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == "1"
    assert len(environment) == len(properties)
