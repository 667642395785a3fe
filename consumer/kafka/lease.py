"""Whether this member of the model's group holds the lease.

The group is subscribed to the manifest topic only. Whoever is assigned its partition 0 is the writer and reads the
input besides, by hand; a standby therefore never moves an input partition. The lease's own records are not ours to
read, so its partitions stay paused. Rebalances are told on the thread that polls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

LEASE_PARTITION: Final = 0

log = logging.getLogger(__name__)


class Lease:
    """Keeps the assignment of a cooperative consumer. Call it only in turn with the consumer's other calls."""

    def __init__(self, consumer: Consumer, manifests_topic: str, on_change: Callable[[], None]) -> None:
        self._consumer = consumer
        self._manifests_topic = manifests_topic
        self._on_change = on_change
        self._is_held = False

    @property
    def is_held(self) -> bool:
        return self._is_held

    def ask(self) -> None:
        """Join the group."""
        self._consumer.subscribe(
            [self._manifests_topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def give_up(self) -> None:
        """Leave the group, so that a standby needn't wait for the session timeout; takes effect while polled."""
        self._consumer.unsubscribe()

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
            log.info("no longer has the lease: partition %d of %s", LEASE_PARTITION, self._manifests_topic)
        consumer.incremental_unassign(partitions)
        if partitions:
            self._on_change()


def _has_lease(partitions: Iterable[TopicPartition]) -> bool:
    return any(p.partition == LEASE_PARTITION for p in partitions)
