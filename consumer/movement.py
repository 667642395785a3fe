"""How much a version moves what readers hold."""

from __future__ import annotations

import numpy as np

from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import Version


def moved_share(version: Version, published: PublishedRows) -> float:
    """Share of expected interactions that the version gives to items which did not have it: Σ max(0, new − published).

    To be asked between cutting the version and publishing it. An item without a published row gains all it gets; one
    whose published score is not known (it was read back from the topic) counts for nothing.
    """
    rows = version.scores.rows
    before, is_known = published.score[rows], published.score_hash[rows] != 0
    gained = version.score_values - np.where(is_known, before, 0.0)
    return float(np.nansum(np.maximum(gained, 0.0)))
