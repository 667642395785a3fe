"""The part of librdkafka's C interface that `record_client` needs; see `consumer.kafka.librdkafka` for the rest.

confluent-kafka's `produce` makes and takes Python objects a record, which halves the rate; its `produce_batch` wants a
dict for each.
"""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_int, c_size_t, c_void_p
from typing import Any, Final

from confluent_kafka import cimpl  # its compiled half

PRODUCER: Final = 0
MESSAGE_KEY, MESSAGE_TOPIC, MESSAGE_VALUE, MESSAGE_FLAGS, MESSAGE_TIMESTAMP = 5, 2, 4, 7, 8
"""`rd_kafka_vtype_t`."""
COPY: Final = 2  # RD_KAFKA_MSG_F_COPY
VARIABLE_WORDS: Final = 9
"""64-bit words of an `rd_kafka_vu_t`: the type, and a union of 64 bytes."""

DELIVERY_CALLBACK: Final = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)

_library: Final = ctypes.CDLL(cimpl.__file__)


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(_library, f"rd_kafka_{name}")
    function.restype, function.argtypes = result, arguments
    return function


conf_set_dr_msg_cb: Final = _function("conf_set_dr_msg_cb", None, c_void_p, DELIVERY_CALLBACK)
topic_new: Final = _function("topic_new", c_void_p, c_void_p, c_char_p, c_void_p)
topic_destroy: Final = _function("topic_destroy", None, c_void_p)
poll: Final = _function("poll", c_int, c_void_p, c_int)
flush: Final = _function("flush", c_int, c_void_p, c_int)
outq_len: Final = _function("outq_len", c_int, c_void_p)

init_transactions: Final = _function("init_transactions", c_void_p, c_void_p, c_int)
begin_transaction: Final = _function("begin_transaction", c_void_p, c_void_p)
commit_transaction: Final = _function("commit_transaction", c_void_p, c_void_p, c_int)
abort_transaction: Final = _function("abort_transaction", c_void_p, c_void_p, c_int)
send_offsets_to_transaction: Final = _function(
    "send_offsets_to_transaction", c_void_p, c_void_p, c_void_p, c_void_p, c_int
)
consumer_group_metadata_new: Final = _function("consumer_group_metadata_new", c_void_p, c_char_p)
consumer_group_metadata_destroy: Final = _function("consumer_group_metadata_destroy", None, c_void_p)
fatal_error: Final = _function("fatal_error", c_int, c_void_p, c_char_p, c_size_t)
error_is_retriable: Final = _function("error_is_retriable", c_int, c_void_p)
mem_malloc: Final = _function("mem_malloc", c_void_p, c_void_p, c_size_t)
