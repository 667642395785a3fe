"""Id hashes: published vectors, nothing read outside the id, coordinates in place of an id."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events.hashing import (
    Hash,
    coordinates_as_bytes,
    hash_128,
    hash_coordinates,
    hash_each,
    hash_text,
    seeded_hash_128,
)
from consumer.messages import UInt8Array


def as_pair(digest: Hash) -> tuple[int, int]:
    return int(digest[0]), int(digest[1])


def writable(content: bytes) -> UInt8Array:
    return np.frombuffer(bytearray(content), dtype=np.uint8)


@pytest.mark.parametrize(
    ("text", "digest"),
    [
        (b"", "00000000000000000000000000000000"),
        (b"hello", "cbd8a7b341bd9b025b1e906a48ae1d19"),
        (b"The quick brown fox jumps over the lazy dog", "e34bbc7bbc071b6c7a433ca9c49a9347"),
    ],
)
def test_the_hash_is_murmur3_with_seed_0(text: bytes, digest: str) -> None:
    first, second = hash_text(text)
    assert f"{first:016x}{second:016x}" == digest


def test_the_hash_passes_the_verification_of_its_authors_test_suite() -> None:
    """SMHasher: keys 0, 0 1, 0 1 2 … with seeds 256, 255, 254 …; hash of all hashes with seed 0; first four bytes."""
    keys = writable(bytes(range(256)))
    hashes = b"".join(struct.pack("<QQ", *seeded_hash_128(keys, 0, n, 256 - n)) for n in range(256))
    first, _ = seeded_hash_128(writable(hashes), 0, len(hashes), 0)
    assert int(first) & 0xFFFFFFFF == 0x6384BA69


@given(before=st.binary(max_size=20), text=st.binary(max_size=70), behind=st.binary(max_size=20))
def test_the_hash_is_of_the_ids_own_bytes_wherever_they_lie(before: bytes, text: bytes, behind: bytes) -> None:
    assert as_pair(hash_128(writable(before + text + behind), len(before), len(text))) == hash_text(text)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_many_ids_hash_as_each_alone(texts: list[bytes]) -> None:
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    hashes = np.zeros((len(texts), 2), dtype=np.uint64)
    hash_each(writable(b"".join(texts)), np.cumsum(lengths) - lengths, lengths, hashes)
    assert [(int(a), int(b)) for a, b in hashes] == [hash_text(text) for text in texts]


@given(
    topic_hash=st.integers(0, 2**64 - 1), partition=st.integers(0, 2**31 - 1), offset=st.integers(-(2**63), 2**63 - 1)
)
def test_coordinates_hash_as_bytes_that_no_id_can_have(topic_hash: int, partition: int, offset: int) -> None:
    as_bytes = coordinates_as_bytes(topic_hash, partition, offset)
    assert as_pair(hash_coordinates(np.uint64(topic_hash), partition, offset)) == hash_text(as_bytes)
    with pytest.raises(UnicodeDecodeError):
        as_bytes.decode()
