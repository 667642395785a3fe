"""Recommends from a catalogue and a manifest with the worker's own kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from consumer.errors import Fatal
from consumer.messages import Float64Array, Int32Array
from consumer.models import fusion, logit, repeat
from consumer.models.fusion import FusionArrays
from consumer.models.logit import LogitArrays
from consumer.models.recommend import MERGED, Lists, Readable, allocate_lists, recommend
from consumer.models.repeat import RepeatArrays
from consumer.snapshots.catalogue import Catalogue
from consumer.snapshots.description import compiled_constants
from consumer.snapshots.formats import Manifest, seconds_of

UNUSABLE = (KeyError, TypeError, ValueError, OverflowError)
"""What a part of the manifest's `model` raises that is not as this freshrank would write it."""
MAX_HISTORY = 200
"""Most recent places of a history that are looked at; what lies further back weighs nothing."""


class Totals(NamedTuple):
    """Times and sums that a manifest gives for `item_to_item`."""

    as_of_ms: float
    count_total: float  # Σ of counts over live items, in units of one event at `as_of_ms`
    time_constant_ms: float


def totals_of(manifest: Manifest) -> Totals:
    """Raises Fatal where the manifest lacks them."""
    totals = _member(manifest, "totals")
    constants = _member(manifest, "constants")
    try:
        found = Totals(
            seconds_of(totals["as_of"]) * 1000.0,
            float(totals["item_to_item"]),
            float(constants["item_to_item"]["time_constant_s"]) * 1000.0,
        )
        if not np.isfinite(found).all() or found.time_constant_ms <= 0:
            raise ValueError(f"{found} cannot be")
        return found
    except UNUSABLE as error:
        raise Fatal(f"the manifest of version {manifest.version} lacks a total or a constant: {error}") from error


class Recommender:
    """For one version. Not thread-safe: it works in arrays of its own and of the catalogue."""

    def __init__(self, catalogue: Catalogue, manifest: Manifest) -> None:
        """Raises Fatal where the manifest is of a freshrank that ranks differently."""
        _require_known_constants(manifest)
        totals = totals_of(manifest)
        tables = _member(manifest, "tables")
        self._catalogue = catalogue
        self._now_ms = totals.as_of_ms
        gain = float(np.exp((totals.as_of_ms - catalogue.landmark_ms) / totals.time_constant_ms))
        repeats = RepeatArrays(
            _table(manifest, tables, "repeat.chance", (repeat.N_CONTEXTS, repeat.N_BACK)),
            np.zeros(repeat.N_CONTEXTS, np.int64),
        )
        fused = FusionArrays(
            _table(manifest, tables, "fusion.chance", (repeat.N_LENGTHS, fusion.N_BUCKETS)),
            np.zeros(repeat.N_LENGTHS, np.int64),
        )
        self._known = Readable(
            catalogue.item_to_item(totals.count_total * gain), repeats, _logit(manifest), fused, catalogue.score,
            np.zeros(0, np.int32),
        )  # fmt: skip
        if _can_ask_network(manifest, catalogue):
            vectors = catalogue.vectors
            self._known = self._known._replace(
                logit=_wide_logit(manifest), neural=vectors.arrays(), neural_scratch=vectors.scratch()
            )
        self._history = np.full(MAX_HISTORY, -1, np.int32)
        self._pool = logit.allocate_pool()
        self._lists: Lists = allocate_lists(MAX_HISTORY, 0)

    def rows(self, history: Sequence[str], n: int, popular: Int32Array) -> Int32Array:
        """The n best rows for a history of item ids, oldest first; `popular` (rows, best first) fills what is left."""
        if n != len(self._lists.merged):
            self._lists = allocate_lists(MAX_HISTORY, n)
        n_history = self._fill_history(history)
        catalogue, lists = self._catalogue, self._lists
        known = self._known._replace(popular=popular)
        recommend(
            known, catalogue.scratch, catalogue.is_live, self._history, n_history, self._now_ms, self._pool, lists
        )
        return lists.merged[: lists.lengths[MERGED]]

    def _fill_history(self, history: Sequence[str]) -> int:
        """Latest first, a run of the same item as one place; returns the number of places, 0 if no item is known."""
        place = 0
        is_any_known = False
        last: str | None = None
        for item in reversed(history):
            if item == last:
                continue
            if place == MAX_HISTORY:
                break
            last = item
            row = self._catalogue.find_live(item)
            self._history[place] = row
            is_any_known |= row >= 0
            place += 1
        return place if is_any_known else 0


def compile_kernels() -> None:
    """Compile the kernels, or load them from the cache, so that the first recommendation isn't slow."""
    empty = Catalogue(0.0, 1.0)
    repeats, fused, nobody = repeat.allocate(), fusion.allocate(), np.zeros(0, np.int32)
    known = Readable(empty.item_to_item(0.0), repeats, logit.allocate(), fused, empty.score, nobody)
    lists, pool = allocate_lists(MAX_HISTORY, 1), logit.allocate_pool()
    recommend(known, empty.scratch, empty.is_live, nobody, 0, 0.0, pool, lists)


def _member(manifest: Manifest, name: str) -> Mapping[str, Any]:
    member = manifest.model.get(name)
    if not isinstance(member, dict):
        raise Fatal(f"the manifest of version {manifest.version} has no model.{name}")
    return member


def _table(manifest: Manifest, tables: Mapping[str, Any], name: str, shape: tuple[int, int]) -> Float64Array:
    try:
        table = np.array(tables[name], np.float64)
    except UNUSABLE as error:
        raise Fatal(f"the manifest of version {manifest.version} has no usable table {name}") from error
    if table.shape != shape:
        raise Fatal(f"table {name} of version {manifest.version} is {table.shape}, this freshrank works with {shape}")
    return table


def _logit(manifest: Manifest) -> LogitArrays:
    """What weighs the list outside the history."""
    arrays = logit.allocate()
    try:
        weights = _member(manifest, "weights")["fusion.logit"]
        arrays.weights[: logit.EACH] = weights["item_to_item"]
        arrays.weights[logit.RISING :] = [weights["item"][name] for name in logit.ITEM_FEATURES]
    except UNUSABLE as error:
        raise Fatal(f"the manifest of version {manifest.version} has no usable weights fusion.logit") from error
    return arrays


def _can_ask_network(manifest: Manifest, catalogue: Catalogue) -> bool:
    """Whether vectors are published, and weights of `item_to_item` and the network alone: those learned beside further
    members mean nothing without these."""
    members = manifest.model.get("members")
    if not isinstance(members, list) or "session_knn" in members or "linear" in members:
        return False
    return isinstance(manifest.vectors, dict) and catalogue.vectors.is_complete


def _wide_logit(manifest: Manifest) -> LogitArrays:
    """What weighs the list outside the history where the network proposes too."""
    arrays = logit.allocate()
    try:
        weights = _member(manifest, "weights")["fusion.wide_logit"]
        arrays.weights[: logit.EACH] = weights["item_to_item"]
        arrays.weights[logit.EACH * logit.NEURAL :][: logit.EACH] = weights["neural"]
        arrays.weights[logit.RISING :] = [weights["item"][name] for name in logit.ITEM_FEATURES]
    except UNUSABLE as error:
        raise Fatal(f"the manifest of version {manifest.version} has no usable weights fusion.wide_logit") from error
    return arrays


def _require_known_constants(manifest: Manifest) -> None:
    theirs = _member(manifest, "constants")
    changes = []
    for member, constants in compiled_constants().items():
        of_member = theirs.get(member)
        for name, ours in constants.items():
            found = of_member.get(name) if isinstance(of_member, dict) else None
            if found != ours:
                changes.append(f"{member}.{name} is {found!r} there and {ours!r} here")
    if changes:
        raise Fatal(
            f"version {manifest.version} was published by a freshrank that ranks differently: {'; '.join(changes)}. "
            "Use the same release to read it"
        )
