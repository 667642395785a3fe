"""What another deployment's published topics tell: one whole version, by its manifest's constants and totals.

The rows carry no negative counts and one score an item for all half-lives, so this is a little less than a checkpoint
knows: every half-life starts from the same shares. Nor do they say how much lies behind the tables; a full memory is
assumed.
"""

from __future__ import annotations

import numpy as np

from consumer.errors import Fatal
from consumer.messages import Float64Array, Int32Array, Int64Array
from consumer.models.knowledge import Chances, Counts, Knowledge, Network, Related
from consumer.models.seeding import REMEMBERED
from consumer.snapshots.catalogue import Catalogue
from consumer.snapshots.formats import Manifest
from consumer.snapshots.recommender import totals_of


def told_by(manifest: Manifest, catalogue: Catalogue) -> Knowledge:
    """Raises Fatal where the manifest lacks a total, a constant or a table."""
    totals = totals_of(manifest)
    live = np.flatnonzero(catalogue.is_live)
    fresh = float(np.exp((catalogue.landmark_ms - totals.as_of_ms) / totals.time_constant_ms))
    place: Int32Array = np.full(max(len(catalogue.is_live), len(catalogue.numbering)) + 1, -1, np.int32)
    place[live] = np.arange(len(live), dtype=np.int32)
    weight = (catalogue.weight[live] * fresh).astype(np.float32)
    return Knowledge(
        as_of_ms=totals.as_of_ms,
        ids=[catalogue.numbering.ids[row].encode() for row in live.tolist()],
        seen_ms=np.full(len(live), int(totals.as_of_ms), np.int64),
        popularity=_counts(manifest, catalogue.score[live]),
        item_to_item=Related(place[catalogue.neighbour[live]], weight, catalogue.count[live] * fresh),
        repeat=_chances(manifest, "repeat.chance"),
        fusion=_chances(manifest, "fusion.chance"),
        neural=_network(catalogue, live),
    )


def _network(catalogue: Catalogue, live: Int64Array) -> Network | None:
    """Where it is published."""
    vectors = catalogue.vectors
    return Network(vectors.vector[live], vectors.encoder) if vectors.is_complete else None


def _counts(manifest: Manifest, scores: Float64Array) -> Counts:
    try:
        half_lives_s = tuple(float(h) for h in manifest.model["constants"]["popularity"]["half_lives_s"])
        totals = np.array(manifest.model["totals"]["popularity"], np.float64)
        mixture = np.array(manifest.model["weights"]["popularity.mixture"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise Fatal(f"the manifest of version {manifest.version} lacks what popularity needs: {error}") from error
    if not half_lives_s or totals.shape != (len(half_lives_s),) or mixture.shape != totals.shape:
        raise Fatal(
            f"the manifest of version {manifest.version} tells of popularity at different numbers of half-lives"
        )
    positive = np.nan_to_num(scores)[:, None] * totals
    return Counts(half_lives_s, positive, np.zeros_like(positive), mixture)


def _chances(manifest: Manifest, name: str) -> Chances:
    try:
        chance = np.array(manifest.model["tables"][name], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise Fatal(f"the manifest of version {manifest.version} has no usable table {name}") from error
    return Chances(chance, np.full(len(chance), REMEMBERED, np.int64))
