"""What this member of the model's group holds: the lease, and with it the partitions of the input.

The group is subscribed to the manifest topic only. Whoever is assigned its partition 0 is the writer and assigns itself
the input besides; a standby therefore never moves an input partition. The lease's own records are not ours to read, so
its partitions stay paused. Rebalances are told on the thread that polls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from consumer.messages import Positions

LEASE_PARTITION: Final = 0

log = logging.getLogger(__name__)


class Lease:
    """Keeps the assignment of a cooperative consumer. Call it only in turn with the consumer's other calls."""

    def __init__(
        self, consumer: Consumer, manifests_topic: str, input_topic: str, on_change: Callable[[], None]
    ) -> None:
        self._consumer = consumer
        self._manifests_topic = manifests_topic
        self._input_topic = input_topic
        self._on_change = on_change
        self._is_held = False
        self._reading: set[int] = set()

    @property
    def is_held(self) -> bool:
        return self._is_held

    @property
    def reading(self) -> frozenset[int]:
        """Partitions of the input that are assigned."""
        return frozenset(self._reading)

    def ask(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            [self._manifests_topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def give_up(self) -> None:
        """Leave the group, so that a standby needn't wait for the session timeout; takes effect while polled."""
        self._consumer.unsubscribe()

    def read(self, positions: Positions) -> None:
        """Assign these input partitions at these positions, the ones assigned already too."""
        self._drop(self._reading & set(positions))
        self._consumer.incremental_assign(
            [TopicPartition(self._input_topic, partition, position) for partition, position in positions.items()]
        )
        self._reading |= set(positions)

    def input_partitions(self) -> list[TopicPartition]:
        return [TopicPartition(self._input_topic, partition) for partition in sorted(self._reading)]

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Explicit positions, since without a committed one `auto.offset.reset=error` would raise.
        consumer.incremental_assign([TopicPartition(p.topic, p.partition, OFFSET_END) for p in partitions])
        if not partitions:
            return
        consumer.pause(partitions)
        if _has_lease(partitions):
            self._is_held = True
            log.info("has the lease: partition %d of %s", LEASE_PARTITION, self._manifests_topic)
        self._on_change()

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if _has_lease(partitions):
            self._is_held = False
            self._drop(self._reading)
            log.info("no longer has the lease: partition %d of %s", LEASE_PARTITION, self._manifests_topic)
        consumer.incremental_unassign([p for p in partitions if p.topic == self._manifests_topic])
        if partitions:
            self._on_change()

    def _drop(self, partitions: Iterable[int]) -> None:
        dropped = set(partitions)
        if dropped:
            self._consumer.incremental_unassign([TopicPartition(self._input_topic, p) for p in sorted(dropped)])
            self._reading -= dropped


def _has_lease(partitions: Iterable[TopicPartition]) -> bool:
    return any(p.partition == LEASE_PARTITION for p in partitions)
