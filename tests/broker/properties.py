"""Properties of a broker that is small, quick and complete: one node, every internal topic with one replica."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Listener:
    """One more door of a broker; the addresses are `host:port`."""

    name: str
    protocol: str
    listen: str
    advertised: str


def server_properties(
    *, listen: str, advertised: str, controller: str, more: Sequence[Listener] = ()
) -> dict[str, str]:
    """Properties of a single KRaft node; the first three are `host:port`. How the quorum is found is left to the
    caller."""
    plain = Listener("PLAINTEXT", "PLAINTEXT", listen, advertised)
    inner = Listener("CONTROLLER", "PLAINTEXT", controller, controller)
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": ",".join(f"{one.name}://{one.listen}" for one in (plain, inner, *more)),
        "advertised.listeners": ",".join(f"{one.name}://{one.advertised}" for one in (plain, *more)),
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": ",".join(f"{one.name}:{one.protocol}" for one in (plain, inner, *more)),
        "inter.broker.listener.name": "PLAINTEXT",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A misspelt topic shall fail in a test, not appear.
        "auto.create.topics.enable": "false",
        # After a kill the controller waits for so long before it lets the broker register again; default 9 s.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Tests of compaction and retention would otherwise wait for 15 s and 5 min.
        "log.cleaner.backoff.ms": "200",
        "log.retention.check.interval.ms": "1000",
    }


def as_properties_file(properties: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in properties.items())


def as_container_environment(properties: Mapping[str, str]) -> dict[str, str]:
    """The same for Kafka's container image, which reads `KAFKA_SOME_KEY` as `some.key`."""
    return {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in properties.items()}


def free_port(but: int | None = None) -> int:
    """A port of the loopback interface that nobody listens on at the moment.

    It lies below those that systems hand out to outgoing connections (Linux from 32768, others from 49152). Else a
    client that keeps trying to reach a stopped broker is given the broker's own port one day: connected to itself.
    """
    return next(port for port in random.sample(range(20_000, 32_000), k=1_000) if port != but and is_free(port))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the broker itself does; else a port whose last connections are still winding up counts as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
