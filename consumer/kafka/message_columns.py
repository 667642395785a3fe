"""librdkafka's messages, by their addresses, copied into columns: no Python object a record, no message kept."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from consumer.byte_column import PADDING, ByteColumn
from consumer.foreign_memory import call_c, copy_bytes, load_int32, load_int64, load_uint8
from consumer.kafka import librdkafka
from consumer.kernels import hot_kernel, kernel
from consumer.messages import Int32Array, Int64Array, RecordBatch, UInt8Array
from consumer.record_columns import NULL_LENGTH, batch_of

_ERR: Final = librdkafka.Message.err.offset
_PARTITION: Final = librdkafka.Message.partition.offset
_PAYLOAD: Final = librdkafka.Message.payload.offset
_LEN: Final = librdkafka.Message.len.offset
_KEY: Final = librdkafka.Message.key.offset
_KEY_LEN: Final = librdkafka.Message.key_len.offset
_OFFSET: Final = librdkafka.Message.offset.offset
_INT32: Final = 0xFFFFFFFF


class Functions(NamedTuple):
    """Addresses."""

    message_timestamp: int
    message_headers: int
    header_get_all: int
    message_destroy: int


FUNCTIONS: Final = Functions(*(librdkafka.address_of(name) for name in Functions._fields))


class Strings(NamedTuple):
    """A `ByteColumn` that is being filled."""

    text: UInt8Array
    bounds: Int64Array
    is_null: UInt8Array


class Columns(NamedTuple):
    partitions: Int32Array
    offsets: Int64Array
    timestamps_ms: Int64Array
    values: Strings
    keys: Strings
    headers: Strings
    """Packed, see `consumer.record_columns.Originals`."""


def compile_kernels() -> None:
    """Compile the kernels, or load them from the cache, so that the first batch isn't slow."""
    nothing = np.zeros(0, np.int64)
    error_rows(nothing)
    record_batch("", nothing)
    destroy(nothing)


def record_batch(topic: str, messages: Int64Array) -> RecordBatch:
    """Columns of the messages at these addresses, none of which is an error."""
    n = len(messages)
    n_bytes = _measure(messages, FUNCTIONS)
    columns = Columns(
        np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int64), *(_strings(n, size) for size in n_bytes)
    )
    _copy(messages, FUNCTIONS, columns)
    return batch_of(topic, columns.partitions, columns.offsets, columns.timestamps_ms, *map(_column, columns[3:]))


def error_rows(messages: Int64Array) -> list[int]:
    """Those that are no records."""
    found: list[int] = np.flatnonzero(_errors(messages)).tolist()
    return found


def destroy(messages: Int64Array) -> None:
    """Give the messages back; their addresses are of no more use."""
    _destroy(messages, FUNCTIONS)


def _strings(n: int, n_bytes: int) -> Strings:
    return Strings(np.zeros(n_bytes + PADDING, np.uint8), np.zeros(n + 1, np.int64), np.zeros(n, np.uint8))


def _column(strings: Strings) -> ByteColumn:
    return ByteColumn(*strings)


@hot_kernel
def _name_length(address: int) -> int:
    n = 0
    while load_uint8(address + n) != 0:
        n += 1
    return n


@hot_kernel
def _headers_of(message: int, functions: Functions, found: Int64Array) -> int:
    """Address of the message's headers, 0 if it has none. librdkafka parses them once and keeps them."""
    code = call_c(functions.message_headers, (message, found.ctypes.data))
    return int(found[0]) if code & _INT32 == 0 else 0


@hot_kernel
def _header(headers: int, k: int, functions: Functions, found: Int64Array) -> bool:
    """Whether there is a k-th header; found: addresses of its name and value, and the value's length."""
    at = found.ctypes.data
    return call_c(functions.header_get_all, (headers, k, at, at + 8, at + 16)) & _INT32 == 0


@hot_kernel
def _write_length(text: UInt8Array, at: int, length: int) -> int:
    for k in range(4):
        text[at + k] = (length >> (8 * k)) & 0xFF
    return at + 4


@hot_kernel
def _write(strings: Strings, i: int, address: int, n_bytes: int) -> None:
    start = strings.bounds[i]
    strings.bounds[i + 1] = start
    if address == 0:
        strings.is_null[i] = 1
    else:
        copy_bytes(strings.text, start, address, n_bytes)
        strings.bounds[i + 1] = start + n_bytes


@hot_kernel
def _write_headers(strings: Strings, i: int, headers: int, functions: Functions, found: Int64Array) -> None:
    at = int(strings.bounds[i])
    k = 0
    while headers != 0 and _header(headers, k, functions, found):
        n_name = _name_length(found[0])
        at = _write_length(strings.text, at, n_name)
        copy_bytes(strings.text, at, found[0], n_name)
        at = _write_length(strings.text, at + n_name, found[2] if found[1] != 0 else NULL_LENGTH)
        if found[1] != 0:
            copy_bytes(strings.text, at, found[1], found[2])
            at += found[2]
        k += 1
    strings.bounds[i + 1] = at


@kernel
def _errors(messages: Int64Array) -> UInt8Array:
    found = np.zeros(len(messages), np.uint8)
    for i in range(len(messages)):
        found[i] = load_int32(messages[i] + _ERR) != 0
    return found


@kernel
def _measure(messages: Int64Array, functions: Functions) -> tuple[int, int, int]:
    """Bytes of all values, of all keys, and of all headers once packed."""
    found = np.zeros(3, np.int64)
    n_values = n_keys = n_headers = 0
    for i in range(len(messages)):
        n_values += load_int64(messages[i] + _LEN)
        n_keys += load_int64(messages[i] + _KEY_LEN)
        headers = _headers_of(messages[i], functions, found)
        k = 0
        while headers != 0 and _header(headers, k, functions, found):
            n_headers += 8 + _name_length(found[0]) + (found[2] if found[1] != 0 else 0)
            k += 1
    return n_values, n_keys, n_headers


@kernel
def _copy(messages: Int64Array, functions: Functions, columns: Columns) -> None:
    found = np.zeros(3, np.int64)
    for i in range(len(messages)):
        message = messages[i]
        columns.partitions[i] = load_int32(message + _PARTITION)
        columns.offsets[i] = load_int64(message + _OFFSET)
        columns.timestamps_ms[i] = call_c(functions.message_timestamp, (message, found.ctypes.data))
        _write(columns.values, i, load_int64(message + _PAYLOAD), load_int64(message + _LEN))
        _write(columns.keys, i, load_int64(message + _KEY), load_int64(message + _KEY_LEN))
        _write_headers(columns.headers, i, _headers_of(message, functions, found), functions, found)


@kernel
def _destroy(messages: Int64Array, functions: Functions) -> None:
    for i in range(len(messages)):
        call_c(functions.message_destroy, (messages[i],))
