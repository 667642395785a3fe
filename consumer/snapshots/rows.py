"""Published rows as columns: decoded, hashed, and with row numbers for ids, ready to be put into a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from consumer.errors import Fatal
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt64Array
from consumer.snapshots.formats import RelatedRow, ScoreRow, row_hash, seconds_of
from consumer.unreadable_json import UNREADABLE_JSON

Float32Array = NDArray[np.float32]

MAX_RELATED = 1_000
"""Most entries that the settings let a worker publish (`publish.related`); all rows take the room of the longest."""

_decode_score = msgspec.json.Decoder(ScoreRow).decode
_decode_related = msgspec.json.Decoder(RelatedRow).decode


class Numbering:
    """Row numbers of ids, in order of first sight. Numbers are only ever added."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._row_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, item: str) -> int:
        """Its row, or -1."""
        return self._row_of.get(item, -1)

    def row(self, item: str) -> int:
        """Its row, a new one if need be."""
        row = self._row_of.setdefault(item, len(self.ids))
        if row == len(self.ids):
            self.ids.append(item)
        return row


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    rows: Int64Array  # (n,) distinct
    scores: Float64Array  # (n,) NaN: deleted
    hashes: UInt64Array  # (n,) 0: deleted


@dataclass(frozen=True, slots=True)
class RelatedColumns:
    """Entry e of row i stands at `neighbour[i, e]`, best first; weights and mass in units of an event at `as_of_ms`."""

    rows: Int64Array  # (n,) distinct
    hashes: UInt64Array  # (n,) 0: deleted
    sizes: Int32Array  # (n,)
    neighbour: Int32Array  # (n, longest row), -1 behind the end
    weight: Float64Array  # (n, longest row), 0 behind the end
    mass: Float64Array  # (n,)
    as_of_ms: Float64Array  # (n,)


def score_columns(topic: str, values: Mapping[bytes, bytes | None], numbering: Numbering) -> ScoreColumns:
    """Raises Fatal for a row that cannot be read."""
    n = len(values)
    rows, scores, hashes = np.empty(n, np.int64), np.full(n, np.nan), np.zeros(n, np.uint64)
    for i, (key, value) in enumerate(values.items()):
        rows[i] = numbering.row(id_of(topic, key))
        if value is not None:
            try:
                scores[i] = _decode_score(value).score
            except UNREADABLE_JSON as error:
                raise _unreadable(topic, key, error) from error
            hashes[i] = row_hash(topic, key, value)
    return ScoreColumns(rows, scores, hashes)


def related_columns(topic: str, values: Mapping[bytes, bytes | None], numbering: Numbering) -> RelatedColumns:
    """Raises Fatal for a row that cannot be read."""
    n = len(values)
    rows, hashes, sizes = np.empty(n, np.int64), np.zeros(n, np.uint64), np.zeros(n, np.int32)
    mass, as_of_ms = np.zeros(n), np.zeros(n)
    neighbours: list[int] = []
    weights: list[float] = []
    times: dict[str, float] = {}
    row_of = numbering.row
    for i, (key, value) in enumerate(values.items()):
        rows[i] = row_of(id_of(topic, key))
        if value is None:
            continue
        try:
            row = _decode_related(value)
            if len(row.related) > MAX_RELATED:
                raise ValueError(f"{len(row.related)} entries, more than {MAX_RELATED}")
            if row.as_of not in times:
                times[row.as_of] = seconds_of(row.as_of) * 1000.0
        except (*UNREADABLE_JSON, ValueError, OverflowError) as error:
            raise _unreadable(topic, key, error) from error
        hashes[i] = row_hash(topic, key, value)
        sizes[i] = len(row.related)
        mass[i] = row.mass
        as_of_ms[i] = times[row.as_of]
        for item, weight in row.related:
            neighbours.append(row_of(item))
            weights.append(weight)
    width = int(sizes.max(initial=0))
    is_entry = np.arange(width) < sizes[:, None]
    neighbour, weight_columns = np.full((n, width), -1, np.int32), np.zeros((n, width))
    neighbour[is_entry] = neighbours
    weight_columns[is_entry] = weights
    return RelatedColumns(rows, hashes, sizes, neighbour, weight_columns, mass, as_of_ms)


def id_of(topic: str, key: bytes) -> str:
    """Raises Fatal where the key is no text."""
    try:
        return key.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(topic, key, error) from error


def _unreadable(topic: str, key: bytes, error: Exception) -> Fatal:
    return Fatal(
        f"row {key.decode(errors='replace')!r} of {topic} cannot be read: {error}; does anything else than a freshrank "
        "worker write to this topic?"
    )
