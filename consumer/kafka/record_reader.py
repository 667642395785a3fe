"""Reads partitions assigned by hand, a batch of columns at a time, outside of the interpreter's lock."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from consumer.kafka import librdkafka as c
from consumer.kafka import message_columns
from consumer.kafka.complaints import client_log
from consumer.messages import Positions, RecordBatch

_SYSLOG_LEVELS: Final = (*[logging.CRITICAL] * 3, logging.ERROR, logging.WARNING, *[logging.INFO] * 2, logging.DEBUG)
_REASON_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Fault:
    """What came in place of a record."""

    error: KafkaError
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Portion:
    """What one call brought: records of one topic, those of a partition in order, and faults."""

    records: RecordBatch | None
    faults: list[Fault]


class RecordReader:
    """A consumer of one topic that joins no group. Calls may come from any thread, `close` only while none runs.

    `on_error` hears of what concerns no partition, during `read`. Raises KafkaException where librdkafka refuses a
    property.
    """

    def __init__(self, topic: str, properties: dict[str, Any], on_error: Callable[[KafkaError], None]) -> None:
        self._topic = topic
        message_columns.compile_kernels()
        # Kept as long as the client, which calls them.
        self._callbacks = (c.LOG_CALLBACK(_log), c.ERROR_CALLBACK(lambda _, code, why, __: on_error(_error(code, why))))
        self._client = _new_client(properties, *self._callbacks)
        c.poll_set_consumer(self._client)
        c.set_log_queue(self._client, None)
        self._queue = c.queue_get_consumer(self._client)
        self._own_queues: dict[int, Any] = {}
        self._messages = np.zeros(0, np.int64)

    def separate(self, partitions: Iterable[int]) -> None:
        """From here on these are read by `read_partition` alone, each as far ahead as the properties allow a queue. To
        be called before they are assigned: what is fetched before lies in the common queue."""
        for partition in partitions:
            queue = c.queue_get_partition(self._client, self._topic.encode(), partition)
            c.queue_forward(queue, None)
            self._own_queues[partition] = queue

    def assign(self, positions: Positions) -> None:
        """Read these partitions from these positions on, besides those that are read already."""
        self._change(c.incremental_assign, positions)

    def unassign(self, partitions: Iterable[int]) -> None:
        """Stop reading these; no record of theirs comes any more."""
        self._change(c.incremental_unassign, dict.fromkeys(partitions, 0))

    def read(self, n: int, timeout_s: float) -> Portion:
        """At most n records; waits until there are so many or the time is over."""
        return self._read(self._queue, n, timeout_s)

    def read_partition(self, partition: int, n: int, timeout_s: float) -> Portion:
        """The same, of a partition that was separated."""
        return self._read(self._own_queues[partition], n, timeout_s)

    def _read(self, queue: Any, n: int, timeout_s: float) -> Portion:
        if n > len(self._messages):
            self._messages = np.zeros(n, np.int64)
        n_read = c.consume_batch_queue(queue, round(timeout_s * 1000), self._messages.ctypes.data, n)
        messages = self._messages[: max(n_read, 0)]
        try:
            faulty = message_columns.error_rows(messages)
            faults = [_fault(int(messages[row])) for row in faulty]
            good = np.delete(messages, faulty) if faulty else messages
            return Portion(message_columns.record_batch(self._topic, good) if len(good) else None, faults)
        finally:
            message_columns.destroy(messages)

    def known_end(self, partition: int) -> int:
        """Where the partition ends, as the last fetch said; negative before the first. Asks nobody."""
        first, end = ctypes.c_int64(), ctypes.c_int64(-1)
        c.get_watermark_offsets(self._client, self._topic.encode(), partition, ctypes.byref(first), ctypes.byref(end))
        return end.value

    def close(self) -> None:
        """Of no more use afterwards."""
        for queue in self._own_queues.values():
            c.queue_destroy(queue)
        c.consumer_close(self._client)
        c.queue_destroy(self._queue)
        c.destroy(self._client)

    def _change(self, function: Any, positions: Positions) -> None:
        if not positions:
            return
        partitions = c.topic_partition_list_new(len(positions))
        for partition, position in positions.items():
            c.topic_partition_list_add(partitions, self._topic.encode(), partition)
            c.topic_partition_list_set_offset(partitions, self._topic.encode(), partition, position)
        error = function(self._client, partitions)
        c.topic_partition_list_destroy(partitions)
        if error:
            told = _error(c.error_code(error), c.error_string(error))
            c.error_destroy(error)
            raise KafkaException(told)


def _new_client(properties: dict[str, Any], on_log: Any, on_error: Any) -> Any:
    conf = c.conf_new()
    reason = ctypes.create_string_buffer(_REASON_BYTES)
    for key, value in {**properties, "log.queue": True}.items():
        if c.conf_set(conf, key.encode(), _text(value), reason, _REASON_BYTES) != c.CONF_OK:
            c.conf_destroy(conf)
            raise KafkaException(_error(KafkaError._INVALID_ARG, reason.value))
    c.conf_set_log_cb(conf, on_log)
    c.conf_set_error_cb(conf, on_error)
    client = c.new(c.CONSUMER, conf, reason, _REASON_BYTES)
    if not client:
        c.conf_destroy(conf)
        raise KafkaException(_error(KafkaError._INVALID_ARG, reason.value))
    return client


def _text(value: object) -> bytes | None:
    """A property as librdkafka reads it."""
    if value is None:
        return None
    return str(value).lower().encode() if isinstance(value, bool) else str(value).encode()


def _fault(address: int) -> Fault:
    message = c.Message.from_address(address)
    return Fault(_error(message.err, c.message_errstr(address)), message.partition, message.offset)


def _error(code: int, why: bytes | None) -> KafkaError:
    return KafkaError(code, why.decode("utf-8", "replace")) if why else KafkaError(code)


def _log(_client: object, level: int, facility: bytes, line: bytes) -> None:
    client_log.log(_SYSLOG_LEVELS[level], "%s %s", facility.decode(), line.decode("utf-8", "replace"))
