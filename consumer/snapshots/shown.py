"""The version that a reader shows, and the questions that it answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from consumer.messages import Int32Array
from consumer.snapshots.catalogue import Catalogue
from consumer.snapshots.formats import Manifest, checksum_text, rounded
from consumer.snapshots.read_vectors import VectorColumns
from consumer.snapshots.recommender import Recommender, totals_of
from consumer.snapshots.rows import RelatedColumns, ScoreColumns

N_POPULAR = 100


class ShownVersion:
    """One whole version. Questions may be asked on any thread, and each is answered from one version; before the first
    one every answer is empty. One thread replaces what is shown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below
        self._manifest: Manifest | None = None
        self._catalogue = Catalogue(0.0, 1.0)
        self._popular: Int32Array = np.zeros(0, np.int32)
        self._recommender: Recommender | None = None

    @property
    def manifest(self) -> Manifest | None:
        """Of the version shown."""
        return self._manifest

    @property
    def version(self) -> int:
        """Shown now; 0 before the first one."""
        manifest = self._manifest
        return manifest.version if manifest else 0

    @property
    def catalogue(self) -> Catalogue:
        """The rows of the version shown, only to be read, and only while nobody feeds the reader."""
        return self._catalogue

    @property
    def checksum(self) -> str:
        """Of the rows shown; the manifest's, before the first version of none."""
        with self._lock:
            return checksum_text(self._catalogue.checksum)

    @property
    def n_known_ids(self) -> int:
        """Ids that are kept; those of deleted items go in time."""
        return len(self._catalogue.numbering)

    def scores(self) -> Mapping[str, float]:
        """Expected share of the audience's upcoming positive interactions, by item."""
        with self._lock:
            catalogue = self._catalogue
            rows = np.flatnonzero(catalogue.score_hash)
            ids = catalogue.numbering.ids
            return {ids[row]: score for row, score in zip(rows.tolist(), catalogue.score[rows].tolist(), strict=True)}

    def top(self, n: int) -> list[tuple[str, float]]:
        """The n items with the greatest scores, best first (ties by id)."""
        with self._lock:
            catalogue = self._catalogue
            rows = self._best(n).tolist()
            return [(catalogue.numbering.ids[row], float(catalogue.score[row])) for row in rows]

    def related(self, item: str) -> list[tuple[str, float]]:
        """Evidence for other items around this one, best first, in units of one fresh event at the manifest's
        watermark; listed items without rows of their own are left out. Empty for an unknown item."""
        with self._lock:
            catalogue = self._catalogue
            row = catalogue.find_live(item)
            if row < 0 or self._manifest is None:
                return []
            now_ms = totals_of(self._manifest).as_of_ms
            fresh = np.exp((catalogue.landmark_ms - now_ms) / catalogue.time_constant_ms)
            neighbours = catalogue.neighbour[row, : catalogue.size[row]]
            weights = rounded(catalogue.weight[row, : len(neighbours)] * fresh, 6)
            ids = catalogue.numbering.ids
            entries = zip(neighbours.tolist(), weights.tolist(), strict=True)
            return [(ids[other], weight) for other, weight in entries if catalogue.is_live[other]]

    def recommend(self, history: Sequence[str], n: int) -> list[str]:
        """The n items that the owner of this history (item ids, oldest first) may like, best first.

        A run of the same item counts once; an unknown item keeps its place but proposes nothing; an empty history, or
        one of unknown items only, gets the top of the scores. Raises Fatal where the version was published by a
        freshrank that ranks differently.
        """
        with self._lock:
            if self._manifest is None or n <= 0:
                return []
            if self._recommender is None:
                self._recommender = Recommender(self._catalogue, self._manifest)
            popular = self._best(n)
            ids = self._catalogue.numbering.ids
            return [ids[row] for row in self._recommender.rows(history, n, popular).tolist()]

    def _best(self, n: int) -> Int32Array:
        return self._popular[: max(n, 0)] if n <= N_POPULAR else self._catalogue.best(n)

    def _put(self, manifest: Manifest, scores: ScoreColumns, related: RelatedColumns, vectors: VectorColumns) -> None:
        """Show the version that these rows make of the one shown."""
        with self._lock:
            self._catalogue.put(scores, related, vectors)
            self._turn_to(manifest, self._catalogue)
        if self._catalogue.needs_renewal(totals_of(manifest).as_of_ms):
            self._show(manifest, self._catalogue)

    def _show(self, manifest: Manifest, catalogue: Catalogue) -> None:
        """Show this catalogue from now on."""
        now_ms = totals_of(manifest).as_of_ms
        if catalogue.needs_renewal(now_ms):
            catalogue = catalogue.renewed(now_ms)
        with self._lock:
            self._turn_to(manifest, catalogue)

    def _turn_to(self, manifest: Manifest, catalogue: Catalogue) -> None:
        self._manifest, self._catalogue = manifest, catalogue
        self._popular = catalogue.best(N_POPULAR)
        self._recommender = None
