"""A Kafka producer that takes whole columns of records at a time, outside of the interpreter's lock."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Final

import numpy as np
from confluent_kafka import KafkaError, KafkaException

from consumer.foreign_memory import call_c
from consumer.kafka import librdkafka as common
from consumer.kernels import kernel
from producer_tools import librdkafka as c
from producer_tools.connection import Properties
from producer_tools.records import Int64Array, RecordBlock, Strings

_REASON_BYTES: Final = 512
_INT32: Final = 0xFFFFFFFF
_FUNCTIONS: Final = (
    common.address_of("produceva"),
    common.address_of("error_code"),
    common.address_of("error_destroy"),
)
_TOPIC, _VALUE, _KEY, _FLAGS, _TIMESTAMP = range(5)
_VARIABLES: Final = (c.MESSAGE_TOPIC, c.MESSAGE_VALUE, c.MESSAGE_KEY, c.MESSAGE_FLAGS, c.MESSAGE_TIMESTAMP)
QUEUE_FULL: Final = KafkaError._QUEUE_FULL
FENCED_CODES: Final = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)
FENCED: Final = "another process goes on under this name; this one has stopped, and nothing is there twice"
NOW_MS: Final = 0
"""As a record's timestamp: the moment at which it is handed over."""


class RecordClient:
    """One client for one topic; only failed deliveries are reported. Raises KafkaException where librdkafka refuses a
    property."""

    def __init__(self, properties: Properties, topic: str) -> None:
        self._failures = _Failures()
        on_delivery = c.DELIVERY_CALLBACK(self._failures.hear)
        self._client = self._failures.client = _new_client(properties, on_delivery)
        self._topic = c.topic_new(self._client, topic.encode(), None)
        if not self._topic:
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, f"{topic!r} is no valid name of a topic"))
        self._variables = np.zeros((len(_VARIABLES), c.VARIABLE_WORDS), np.int64)
        self._variables[:, 0] = _VARIABLES
        self._variables[_TOPIC, 1], self._variables[_FLAGS, 1] = self._topic, c.COPY
        weakref.finalize(self, _destroy, self._client, self._topic, on_delivery)  # which holds on to the callback
        nothing = np.zeros(0, np.int64)  # compiles the kernel now, so that the first records aren't late
        _hand_over(self._client, self._variables, _FUNCTIONS, *(0, nothing, nothing) * 2, nothing, 0, 0)

    @property
    def handle(self) -> Any:
        """`rd_kafka_t *`."""
        return self._client

    def hand_over(self, block: RecordBlock, times_ms: Int64Array, start: int, end: int) -> tuple[int, int]:
        """Take records start … end - 1 of a block `in_columns`, stamped with these times (or NOW_MS). Returns the first
        one not taken, or `end`, and why: an error code such as QUEUE_FULL, or 0. What was taken is copied."""
        keys, values = block.keys, block.values
        assert isinstance(keys, Strings)
        assert isinstance(values, Strings)
        done, code = _hand_over(
            self._client,
            self._variables,
            _FUNCTIONS,
            values.text.ctypes.data,
            values.starts,
            values.lengths,
            keys.text.ctypes.data,
            keys.starts,
            keys.lengths,
            times_ms,
            start,
            end,
        )
        return int(done), int(code) - (_INT32 + 1) if code > _INT32 >> 1 else int(code)

    def poll(self, timeout_s: float) -> None:
        """Hear of failed deliveries; waits so long for one."""
        c.poll(self._client, round(timeout_s * 1_000))

    def flush(self, timeout_s: float) -> int:
        """Wait until nothing is under way, at most so long. Returns the number of records that are."""
        is_done = c.flush(self._client, round(timeout_s * 1_000)) == common.NO_ERROR
        return 0 if is_done else self.n_under_way

    @property
    def n_under_way(self) -> int:
        """Records that wait for delivery, and a few things more that librdkafka has to tell."""
        return int(c.outq_len(self._client))

    @property
    def n_failed(self) -> int:
        """Records that were handed over and will never be delivered, as far as `poll` and `flush` have heard."""
        return self._failures.n

    @property
    def first_failure(self) -> str:
        """In words; empty without any."""
        return self._failures.first

    def said(self, code: int) -> str:
        """The failure in words."""
        return self._failures.said(code)


class _Failures:
    """What the deliveries' callback has heard; apart from the client, which the callback would keep for ever."""

    def __init__(self) -> None:
        self.client: Any = None
        self.n = 0
        self.first = ""

    def hear(self, _client: object, message: int, _opaque: object) -> None:
        code = common.Message.from_address(message).err
        if code != common.NO_ERROR:
            self.n += 1
            self.first = self.first or self.said(code)

    def said(self, code: int) -> str:
        # what is still queued at a fatal error fails as purged, which explains nothing
        code = c.fatal_error(self.client, None, 0) or code
        return FENCED if code in FENCED_CODES else KafkaError(code).str()


def _new_client(properties: Properties, on_delivery: Any) -> Any:
    conf = common.conf_new()
    reason = ctypes.create_string_buffer(_REASON_BYTES)
    for key, value in properties.items():
        if common.conf_set(conf, key.encode(), _text(value), reason, _REASON_BYTES) != common.CONF_OK:
            common.conf_destroy(conf)
            raise KafkaException(_refusal(reason))
    c.conf_set_dr_msg_cb(conf, on_delivery)
    client = common.new(c.PRODUCER, conf, reason, _REASON_BYTES)
    if not client:
        common.conf_destroy(conf)
        raise KafkaException(_refusal(reason))
    return client


def _refusal(reason: ctypes.Array[ctypes.c_char]) -> KafkaError:
    return KafkaError(KafkaError._INVALID_ARG, reason.value.decode("utf-8", "replace"))


def _text(value: str | int | float | bool) -> bytes:
    return (str(value).lower() if isinstance(value, bool) else str(value)).encode()


def _destroy(client: Any, topic: Any, _on_delivery: Any) -> None:
    c.topic_destroy(topic)
    common.destroy(client)


@kernel
def _hand_over(
    client: int,
    variables: Int64Array,
    functions: tuple[int, int, int],
    value_text: int,
    value_starts: Int64Array,
    value_lengths: Int64Array,
    key_text: int,
    key_starts: Int64Array,
    key_lengths: Int64Array,
    times_ms: Int64Array,
    start: int,
    end: int,
) -> tuple[int, int]:
    """The first record not taken, and the error's code in the lower 32 bits. A length below 0 is a null's: not named
    here, as numba's cache notices no change of a constant in another file."""
    produceva, error_code, error_destroy = functions
    for i in range(start, end):
        is_null = value_lengths[i] < 0
        variables[_VALUE, 1] = 0 if is_null else value_text + value_starts[i]
        variables[_VALUE, 2] = 0 if is_null else value_lengths[i]
        variables[_KEY, 1] = 0 if key_lengths[i] < 0 else key_text + key_starts[i]
        variables[_KEY, 2] = max(key_lengths[i], 0)
        variables[_TIMESTAMP, 1] = times_ms[i]
        error = call_c(produceva, (client, variables.ctypes.data, len(variables)))
        if error != 0:
            code = call_c(error_code, (error,)) & _INT32
            call_c(error_destroy, (error,))
            return i, code
    return end, 0
