"""Features as sparse rows, and named features hashed into them.

A number becomes the feature of its name; a text becomes the feature "name=text" with value 1. The hash of that gives
its index and its sign (Weinberger et al. 2009, "Feature hashing for large scale multitask learning"): with random signs
features that share an index disturb each other without bias. What shares one within a row is added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from consumer.events.hashing import hash_text
from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array

MAX_HASHED = 1 << 30

Features = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows of features, most of them zero: entries start[r] … start[r + 1] belong to row r, each index once a row."""

    start: Int64Array  # (n + 1,) rising, from 0
    index: Int32Array  # (any,)
    value: Float64Array  # (any,)

    def __len__(self) -> int:
        return len(self.start) - 1

    @classmethod
    def of(cls, rows: Iterable[tuple[Sequence[int], Sequence[float]]]) -> SparseRows:
        """From pairs of indices and values."""
        listed = [(np.asarray(index, np.int32), np.asarray(value, np.float64)) for index, value in rows]
        for r, (index, value) in enumerate(listed):
            if len(index) != len(value):
                raise ValueError(f"row {r} has {len(index)} indices and {len(value)} values; they belong in pairs")
        lengths = [len(index) for index, _ in listed]
        return cls(
            np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
            np.concatenate([index for index, _ in listed] or [np.zeros(0, np.int32)]),
            np.concatenate([value for _, value in listed] or [np.zeros(0)]),
        )


@hot_kernel
def index_of(key: np.uint64, n_features: int) -> int:
    """Index of the feature with this 64-bit hash."""
    return int((key >> np.uint64(1)) % np.uint64(n_features))


@hot_kernel
def sign_of(key: np.uint64) -> float:
    """+1 or −1, independent of the index."""
    return 1.0 if key & np.uint64(1) else -1.0


def feature_key(name: str, value: float | str) -> np.uint64:
    """64-bit hash of a named feature: of its name, and of its text if it is one."""
    text = f"{name}={value}" if isinstance(value, str) else name
    return np.uint64(hash_text(text.encode())[0])


def hashed(rows: Iterable[Features], n_features: int) -> SparseRows:
    """Named features of many rows. Raises ValueError for a number that is not finite."""
    if not 1 <= n_features <= MAX_HASHED:
        raise ValueError(f"n_features is {n_features}; it must lie between 1 and {MAX_HASHED}")
    return SparseRows.of(_hashed_row(r, features, n_features) for r, features in enumerate(rows))


def _hashed_row(row: int, features: Features, n_features: int) -> tuple[list[int], list[float]]:
    totals: dict[int, float] = {}
    for name, value in features.items():
        amount = 1.0 if isinstance(value, str) else float(value)
        if not math.isfinite(amount):
            raise ValueError(f"row {row}: feature {name!r} is {amount}; leave it out where it isn't known")
        key = feature_key(name, value)
        index = index_of(key, n_features)
        totals[index] = totals.get(index, 0.0) + sign_of(key) * amount
    return list(totals), list(totals.values())
