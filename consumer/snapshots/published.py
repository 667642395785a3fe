"""What readers hold of this model: per item row what was last published, and keys that are no longer in the state.

A key that is published but not in the state ("departed") gets a tombstone, unless the item comes back first. The
checksum of all published rows is carried along, so that every version can prove itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models.recommend import Readable
from consumer.models.state import ModelState
from consumer.settings import Models
from consumer.snapshots.formats import MODULUS
from consumer.snapshots.published_lists import PublishedLists
from consumer.snapshots.published_vectors import PublishedVectors
from consumer.tables import Table

MIN_CAPACITY = 1_024


@dataclass(frozen=True, slots=True)
class RowHashes:
    """Hashes of a key's published rows; 0: no row in that topic."""

    score: int = 0
    related: int = 0
    vector: int = 0


class RowKind(StrEnum):
    """By the topic that it lies in."""

    SCORE = "score"
    RELATED = "related"
    VECTOR = "vector"


class PublishedRows:
    """Row-aligned with the items of a `ModelState`; belongs to every checkpoint.

    `lists` has what readers would recommend from, where `neighbours` says how wide the related rows are; `vectors` what
    they hold of the network, where `dimensions` says how long its vectors are.
    """

    def __init__(self, neighbours: int = 0, dimensions: int = 0) -> None:
        self.departed: dict[bytes, RowHashes] = {}
        self.checksum = 0
        self.lists = PublishedLists(MIN_CAPACITY, neighbours)
        self.vectors = PublishedVectors(MIN_CAPACITY, dimensions)
        self._allocate(MIN_CAPACITY)

    @classmethod
    def of(cls, models: Models) -> PublishedRows:
        """For a model with these members."""
        return cls(models.item_to_item.neighbours, models.neural.dimensions if models.neural.enabled else 0)

    def _allocate(self, capacity: int) -> None:
        self.score: Float64Array = np.full(capacity, np.nan)
        self.score_hash: UInt64Array = np.zeros(capacity, np.uint64)
        self.related_hash: UInt64Array = np.zeros(capacity, np.uint64)
        self.score_waits_since: Int64Array = np.zeros(capacity, np.int64)  # version; 0: doesn't wait
        self.related_waits_since: Int64Array = np.zeros(capacity, np.int64)
        self.reference: Float64Array = np.zeros(capacity)  # score when the gate's window began
        self.dirty: UInt8Array = np.zeros(capacity, np.uint8)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "score": self.score,
            "score_hash": self.score_hash,
            "related_hash": self.related_hash,
            "score_waits_since": self.score_waits_since,
            "related_waits_since": self.related_waits_since,
            "reference": self.reference,
            **self.lists.arrays(),
            **self.vectors.arrays(),
        }

    def fit(self, n_rows: int) -> None:
        """Room for so many item rows."""
        capacity = len(self.score)
        if n_rows <= capacity:
            return
        while capacity < n_rows:
            capacity *= 2
        old, dirty = self._arrays(), self.dirty
        self._allocate(capacity)
        self.lists.fit(capacity)
        self.vectors.fit(capacity)
        for name, array in self._arrays().items():
            array[: len(old[name])] = old[name]
        self.dirty[: len(dirty)] = dirty

    def depart(self, model: ModelState, rows: Int32Array) -> None:
        """These item rows have been evicted (their ids are still known); repeating a row does nothing."""
        for row in rows[rows < len(self.score)].tolist():
            hashes = RowHashes(int(self.score_hash[row]), int(self.related_hash[row]), self.vectors.hash_of(row))
            if hashes != RowHashes():
                self.departed[model.item_id(row)] = hashes
            self._clear(row)

    def _clear(self, row: int) -> None:
        self.score[row] = np.nan
        self.score_hash[row] = self.related_hash[row] = 0
        self.score_waits_since[row] = self.related_waits_since[row] = 0
        self.reference[row] = 0.0
        self.lists.clear(row)
        self.vectors.clear(row)
        self.dirty[row] = 1

    def take_back(self, key: bytes, row: int) -> None:
        """A departed key is live again in this row; it is published anew, for nobody knows how it stands."""
        hashes = self.departed.pop(key)
        self.fit(row + 1)
        self._clear(row)
        self.score_hash[row] = hashes.score
        self.related_hash[row] = hashes.related
        self.vectors.clear(row, hashes.vector)

    def replace_scores(self, rows: Int64Array, scores: Float64Array, hashes: UInt64Array) -> None:
        """Score rows were committed."""
        self._replace_hashes(self.score_hash, rows, hashes)
        self.score[rows] = scores
        self.score_waits_since[rows] = 0

    def replace_related(self, rows: Int64Array, hashes: UInt64Array) -> None:
        """Related rows were committed."""
        self._replace_hashes(self.related_hash, rows, hashes)
        self.related_waits_since[rows] = 0

    def _replace_hashes(self, held: UInt64Array, rows: Int64Array, hashes: UInt64Array) -> None:
        # Sums of uint64 wrap around, as the checksum does.
        self.checksum = (self.checksum - int(held[rows].sum()) + int(hashes.sum())) % MODULUS
        held[rows] = hashes
        self.dirty[rows] = 1

    def begin_window(self) -> None:
        """From here on the gate holds movement of scores against what is published now."""
        self.reference[:] = np.nan_to_num(self.score, nan=0.0)
        self.dirty[:] = 1

    def take_lists(self, model: ModelState, rows: Int64Array) -> None:
        """These related rows were committed as the model has them now, and with them its tables."""
        self._follow_landmark(model)
        self.lists.take(model, rows)

    def readable(self, model: ModelState) -> Readable:
        """What readers would recommend from, to be asked beside the live model."""
        self.fit(len(model.items.is_live))
        self._follow_landmark(model)
        return self.lists.readable(self.score)

    def _follow_landmark(self, model: ModelState) -> None:
        if self.lists.follow_landmark(model.item_to_item):
            self.dirty[:] = 1

    def forget(self, key: bytes) -> None:
        """Tombstones for a departed key were committed."""
        self._change(self.departed.pop(key), RowHashes())

    def clear(self) -> None:
        """Nothing is known to be published."""
        self.departed = {}
        self.checksum = 0
        self._allocate(len(self.score))
        self.lists.clear_all()
        self.vectors.clear_all()
        self.dirty[:] = 1

    def clear_vectors(self) -> None:
        """Nothing is known of the topic of vectors."""
        self.vectors.clear_all()
        self.departed = {key: replace(hashes, vector=0) for key, hashes in self.departed.items()}
        self.dirty[:] = 1

    def note(self, key: bytes, row: int, new_hash: int, kind: RowKind) -> None:
        """A row found in a topic (new_hash 0: a tombstone). `row`: the key's item row, -1 if it isn't in the state.

        The item is published anew when publishing resumes, or gets its tombstone.
        """
        if row >= 0:
            self._note_live(key, row, new_hash, kind)
            return
        before = self.departed.get(key, RowHashes())
        after = replace(before, **{kind: new_hash})
        self._change(before, after)
        if after == RowHashes():
            self.departed.pop(key, None)
        else:
            self.departed[key] = after

    def _change(self, before: RowHashes, after: RowHashes) -> None:
        """Of a departed key."""
        self.checksum = (self.checksum - before.score - before.related + after.score + after.related) % MODULUS
        self.vectors.add_to_checksum(after.vector - before.vector)

    def _note_live(self, key: bytes, row: int, new_hash: int, kind: RowKind) -> None:
        self.fit(row + 1)
        if key in self.departed:
            self.take_back(key, row)
        rows, hashes = np.array([row], np.int64), np.array([new_hash], np.uint64)
        if kind is RowKind.SCORE:
            self.replace_scores(rows, np.array([np.nan]), hashes)
        elif kind is RowKind.RELATED:
            self.replace_related(rows, hashes)
        else:
            self.vectors.note(row, new_hash)
            self.dirty[row] = 1

    def table(self, n_rows: int) -> Table:
        """For checkpoints."""
        self.fit(n_rows)
        return Table(self._arrays(), self.dirty, n_rows)

    def small(self) -> Mapping[str, NDArray[np.generic]]:
        """The departed keys and the checksum, for checkpoints."""
        keys = list(self.departed)
        return {
            "departed.text": np.frombuffer(b"".join(keys), np.uint8),
            "departed.length": np.array([len(key) for key in keys], np.int32),
            "departed.hashes": np.array(
                [(h.score, h.related, h.vector) for h in self.departed.values()], np.uint64
            ).reshape(-1, 3),
            "published.checksum": np.array([self.checksum], np.uint64),
            **{f"published.lists.{name}": array for name, array in self.lists.small().items()},
            **{f"published.vectors.{name}": array for name, array in self.vectors.small().items()},
        }  # fmt: skip

    def restore(self, arrays: Mapping[str, NDArray[np.generic]], small: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over the state of a checkpoint."""
        self.clear()
        self.fit(len(arrays["score"]))
        for name, array in self._arrays().items():
            array[: len(arrays[name])] = arrays[name]
        ends = np.cumsum(small["departed.length"])
        text = small["departed.text"].tobytes()
        self.departed = {
            text[end - length : end]: RowHashes(*map(int, hashes))
            for end, length, hashes in zip(
                ends.tolist(), small["departed.length"].tolist(), small["departed.hashes"], strict=True
            )
        }
        self.checksum = int(small["published.checksum"][0])
        for name, array in self.lists.small().items():
            array[...] = small[f"published.lists.{name}"]
        if self.vectors.is_kept:
            self.vectors.restore_small(small["published.vectors.sums"])
