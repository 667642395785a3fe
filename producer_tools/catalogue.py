"""A catalogue of items with Zipf-like demand whose items belong to clusters and have neighbours there.

Items are numbered by demand: item 0 is the most wanted. Item i belongs to cluster i mod n_clusters and stands there at
place i div n_clusters, so every cluster holds popular and rare items.
"""

from __future__ import annotations

import numpy as np

from producer_tools.records import Int64Array

CLUSTER_SIZE = 50
_FLATTENED_HEAD = 3.0  # Zipf-Mandelbrot: the demand for rank r (from 0) is 1 / (r + 3)
_STEPS = np.array([1, 2, 3], dtype=np.int64)
_STEP_CDF = np.array([0.6, 0.9, 1.0])
_BEST_SELLER_SHARE = 0.35
_BEST_SELLER_SKEW = 4.0


class Catalogue:
    """Draws items; each draw of n values takes a fixed number of random numbers from the generator."""

    def __init__(self, n_items: int) -> None:
        self.n_clusters = max(1, -(-n_items // CLUSTER_SIZE))
        self._n_items = n_items
        demand = 1.0 / (np.arange(n_items, dtype=np.float64) + _FLATTENED_HEAD)
        self._cdf = np.cumsum(demand) / demand.sum()

    def cluster(self, items: Int64Array) -> Int64Array:
        """(n,) items → (n,) clusters."""
        return items % self.n_clusters

    def any_items(self, rng: np.random.Generator, n: int) -> Int64Array:
        """(n,) items drawn by demand."""
        drawn = np.searchsorted(self._cdf, rng.random(n), side="right")
        items: Int64Array = np.minimum(drawn, self._n_items - 1)
        return items

    def neighbours(self, rng: np.random.Generator, items: Int64Array) -> Int64Array:
        """(n,) items → (n,) items of the same clusters: mostly the next one to three places on, else a best seller."""
        cluster = self.cluster(items)
        place = items // self.n_clusters
        size = (self._n_items - cluster + self.n_clusters - 1) // self.n_clusters
        step = _STEPS[np.searchsorted(_STEP_CDF, rng.random(len(items)), side="right")]
        best = (size * rng.random(len(items)) ** _BEST_SELLER_SKEW).astype(np.int64)
        to_best = rng.random(len(items)) < _BEST_SELLER_SHARE
        items_there: Int64Array = cluster + self.n_clusters * np.where(to_best, best, (place + step) % size)
        return items_there
