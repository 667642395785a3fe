"""Topics for tests."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic


def create_topic(
    bootstrap_servers: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
) -> None:
    """Create it with one replica and return when it is there. Raises KafkaException, also where it exists already."""
    client = AdminClient({"bootstrap.servers": bootstrap_servers})
    wanted = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
    client.create_topics([wanted], operation_timeout=30)[name].result(timeout=60)
