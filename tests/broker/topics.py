"""Topics for tests."""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

VISIBLE_TIMEOUT_S = 30.0


def create_topic(
    bootstrap_servers: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
) -> None:
    """Create it with one replica and return when it is there. Raises KafkaException, also where it exists already."""
    client = AdminClient({"bootstrap.servers": bootstrap_servers})
    wanted = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
    client.create_topics([wanted], operation_timeout=30)[name].result(timeout=60)
    give_up_s = time.monotonic() + VISIBLE_TIMEOUT_S
    while name not in client.list_topics(timeout=10).topics:  # the broker hears of it a moment after the controller
        assert time.monotonic() < give_up_s, f"topic {name} was created but is not in the broker's metadata"
        client.poll(0.05)
