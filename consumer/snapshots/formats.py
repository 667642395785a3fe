"""The bytes of the output topics: rows, manifests, writer records. DESIGN.md has the contract in words.

Scores and weights are written with nine and six significant digits; a published value is what the text says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from consumer.errors import Fatal
from consumer.messages import Float64Array, Positions, UInt64Array
from consumer.unreadable_json import UNREADABLE_JSON

MODULUS = 1 << 64


class ScoreRow(msgspec.Struct):
    """Value of `item-scores`: expected share of the audience's upcoming positive interactions."""

    score: float
    version: int
    updated_at: str


class RelatedRow(msgspec.Struct):
    """Value of `item-related`: evidence for other items around this one, best first, and the item's own count, both in
    units of one fresh event at `as_of`."""

    related: list[tuple[str, float]]
    mass: float
    as_of: str
    version: int


class RowCounts(msgspec.Struct, frozen=True):
    upserts: int = 0
    tombstones: int = 0


class Manifest(msgspec.Struct, kw_only=True):
    """Value of `score-manifests`: what makes a version whole."""

    version: int
    kind: str  # "full": nothing of an earlier version counts any more; else "delta"
    created_at: str
    watermark: str | None
    input_positions: dict[str, dict[str, int]]
    output_positions: dict[str, dict[str, int]]
    rows: dict[str, RowCounts]
    rows_waiting: dict[str, int]
    checksum: str  # sum of row hashes modulo 2^64, 16 hexadecimal digits
    discarded: list[Any]
    model: dict[str, Any]
    settings_digest: str
    writer: dict[str, Any]
    vectors: dict[str, Any] | UnsetType = UNSET
    """Where vectors are published: their `topic`, and the `checksum` of its rows."""


class WriterRecord(msgspec.Struct, frozen=True):
    """Says who writes for a model: the latest one counts. Key: `writer_key`."""

    model: str
    epoch: int
    instance: str
    at: str


def writer_key(model: str) -> bytes:
    """Key of a model's writer record, beside its manifest's key; "/" is in no model's name."""
    return f"{model}/writer".encode()


def timestamp(seconds: float) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float:
    """Inverse of `timestamp`."""
    return datetime.fromisoformat(text).timestamp()


def score_text(score: float) -> str:
    return f"{score:.9g}"


def score_value(score: str, version: int, updated_at: str) -> bytes:
    return f'{{"score":{score},"version":{version},"updated_at":"{updated_at}"}}'.encode()


def encode(value: Manifest | WriterRecord) -> bytes:
    return msgspec.json.encode(value)


def decode_manifest(key: bytes, value: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(value, type=Manifest)
        for positions in (manifest.input_positions, manifest.output_positions):
            positions_of(positions)  # are its partitions numbers?
        return manifest
    except (*UNREADABLE_JSON, ValueError) as error:
        raise Fatal(f"the manifest of {key.decode(errors='replace')} cannot be read: {error}") from error


def decode_writer(key: bytes, value: bytes) -> WriterRecord:
    try:
        return msgspec.json.decode(value, type=WriterRecord)
    except UNREADABLE_JSON as error:
        raise Fatal(f"the writer record {key.decode(errors='replace')} cannot be read: {error}") from error


def row_hash(topic: str, key: bytes, value: bytes) -> int:
    """First eight bytes, big-endian, of SHA-256 over topic, 0, key, 0, value.

    A version's checksum is the sum over all live rows of both row topics modulo 2^64, whatever their order.
    """
    digest = hashlib.sha256(b"\0".join((topic.encode(), key, value))).digest()
    return int.from_bytes(digest[:8], "big")


def row_hashes(topic: str, keys: Sequence[bytes], values: Sequence[bytes]) -> UInt64Array:
    """(n,) `row_hash` of many rows of one topic."""
    prefix, sha256 = topic.encode() + b"\0", hashlib.sha256
    digests = [sha256(b"%b%b\0%b" % (prefix, k, v)).digest()[:8] for k, v in zip(keys, values, strict=True)]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def checksum_text(checksum: int) -> str:
    return f"{checksum % MODULUS:016x}"


def rounded(values: Float64Array, digits: int) -> Float64Array:
    """Values with so many significant digits."""
    magnitude = np.zeros_like(values)
    positive = values > 0
    magnitude[positive] = np.floor(np.log10(values[positive]))
    scale = 10.0 ** (digits - 1 - magnitude)
    return np.asarray(np.round(values * scale) / scale)


def positions_text(positions: Mapping[str, Positions]) -> dict[str, dict[str, int]]:
    """Positions as a manifest carries them: JSON keys are strings."""
    return {topic: {str(p): at for p, at in sorted(by.items())} for topic, by in sorted(positions.items())}


def positions_of(text: Mapping[str, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    """Inverse of `positions_text`."""
    return {topic: {int(p): at for p, at in by.items()} for topic, by in text.items()}
