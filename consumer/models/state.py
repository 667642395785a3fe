"""Everything that is learned, as arrays: the items' table, the users' table and a few small ones.

Tables grow by doubling; growing changes no number. `tables` and `small` name all state that a checkpoint must keep;
what can be derived (look-up slots, order of touches) is made again by `restore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import (
    fusion,
    histories,
    item_features,
    item_to_item,
    linear_model,
    logit,
    neural,
    neural_encoder,
    popularity,
    recency_index,
    repeat,
    session_knn,
    session_knn_ranking,
    session_ring,
)
from consumer.models.ensemble import Ensemble
from consumer.models.histories import HistoryArrays
from consumer.models.recency_index import N_LIVE, N_RETIRED, N_USED, IndexArrays
from consumer.models.rows import flat, memory_of
from consumer.settings import Settings
from consumer.tables import Array, Table

MIN_CAPACITY = 1_024
TEXT_STEP = 16  # bytes by which the ids' column widens
_KNN_COLUMNS = ("recent", "recent_head", "n_recent", "spread")


class ItemText(NamedTuple):
    """Ids as they are published, row-aligned with the items' index."""

    text: UInt8Array  # (capacity, widest id so far)
    length: Int32Array  # (capacity,) bytes


class ModelState:
    """All learned state of one worker. Kernels work on the arrays; this class makes room and names them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._linear_plan = linear_model.plan_of(settings.models.linear)
        self.neural_plan = neural.plan_of(settings.models.neural)
        self._allocate(MIN_CAPACITY, MIN_CAPACITY, TEXT_STEP)
        self.repeat = repeat.allocate()
        self.logit = logit.allocate()
        self.wide_logit = logit.allocate()
        self.fusion = fusion.allocate()

    def _allocate(self, n_items: int, n_users: int, text_bytes: int) -> None:
        models = self.settings.models
        self.items: IndexArrays = recency_index.allocate(n_items)
        self.text = ItemText(np.zeros((n_items, text_bytes), np.uint8), np.zeros(n_items, np.int32))
        self.popularity = popularity.allocate(n_items, models.popularity.half_lives_s)
        i2i = models.item_to_item
        self.item_to_item = item_to_item.allocate(n_items, i2i.neighbours, i2i.time_constant_s)
        self.linear = linear_model.allocate(models.linear, n_items, n_users)
        self.neural = neural.allocate(models.neural, n_items)
        self.neural_moments = neural.allocate_moments(models.neural)
        self._allocate_scratch(n_items)
        knn = models.session_knn
        n_sessions = knn.sessions if knn.enabled else 0
        self.session_knn = session_knn.allocate(n_items if knn.enabled else 0, knn.recent, knn.time_constant_s)
        self.sessions = session_ring.allocate(n_sessions)
        self.knn_scratch = session_knn_ranking.allocate_scratch(n_sessions, knn.recent)
        self.users, self.histories = self._no_users(n_users)

    def _allocate_scratch(self, n_items: int) -> None:
        settings = self.settings
        self.scratch = item_to_item.allocate_scratch(n_items)
        self._linear_scratch = linear_model.allocate_scratch(
            settings.models.linear, n_items, settings.users.history, settings.models.item_to_item.neighbours
        )
        self._neural_scratch = neural_encoder.allocate_scratch(settings.models.neural, n_items)

    @property
    def n_items(self) -> int:
        """Live items."""
        return int(self.items.counts[N_LIVE])

    @property
    def n_item_rows(self) -> int:
        """Item rows ever used; live or not."""
        return int(self.items.counts[N_USED])

    @property
    def ensemble(self) -> Ensemble:
        """The members with their fusion, as the kernels want them, until a table grows."""
        return Ensemble(
            self.item_to_item, self.session_knn, self.sessions, self.linear, self._linear_plan,
            self.neural, self.neural_plan, self.repeat, self.logit, self.wide_logit, self.fusion,
            self.scratch, self.knn_scratch, self._linear_scratch, self._neural_scratch,
        )  # fmt: skip

    @property
    def n_users(self) -> int:
        return int(self.users.counts[N_LIVE])

    @property
    def n_bytes(self) -> int:
        """Size of all arrays."""
        groups = (
            self.items, self.text, self.popularity, self.item_to_item, self.scratch,
            self.session_knn, self.sessions, self.knn_scratch, self.linear, self._linear_scratch,
            self.neural, self.neural_moments, self._neural_scratch,
            self.users, self.histories, self.repeat, self.logit, self.wide_logit, self.fusion,
        )  # fmt: skip
        return memory_of(array for group in groups for array in flat(group))

    @property
    def is_muted(self) -> Mapping[str, bool]:
        """Of the members that the logit hears and that are on: whether it is muted, because it talked nonsense."""
        is_on = self.settings.models.further
        owes = self.wide_logit.penance if any(is_on.values()) else self.logit.penance
        muted = zip((*logit.MEMBERS, *logit.JUDGES), (owes > 0).tolist(), strict=True)
        return {member: is_it for member, is_it in muted if is_on.get(member, True)}

    @property
    def is_dated(self) -> bool:
        """False while it knows something from elsewhere, and no event has said yet when that counts from: evidence
        without a landmark is as fresh as the first event to come, and cannot be told in units of time before."""
        if np.isnan(self.popularity.landmark_ms[0]) and self.popularity.n_positive[0] > 0:
            return False
        i2i = self.item_to_item
        return not (np.isnan(i2i.totals[item_to_item.LANDMARK_MS]) and self.n_items and i2i.evidence.any())

    def item_id(self, row: int) -> bytes:
        """The id of an item row, UTF-8; of a retired row too, until it is reused."""
        return self.text.text[row, : self.text.length[row]].tobytes()

    def item_ids(self, rows: Int64Array) -> list[bytes]:
        """The ids of item rows."""
        width = self.text.text.shape[1]
        text, lengths = self.text.text[rows].tobytes(), self.text.length[rows].tolist()
        return [text[i * width : i * width + length] for i, length in enumerate(lengths)]

    def find_item(self, key: tuple[int, int]) -> int:
        """Row of the live item with this id hash, or -1."""
        return recency_index.find(self.items, np.uint64(key[0]), np.uint64(key[1]))

    def retired_items(self) -> Int32Array:
        """Rows evicted and not yet reusable, in order of eviction."""
        return self.items.retired[: self.items.counts[N_RETIRED]]

    def scores(self) -> Float64Array:
        """(n_item_rows,) expected share of upcoming positive interactions; NaN: no live item in this row."""
        return popularity.scores(self.popularity, self.n_items, self.n_item_rows, self.items.is_live)

    def grow_items(self, capacity: int) -> None:
        """Room for so many item rows."""
        self.items = recency_index.grown(self.items, capacity)
        self.text = _grown(self.text, ("text", "length"), ItemText(
            np.zeros((capacity, self.text.text.shape[1]), np.uint8), np.zeros(capacity, np.int32)
        ))  # fmt: skip
        models = self.settings.models
        self.popularity = _grown(
            self.popularity,
            ("positive", "negative"),
            self.popularity._replace(
                **popularity.allocate_counts(capacity, len(models.popularity.half_lives_s)),
            ),
        )
        i2i = models.item_to_item
        empty = item_to_item.allocate(capacity, i2i.neighbours, i2i.time_constant_s)
        self.item_to_item = _grown(
            self.item_to_item,
            ("neighbour", "weight", "size", "counts", "evidence", "changed"),
            empty._replace(totals=self.item_to_item.totals),
        )
        self._allocate_scratch(capacity)
        if models.linear.enabled:
            empty_features = item_features.allocate(capacity, models.linear.item_features)
            grown_features = _grown(self.linear.features, item_features.ItemFeatures._fields, empty_features)
            self.linear = self.linear._replace(features=grown_features)
        if models.neural.enabled:
            empty_vectors = neural.allocate_items(models.neural, capacity)
            grown_vectors = _grown(self.neural.items, neural.ItemVectors._fields, empty_vectors)
            self.neural = self.neural._replace(items=grown_vectors)
        knn = models.session_knn
        if knn.enabled:
            empty_knn = session_knn.allocate(capacity, knn.recent, knn.time_constant_s)
            self.session_knn = _grown(
                self.session_knn, _KNN_COLUMNS, empty_knn._replace(spread_total=self.session_knn.spread_total)
            )

    def grow_users(self, capacity: int) -> None:
        """Room for so many users."""
        users, empty = self._no_users(capacity)
        self.users = recency_index.moved(self.users, users)
        self.histories = _grown(self.histories, histories.HistoryArrays._fields, empty)
        if self.settings.models.linear.enabled:
            last_kind = np.zeros(capacity, np.uint8)
            last_kind[: len(self.linear.last_kind)] = self.linear.last_kind
            self.linear = self.linear._replace(last_kind=last_kind)

    def _no_users(self, capacity: int) -> tuple[IndexArrays, HistoryArrays]:
        """Room for so many; what an event touches of a user but his places is one cache line."""
        users, header = recency_index.allocate_with(capacity, histories.HEADER)
        return users, histories.allocate(capacity, self.settings.users.history, header)

    def widen_text(self, n_bytes: int) -> None:
        """Room for item ids of so many bytes."""
        width = -(-n_bytes // TEXT_STEP) * TEXT_STEP
        text = np.zeros((len(self.text.length), width), np.uint8)
        text[:, : self.text.text.shape[1]] = self.text.text
        self.text = self.text._replace(text=text)
        self.items.dirty[: self.n_item_rows] = 1

    def tables(self) -> Mapping[str, Table]:
        """Row tables by name, for checkpoints."""
        items, users = self.items, self.users
        item_arrays: dict[str, Array] = {
            "keys": items.keys, "touched": items.touched, "seen_ms": items.seen_ms, "is_live": items.is_live,
            "text": self.text.text, "text_length": self.text.length,
            "positive": self.popularity.positive, "negative": self.popularity.negative,
            "neighbour": self.item_to_item.neighbour, "weight": self.item_to_item.weight,
            "size": self.item_to_item.size, "counts": self.item_to_item.counts,
            "evidence": self.item_to_item.evidence, "changed": self.item_to_item.changed,
        }  # fmt: skip
        user_arrays: dict[str, Array] = {
            "keys": users.keys, "touched": users.touched, "seen_ms": users.seen_ms, "is_live": users.is_live,
            **self.histories._asdict(),
        }  # fmt: skip
        if self.settings.models.linear.enabled:
            item_arrays.update(linear_model.of_items(self.linear))
            user_arrays["last_kind"] = self.linear.last_kind
        tables = {
            "items": Table(item_arrays, items.dirty, self.n_item_rows),
            "users": Table(user_arrays, users.dirty, int(users.counts[N_USED])),
        }
        if self.settings.models.session_knn.enabled:
            item_arrays.update({name: getattr(self.session_knn, name) for name in _KNN_COLUMNS})
            sessions = self.sessions
            session_arrays = {name: getattr(sessions, name) for name in ("keys", "items", "n_items", "latest_ms")}
            tables["sessions"] = Table(session_arrays, sessions.dirty, session_ring.n_used(sessions))
        if self.settings.models.neural.enabled:
            item_arrays.update(neural.of_items(self.neural))
            tables["examples"] = neural.examples_table(self.neural)
        return tables

    def small(self) -> Mapping[str, Array]:
        """Small arrays that every checkpoint copies whole."""
        named: dict[str, Array] = {}
        for table, index in (("items", self.items), ("users", self.users)):
            named[f"{table}_index.counts"] = index.counts
            named[f"{table}_index.free"] = index.free[: index.counts[recency_index.N_FREE]]
            named[f"{table}_index.retired"] = index.retired[: index.counts[N_RETIRED]]
        for name in ("landmark_ms", "total", "total_error", "n_positive", "mixture", "top", "top_age"):
            named[f"popularity.{name}"] = getattr(self.popularity, name)
        named["item_to_item.totals"] = self.item_to_item.totals
        if self.settings.models.session_knn.enabled:
            named["session_knn.spread_total"] = self.session_knn.spread_total
            named["sessions.n_opened"] = self.sessions.n_opened
        if self.settings.models.linear.enabled:
            named.update({f"linear.{name}": array for name, array in linear_model.small(self.linear).items()})
        if self.settings.models.neural.enabled:
            learned = neural.small(self.neural, self.neural_moments)
            named.update({f"neural.{name}": array for name, array in learned.items()})
        groups: dict[str, Any] = {
            "repeat": self.repeat, "logit": self.logit, "wide_logit": self.wide_logit, "fusion": self.fusion
        }  # fmt: skip
        for group, arrays in groups.items():
            named.update({f"{group}.{name}": array for name, array in arrays._asdict().items()})
        return named

    def restore(self, tables: Mapping[str, Mapping[str, Array]], small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint. Arrays are copied; their shapes have been checked against `tables`."""
        n_items, n_users = len(tables["items"]["touched"]), len(tables["users"]["touched"])
        text_bytes = tables["items"]["text"].shape[1]
        self._allocate(_capacity_for(n_items), _capacity_for(n_users), text_bytes)
        for table, index in (("items", self.items), ("users", self.users)):
            index.counts[:] = small[f"{table}_index.counts"]
            index.free[: len(small[f"{table}_index.free"])] = small[f"{table}_index.free"]
            index.retired[: len(small[f"{table}_index.retired"])] = small[f"{table}_index.retired"]
        for name, table_now in self.tables().items():
            for array_name, array in table_now.arrays.items():
                array[: len(tables[name][array_name])] = tables[name][array_name]
        for name, array in self.small().items():
            array[...] = small[name]
        self.neural.items.is_moved[:] = 1
        recency_index.rebuild(self.items)
        recency_index.rebuild(self.users)
        session_ring.rebuild(self.sessions)


def _capacity_for(n_rows: int) -> int:
    capacity = MIN_CAPACITY
    while capacity < n_rows:
        capacity *= 2
    return capacity


def _grown(old: Any, names: tuple[str, ...], empty: Any) -> Any:
    for name in names:
        source = getattr(old, name)
        getattr(empty, name)[: len(source)] = source
    return empty
