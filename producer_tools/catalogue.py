"""Roles in a catalogue: Zipf-like demand, clusters, and neighbours there.

Roles are numbered by demand: role 0 is the most wanted. Role i belongs to cluster i mod n_clusters and stands there at
place i div n_clusters, so every cluster holds popular and rare ones. Which item has which role is the assortment's.
"""

from __future__ import annotations

import numpy as np

from producer_tools.records import Float64Array, Int64Array

CLUSTER_SIZE = 50
_FLATTENED_HEAD = 3.0  # Zipf-Mandelbrot: the demand for rank r (from 0) is 1 / (r + 3)
STEP_CHANCES = (0.6, 0.3, 0.1)
"""Of the next one to three places, where a move goes on to one of them."""
_STEP_CDF = np.array([0.6, 0.9, 1.0])
BEST_SELLER_SHARE = 0.35
_BEST_SELLER_SKEW = 4.0


class Catalogue:
    """Draws roles; each draw of n values takes a fixed number of random numbers from the generator."""

    def __init__(self, n_items: int) -> None:
        self.n_clusters = max(1, -(-n_items // CLUSTER_SIZE))
        self.n_items = n_items
        demand = 1.0 / (np.arange(n_items, dtype=np.float64) + _FLATTENED_HEAD)
        self.demand: Float64Array = demand / demand.sum()
        self._cdf = np.cumsum(demand) / demand.sum()

    def cluster(self, roles: Int64Array) -> Int64Array:
        """(n,) roles → (n,) clusters."""
        return roles % self.n_clusters

    def place_and_size(self, roles: Int64Array) -> tuple[Int64Array, Int64Array]:
        """(n,) roles → (n,) places in their clusters, (n,) sizes of these."""
        size = (self.n_items - self.cluster(roles) + self.n_clusters - 1) // self.n_clusters
        return roles // self.n_clusters, size

    def at(self, cluster: Int64Array, place: Int64Array) -> Int64Array:
        """(n,) roles at these places of these clusters."""
        return cluster + self.n_clusters * place

    def by_demand(self, rng: np.random.Generator, n: int) -> Int64Array:
        """(n,) roles."""
        drawn = np.searchsorted(self._cdf, rng.random(n), side="right")
        roles: Int64Array = np.minimum(drawn, self.n_items - 1)
        return roles

    def neighbours(self, rng: np.random.Generator, roles: Int64Array) -> Int64Array:
        """(n,) roles → (n,) roles of the same clusters: mostly the next one to three places on, else a best seller."""
        place, size = self.place_and_size(roles)
        step = 1 + np.searchsorted(_STEP_CDF, rng.random(len(roles)), side="right")
        best = (size * rng.random(len(roles)) ** _BEST_SELLER_SKEW).astype(np.int64)
        to_best = rng.random(len(roles)) < BEST_SELLER_SHARE
        return self.at(self.cluster(roles), np.where(to_best, best, (place + step) % size))

    def best_seller_chance(self, place: Int64Array, size: Int64Array) -> Float64Array:
        """(n,) chance that the best seller drawn in a cluster of this size stands at this place."""
        power = 1.0 / _BEST_SELLER_SKEW
        return ((place + 1) / size) ** power - (place / size) ** power
