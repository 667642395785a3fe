"""Prequential (test-then-train) quality: where the item that followed stood in each list, on sampled events.

The last WINDOW samples are kept; a sample is an event of a user with a history, on another item than his last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from consumer.kernels import kernel
from consumer.messages import Int64Array, UInt8Array

WINDOW = 2_000
CUTOFF = 20
MEMBERS = ("ensemble", "item_to_item", "repeat", "popularity")


class QualityArrays(NamedTuple):
    ranks: UInt8Array  # (WINDOW, members) place of the next item, 1 … CUTOFF; 0: further down or not listed
    n_samples: Int64Array  # (1,) samples so far; the next one goes to n mod WINDOW


def allocate() -> QualityArrays:
    return QualityArrays(np.zeros((WINDOW, len(MEMBERS)), np.uint8), np.zeros(1, np.int64))


@kernel
def record(quality: QualityArrays, ensemble: int, item_to_item: int, repeat: int, popularity: int) -> None:
    """Keep one sample's places (0: not listed)."""
    place = quality.n_samples[0] % WINDOW
    quality.ranks[place, 0] = ensemble if ensemble <= CUTOFF else 0
    quality.ranks[place, 1] = item_to_item if item_to_item <= CUTOFF else 0
    quality.ranks[place, 2] = repeat if repeat <= CUTOFF else 0
    quality.ranks[place, 3] = popularity if popularity <= CUTOFF else 0
    quality.n_samples[0] += 1


def summary(quality: QualityArrays) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Hit ratio and mean reciprocal rank, both at CUTOFF, by member over the window; empty before the first sample."""
    n = min(int(quality.n_samples[0]), WINDOW)
    if n == 0:
        return {}, {}
    ranks = quality.ranks[:n].astype(np.float64)
    hits = ranks > 0
    reciprocal = np.divide(1.0, ranks, out=np.zeros_like(ranks), where=hits)
    return (
        dict(zip(MEMBERS, hits.mean(axis=0).tolist(), strict=True)),
        dict(zip(MEMBERS, reciprocal.mean(axis=0).tolist(), strict=True)),
    )
