"""A real Kafka for tests: where one comes from, and one that a test may stop, kill and start again."""

from __future__ import annotations

from tests.broker.local import BrokerFailed, LocalBroker
from tests.broker.secured import SecuredBroker
from tests.broker.sources import Broker, NoBroker, real_kafka, skip_or_fail
from tests.broker.topics import create_topic

__all__ = [
    "Broker",
    "BrokerFailed",
    "LocalBroker",
    "NoBroker",
    "SecuredBroker",
    "create_topic",
    "real_kafka",
    "skip_or_fail",
]
