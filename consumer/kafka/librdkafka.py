"""The part of librdkafka's C interface that `record_reader` needs, from the very library that confluent-kafka links.

confluent-kafka makes a Python object for each record: 1.2 µs under the interpreter's lock, three times what fetching
costs. Everything else speaks to Kafka through confluent-kafka.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from typing import Any, Final

from confluent_kafka import cimpl  # its compiled half

CONSUMER: Final = 1
CONF_OK: Final = 0
NO_ERROR: Final = 0

LOG_CALLBACK: Final = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)
ERROR_CALLBACK: Final = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_void_p)


class Message(ctypes.Structure):
    """`rd_kafka_message_t`."""

    _fields_ = (
        ("err", c_int),
        ("rkt", c_void_p),
        ("partition", c_int32),
        ("payload", c_void_p),
        ("len", c_size_t),
        ("key", c_void_p),
        ("key_len", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    )


_library: Final = ctypes.CDLL(cimpl.__file__)


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_library, f"rd_kafka_{name}")
    function.restype, function.argtypes = result, arguments
    return function


conf_new: Final = _function("conf_new", c_void_p)
conf_destroy: Final = _function("conf_destroy", None, c_void_p)
conf_set: Final = _function("conf_set", c_int, c_void_p, c_char_p, c_char_p, c_char_p, c_size_t)
conf_set_log_cb: Final = _function("conf_set_log_cb", None, c_void_p, LOG_CALLBACK)
conf_set_error_cb: Final = _function("conf_set_error_cb", None, c_void_p, ERROR_CALLBACK)
new: Final = _function("new", c_void_p, c_int, c_void_p, c_char_p, c_size_t)
set_log_queue: Final = _function("set_log_queue", c_int, c_void_p, c_void_p)
poll_set_consumer: Final = _function("poll_set_consumer", c_int, c_void_p)
queue_get_consumer: Final = _function("queue_get_consumer", c_void_p, c_void_p)
queue_get_partition: Final = _function("queue_get_partition", c_void_p, c_void_p, c_char_p, c_int32)
queue_forward: Final = _function("queue_forward", None, c_void_p, c_void_p)
queue_destroy: Final = _function("queue_destroy", None, c_void_p)
consumer_close: Final = _function("consumer_close", c_int, c_void_p)
destroy: Final = _function("destroy", None, c_void_p)

consume_batch_queue: Final = _function("consume_batch_queue", c_ssize_t, c_void_p, c_int, c_void_p, c_size_t)
incremental_assign: Final = _function("incremental_assign", c_void_p, c_void_p, c_void_p)
incremental_unassign: Final = _function("incremental_unassign", c_void_p, c_void_p, c_void_p)
get_watermark_offsets: Final = _function(
    "get_watermark_offsets", c_int, c_void_p, c_char_p, c_int32, POINTER(c_int64), POINTER(c_int64)
)

topic_partition_list_new: Final = _function("topic_partition_list_new", c_void_p, c_int)
topic_partition_list_add: Final = _function("topic_partition_list_add", c_void_p, c_void_p, c_char_p, c_int32)
topic_partition_list_set_offset: Final = _function(
    "topic_partition_list_set_offset", c_int, c_void_p, c_char_p, c_int32, c_int64
)
topic_partition_list_destroy: Final = _function("topic_partition_list_destroy", None, c_void_p)

error_code: Final = _function("error_code", c_int, c_void_p)
error_string: Final = _function("error_string", c_char_p, c_void_p)
error_destroy: Final = _function("error_destroy", None, c_void_p)
message_errstr: Final = _function("message_errstr", c_char_p, c_void_p)


def address_of(name: str) -> int:
    """Where the function lies, for `consumer.foreign_memory.call_c`."""
    return ctypes.cast(getattr(_library, f"rd_kafka_{name}"), c_void_p).value or 0
