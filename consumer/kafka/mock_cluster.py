"""librdkafka's in-process stand-in for a Kafka cluster, for the demo: nothing to install, nothing to start.

It keeps records in memory, at most 5 MiB a partition, and is gone with its owner. Topics appear when they are asked
for, always with four partitions. It neither compacts, nor hides aborted records, nor fences: good for a show, not for a
test of delivery.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final

from confluent_kafka import KafkaException, Producer

from consumer.errors import Fatal
from consumer.kafka.client_errors import cause
from consumer.kafka.complaints import client_log

START_TIMEOUT_S: Final = 10.0
SETTINGS: Final = {"allow.auto.create.topics": True}
"""For `kafka.consumer`: topics that nobody has written to appear when the worker asks for them."""
_OWNER: Final = {"test.mock.num.brokers": 1, "log_level": 2}  # nothing below critical, by syslog's numbers


class MockCluster:
    """One broker on the loopback interface, from construction until `close`. Raises Fatal if it does not start."""

    def __init__(self) -> None:
        self._owner: Producer | None = Producer({**_OWNER, "logger": client_log})
        try:
            brokers = self._owner.list_topics(timeout=START_TIMEOUT_S).brokers.values()
        except KafkaException as error:
            raise Fatal(f"the in-process Kafka did not start: {cause(error).str()}") from error
        self.bootstrap_servers: str = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def close(self) -> None:
        """Its records are gone. Close its clients first; may be called twice."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.flush(0)

    def __enter__(self) -> MockCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
