"""128-bit hashes of ids: MurmurHash3, x64, 128 bit (Austin Appleby, 2011, public domain), with seed 0.

Ids are compared by these 128 bits alone. The hash is not keyed: who can choose ids freely can make two of them collide,
which mixes up those two ids and nothing else.

Inside kernels every operand is a `uint64`: numba turns `uint64` with `int64` into `float64`.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Int64Array, UInt8Array, UInt64Array

Hash: TypeAlias = tuple[np.uint64, np.uint64]

_C1 = np.uint64(0x87C37B91114253D5)
_C2 = np.uint64(0x4CF5AD432745937F)
_ADD_1 = np.uint64(0x52DCE729)
_ADD_2 = np.uint64(0x38495AB5)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_NO_TEXT = np.uint64(0xFFFFFFFFFFFFFFFF)
_FIVE = np.uint64(5)


@hot_kernel
def load_64(text: UInt8Array, at: int) -> np.uint64:
    """The eight bytes from `at` on, the first one lowest; the caller has made sure that they exist."""
    p = np.uint64(at)  # an unsigned index needs no check for "negative counts from the end": one load, not eight
    return (
        np.uint64(text[p])
        | np.uint64(text[p + np.uint64(1)]) << np.uint64(8)
        | np.uint64(text[p + np.uint64(2)]) << np.uint64(16)
        | np.uint64(text[p + np.uint64(3)]) << np.uint64(24)
        | np.uint64(text[p + np.uint64(4)]) << np.uint64(32)
        | np.uint64(text[p + np.uint64(5)]) << np.uint64(40)
        | np.uint64(text[p + np.uint64(6)]) << np.uint64(48)
        | np.uint64(text[p + np.uint64(7)]) << np.uint64(56)
    )


@hot_kernel
def _load_short(text: UInt8Array, at: int, length: int) -> np.uint64:
    """Fewer than eight bytes from `at` on, as `load_64` would give them if zeros followed."""
    word = np.uint64(0)
    for i in range(length):
        word |= np.uint64(text[at + i]) << np.uint64(8 * i)
    return word


@hot_kernel
def _load_last(text: UInt8Array, end: int, count: int, length: int) -> np.uint64:
    """The last `count` (1 … 8) of the `length` bytes before `end`, as a word; reads nothing outside them."""
    if length >= 8:
        return load_64(text, end - 8) >> np.uint64(8 * (8 - count))
    return _load_short(text, end - count, count)


@hot_kernel
def _rotated(x: np.uint64, bits: int) -> np.uint64:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@hot_kernel
def _first_mixed(k: np.uint64) -> np.uint64:
    return _rotated(k * _C1, 31) * _C2


@hot_kernel
def _second_mixed(k: np.uint64) -> np.uint64:
    return _rotated(k * _C2, 33) * _C1


@hot_kernel
def _block(h1: np.uint64, h2: np.uint64, k1: np.uint64, k2: np.uint64) -> Hash:
    """The state after sixteen more bytes, k1 and k2."""
    h1 = (_rotated(h1 ^ _first_mixed(k1), 27) + h2) * _FIVE + _ADD_1
    h2 = (_rotated(h2 ^ _second_mixed(k2), 31) + h1) * _FIVE + _ADD_2
    return h1, h2


@hot_kernel
def _avalanched(k: np.uint64) -> np.uint64:
    k = (k ^ (k >> np.uint64(33))) * _MIX_1
    k = (k ^ (k >> np.uint64(33))) * _MIX_2
    return k ^ (k >> np.uint64(33))


@hot_kernel
def _finished(h1: np.uint64, h2: np.uint64, length: int) -> Hash:
    h1 ^= np.uint64(length)
    h2 ^= np.uint64(length)
    h1 += h2
    h2 += h1
    h1 = _avalanched(h1)
    h2 = _avalanched(h2)
    h1 += h2
    h2 += h1
    return h1, h2


@hot_kernel
def seeded_hash_128(text: UInt8Array, start: int, length: int, seed: int) -> Hash:
    """MurmurHash3_x64_128 of `length` bytes from `start` on; `seed` as a 32-bit number."""
    h1 = np.uint64(seed)
    h2 = np.uint64(seed)
    end = start + length
    at = start
    while end - at >= 16:
        h1, h2 = _block(h1, h2, load_64(text, at), load_64(text, at + 8))
        at += 16
    rest = end - at
    if rest > 8:
        h2 ^= _second_mixed(_load_last(text, end, rest - 8, length))
        h1 ^= _first_mixed(load_64(text, at))
    elif rest > 0:
        h1 ^= _first_mixed(_load_last(text, end, rest, length))
    return _finished(h1, h2, length)


@hot_kernel
def hash_128(text: UInt8Array, start: int, length: int) -> Hash:
    """The hash of the id that lies in `text` from `start` on. Reads nothing outside its `length` bytes."""
    return seeded_hash_128(text, start, length, 0)


@hot_kernel
def hash_32(text: UInt8Array, start: int, length: int) -> np.uint32:
    """32 bits of the hash, never 0: for what is told apart and never published, such as names of features."""
    return np.uint32(max(hash_128(text, start, length)[0] >> np.uint64(32), np.uint64(1)))


@hot_kernel
def hash_coordinates(topic_hash: np.uint64, partition: int, offset: int) -> Hash:
    """What stands for the id of an event that has none; the same whenever the record is read again.

    It is `hash_128` of four little-endian words: topic hash, partition, offset, and one of eight 0xFF bytes, which no
    text in UTF-8 contains, so that it is never the hash of an id.
    """
    h1, h2 = _block(np.uint64(0), np.uint64(0), np.uint64(topic_hash), np.uint64(partition))
    h1, h2 = _block(h1, h2, np.uint64(offset), _NO_TEXT)
    return _finished(h1, h2, 32)


@hot_kernel
def hash_each(text: UInt8Array, begins: Int64Array, lengths: Int64Array, hashes: UInt64Array) -> None:
    """Hashes of many ids that lie in `text`, into `hashes` (n, 2)."""
    for i in range(len(begins)):
        hashes[i, 0], hashes[i, 1] = hash_128(text, begins[i], lengths[i])


def hash_text(text: bytes) -> tuple[int, int]:
    """The two halves of the hash of an id given as UTF-8."""
    # a bytearray gives a writable array, the type for which the kernels are compiled already
    first, second = hash_128(np.frombuffer(bytearray(text), dtype=np.uint8), 0, len(text))
    return int(first), int(second)


def hash_text_32(text: bytes) -> int:
    """`hash_32` of a text given as UTF-8."""
    return max(hash_text(text)[0] >> 32, 1)


def hash_topic(topic: str) -> int:
    """The 64 bits that stand for a topic in `hash_coordinates` and in samples."""
    return hash_text(topic.encode())[0]


def coordinates_as_bytes(topic_hash: int, partition: int, offset: int) -> bytes:
    """What `hash_coordinates` hashes."""
    return struct.pack("<QqqQ", topic_hash, partition, offset, int(_NO_TEXT))
