"""Kafka transactions that carry a position along: records and how far they go are there together, or neither is.

The position is kept as the committed offset of a consumer group that nobody joins. A later client of the same name
fences this one and ends what it left open, so the position that it then reads is the last one there will be.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from ctypes import c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.kafka import librdkafka as common
from producer_tools import librdkafka as c
from producer_tools.connection import Connection, Properties, failure_text
from producer_tools.errors import ToolError
from producer_tools.record_client import FENCED, FENCED_CODES, RecordClient

_PARTITION: Final = 0  # of the topic written to; the group's offset there is the position
_ANSWER_S: Final = 30.0
_ANSWER_MS: Final = 30_000
_TRIES: Final = 3


class _TopicPartition(ctypes.Structure):
    """`rd_kafka_topic_partition_t`."""

    _fields_ = (
        ("topic", c_char_p),
        ("partition", c_int32),
        ("offset", c_int64),
        ("metadata", c_void_p),
        ("metadata_size", c_size_t),
        ("opaque", c_void_p),
        ("err", c_int),
        ("private", c_void_p),
    )


def transactional(name: str) -> Properties:
    """What the client needs for `Transactions` of this name."""
    return {"transactional.id": name, "transaction.timeout.ms": _ANSWER_MS, "log_level": 0}


class Transactions:
    """Of one client, which must not be used by anybody else. Raises ToolError, with what to do, where Kafka refuses."""

    def __init__(self, connection: Connection, client: RecordClient, name: str, topic: str) -> None:
        self._connection = connection
        self._client = client
        self._name = name
        self._topic = topic
        self.is_open = False
        self._do(c.init_transactions, _ANSWER_MS)

    def stored(self) -> tuple[int, str] | None:
        """Offset and metadata committed last, or None before the first. Raises ToolError."""
        consumer = Consumer({**self._connection.properties(), "group.id": self._name})
        try:
            (found,) = consumer.committed([TopicPartition(self._topic, _PARTITION)], timeout=_ANSWER_S)
        except KafkaException as error:
            raise ToolError(f"the position of {self._name!r} cannot be read: {failure_text(error)}") from error
        finally:
            consumer.close()
        return (found.offset, _metadata(found)) if found.offset >= 0 else None

    def begin(self) -> None:
        self._do(c.begin_transaction)
        self.is_open = True

    def commit(self, offset: int, metadata: str) -> None:
        """Waits for the delivery of every record handed over. Raises ToolError where any of them failed; then nothing
        since `begin` counts."""
        self._send_position(offset, metadata)
        self._do(c.commit_transaction, _ANSWER_MS)
        self.is_open = False

    def abort(self) -> None:
        """Nothing since `begin` counts; the client is of no more use. Does nothing where none was begun."""
        if not self.is_open:
            return
        self.is_open = False
        # Where the broker won't hear of it (while it ends the one before, it says that there is none), it is aborted by
        # its timeout or by the next client of this name.
        with suppress(ToolError):
            self._do(c.abort_transaction, _ANSWER_MS)

    def _send_position(self, offset: int, metadata: str) -> None:
        offsets = common.topic_partition_list_new(1)
        partition = common.topic_partition_list_add(offsets, self._topic.encode(), _PARTITION)
        # confluent-kafka reads metadata up to a zero byte, librdkafka keeps it without one
        _fill(_TopicPartition.from_address(partition), offset, metadata.encode() + b"\0")
        group = c.consumer_group_metadata_new(self._name.encode())
        try:
            self._do(c.send_offsets_to_transaction, offsets, group, _ANSWER_MS)
        finally:
            c.consumer_group_metadata_destroy(group)
            common.topic_partition_list_destroy(offsets)

    def _do(self, function: Any, *arguments: Any) -> None:
        for _ in range(_TRIES):
            error = function(self._client.handle, *arguments)
            if not error:
                return
            code, why = common.error_code(error), common.error_string(error).decode("utf-8", "replace")
            can_be_retried = bool(c.error_is_retriable(error))
            common.error_destroy(error)
            if not can_be_retried:
                break
        raise ToolError(self._said(code, why))

    def _said(self, code: int, why: str) -> str:
        if code in FENCED_CODES:
            return FENCED
        if code in (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
            return f"{why}: allow this client WRITE on the transactional id and READ on the group {self._name!r}"
        return why


def _metadata(found: TopicPartition) -> str:
    try:
        return found.metadata or ""
    except UnicodeDecodeError:  # somebody else's, see `_send_position`
        return ""


def _fill(partition: _TopicPartition, offset: int, metadata: bytes) -> None:
    """The list's own end gives the memory back."""
    partition.offset = offset
    partition.metadata = c.mem_malloc(None, len(metadata))
    partition.metadata_size = len(metadata)
    ctypes.memmove(partition.metadata, metadata, len(metadata))
