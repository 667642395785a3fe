"""Whether every broker can be reached at the address that it gives itself: the classic fault of a listener."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from consumer.doctor.findings import Finding, ok, problem
from consumer.doctor.words import counted, listed
from consumer.kafka.inspection import BrokerAddress, ClusterFacts
from consumer.settings import Settings

CONNECT_TIMEOUT_S: Final = 3.0
MOST_ASKED: Final = 50
_AT_ONCE: Final = 16


def check_brokers(
    settings: Settings, cluster: ClusterFacts, can_connect: Callable[[BrokerAddress], str]
) -> list[Finding]:
    """`can_connect` says why not; empty: it can."""
    asked = list(cluster.brokers[:MOST_ASKED])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        failed = {broker: why for broker, why in zip(asked, pool.map(can_connect, asked), strict=True) if why}
    findings = [
        problem(
            f"broker {broker.id} wants to be called at {broker.host}:{broker.port}, which fails: {why}",
            "make that address reachable from here, or correct the broker's advertised.listeners: clients talk to "
            "every broker at its own address, kafka.bootstrap_servers is for the first word only",
            broker=broker.id,
            address=f"{broker.host}:{broker.port}",
        )
        for broker, why in failed.items()
    ]
    answering = [f"{broker.host}:{broker.port}" for broker in cluster.brokers if broker not in failed]
    if not answering:
        return findings
    sasl, tls = settings.kafka.sasl, settings.kafka.tls
    who = f"as {sasl.username} ({sasl.mechanism})" if sasl else "without signing in"
    n = len(answering)
    return [
        *findings,
        ok(
            f"{counted(n, 'broker')} {'answers' if n == 1 else 'answer'} {who}{' over' if tls else ', without'} TLS: "
            f"{listed(answering)}",
            cluster_id=cluster.cluster_id,
            brokers=n,
        ),
    ]


def connect(broker: BrokerAddress) -> str:
    """Opens a connection and closes it; why that failed, or nothing."""
    try:
        socket.create_connection((broker.host, broker.port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
