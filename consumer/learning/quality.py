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
MEMBERS = ("ensemble", "item_to_item", "repeat", "popularity", "session_knn", "linear", "neural")
OFF = 255
"""In place of a rank: the member was not asked."""


class QualityArrays(NamedTuple):
    ranks: UInt8Array  # (WINDOW, members) place of the next item, 1 … CUTOFF; 0: further down or not listed; OFF
    n_samples: Int64Array  # (1,) samples so far; the next one goes to n mod WINDOW


def allocate() -> QualityArrays:
    return QualityArrays(np.zeros((WINDOW, len(MEMBERS)), np.uint8), np.zeros(1, np.int64))


@kernel
def record(
    quality: QualityArrays,
    ensemble: int,
    item_to_item: int,
    repeat: int,
    popularity: int,
    session_knn: int,
    linear: int,
    neural: int,
) -> None:
    """Keep one sample's places (0: not listed, OFF: not asked)."""
    place = quality.n_samples[0] % WINDOW
    ranks = (ensemble, item_to_item, repeat, popularity, session_knn, linear, neural)
    for member in range(len(ranks)):
        is_told = ranks[member] <= CUTOFF or ranks[member] == OFF
        quality.ranks[place, member] = ranks[member] if is_told else 0
    quality.n_samples[0] += 1


def summary(quality: QualityArrays) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Hit ratio and mean reciprocal rank, both at CUTOFF, by member over the samples in the window for which it was
    asked; a member that was not asked is left out."""
    ranks = quality.ranks[: min(int(quality.n_samples[0]), WINDOW)]
    hit_ratio, mrr = {}, {}
    for name, of_member in zip(MEMBERS, ranks.T, strict=True):
        told = of_member[of_member != OFF].astype(np.float64)
        if len(told):
            hits = told > 0
            hit_ratio[name] = float(hits.mean())
            mrr[name] = float(np.divide(1.0, told, out=np.zeros_like(told), where=hits).mean())
    return hit_ratio, mrr
