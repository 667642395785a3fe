"""Where a real Kafka for tests comes from, in order: an address, a container, jars; else why there is none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NoReturn, Protocol

import pytest

from tests.broker import jars
from tests.broker.answers import wait_until_it_answers
from tests.broker.local import START_TIMEOUT_S, BrokerFailed, LocalBroker
from tests.broker.properties import LOOPBACK, as_container_environment, free_port, server_properties

ADDRESS_VARIABLE = "FRESHRANK_TEST_KAFKA"
IMAGE = "apache/kafka:4.1.1"  # the version of pom.xml
ADDRESS_TIMEOUT_S = 10.0


class NoBroker(Exception):
    """No source can give a broker here; the message says what each would need."""


class Broker(Protocol):
    """A Kafka that answers."""

    @property
    def bootstrap_servers(self) -> str: ...


class Source(Protocol):
    """One way to a broker."""

    def lacks(self) -> Sequence[str]:
        """What it needs and doesn't find; empty where it can be opened."""
        ...

    def open(self) -> AbstractContextManager[Broker]: ...


@dataclass(frozen=True, slots=True)
class Address:
    """A broker that somebody else runs."""

    bootstrap_servers: str


@dataclass(frozen=True, slots=True)
class FromEnvironment:
    environment: Mapping[str, str]

    def lacks(self) -> Sequence[str]:
        return [] if self.environment.get(ADDRESS_VARIABLE) else [f"a broker's address in {ADDRESS_VARIABLE}"]

    @contextmanager
    def open(self) -> Iterator[Broker]:
        address = self.environment[ADDRESS_VARIABLE]
        if not wait_until_it_answers(address, ADDRESS_TIMEOUT_S):
            raise BrokerFailed(f"nothing answers at {address}, which {ADDRESS_VARIABLE} names")
        yield Address(address)


@dataclass(frozen=True, slots=True)
class FromContainer:
    """The official image in a Docker engine."""

    def lacks(self) -> Sequence[str]:
        if shutil.which("docker") is None:
            return ["a Docker engine (there is no docker client to ask it with)"]
        # The client answers `--version` where no engine runs, so the question is for the engine's own version.
        command = ["docker", "version", "--format", "{{.Server.Version}}"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        has_engine = answer.returncode == 0 and bool(answer.stdout.strip())
        return [] if has_engine else ["a Docker engine (the docker client reaches none)"]

    @contextmanager
    def open(self) -> Iterator[Broker]:
        # Imported here: it is slow, and most runs never need it.
        from testcontainers.core.container import DockerContainer

        inside, port = 9092, free_port()
        container = DockerContainer(IMAGE).with_bind_ports(inside, port)
        address = f"{container.get_container_host_ip()}:{port}"
        properties = server_properties(listen=f":{inside}", advertised=address, controller=":9093")
        properties["controller.quorum.voters"] = f"1@{LOOPBACK}:9093"
        container.with_envs(**as_container_environment(properties))
        with container:
            if not wait_until_it_answers(address, START_TIMEOUT_S):
                output = b"\n".join(container.get_logs()).decode(errors="replace")
                raise BrokerFailed(f"the broker in a container did not answer at {address}\n{output[-4000:]}")
            yield Address(address)


@dataclass(frozen=True, slots=True)
class FromJars:
    def lacks(self) -> Sequence[str]:
        return jars.missing()

    @contextmanager
    def open(self) -> Iterator[Broker]:
        try:
            jars.fetched()
        except jars.NoJars as error:
            raise NoBroker(str(error)) from error
        with LocalBroker() as broker:
            yield broker


def all_sources(environment: Mapping[str, str]) -> tuple[Source, ...]:
    return (FromEnvironment(environment), FromContainer(), FromJars())


@contextmanager
def real_kafka(sources: Sequence[Source]) -> Iterator[Broker]:
    """A broker from the first source that lacks nothing. Raises NoBroker, BrokerFailed."""
    lacking: list[str] = []
    for source in sources:
        lacks = source.lacks()
        if not lacks:
            with source.open() as broker:
                yield broker
            return
        lacking.append(" and ".join(lacks))
    raise NoBroker("no real Kafka here; one of these is needed: " + "; or ".join(lacking))


def skip_or_fail(reason: str, environment: Mapping[str, str]) -> NoReturn:
    """Skip the test for this reason; on a CI machine, which must have what tests need, fail it."""
    if environment.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} (with CI=true that is a failure)", pytrace=False)
    pytest.skip(reason)
