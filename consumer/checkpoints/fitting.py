"""Whether a checkpoint's arrays fit the state that they are to fill.

Checksums find damage; this finds arrays of another release, and numbers that would lead a kernel, which checks no
bounds, outside its arrays.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.errors import CorruptCheckpoint
from consumer.events.admission import GREATEST_MS, NEVER
from consumer.events.id_window import HEAD, N_IDS
from consumer.learning import adwin
from consumer.models import neural
from consumer.models.item_to_item import LANDMARK_MS, TIME_CONSTANT_MS
from consumer.models.recency_index import N_FREE, N_LIVE, N_RETIRED, N_USED
from consumer.tables import Array, Table

OF_ANY_LENGTH = frozenset(
    {
        "items_index.free",
        "items_index.retired",
        "users_index.free",
        "users_index.retired",
        "departed.text",
        "departed.length",
        "departed.hashes",
        "admission.partition_ms",
        "daily_cap.entries",
    }
)
"""Small arrays whose length is part of the state."""
Columns = Mapping[str, Mapping[str, Array]]
MOST_CONSTANTS_AHEAD = 700
"""Time constants by which a landmark may be later than the newest event; e to the power of little more is no double."""


def fitting_tables(name: str, arrays: Mapping[str, Array], tables: Mapping[str, Table]) -> Columns:
    """The saved columns of these tables. Raises CorruptCheckpoint."""
    found: dict[str, dict[str, Array]] = {}
    for table, now in tables.items():
        found[table] = {column: _column(name, f"{table}.{column}", arrays, like) for column, like in now.arrays.items()}
        if len({len(column) for column in found[table].values()}) != 1:
            raise CorruptCheckpoint(f"{name}: the arrays of {table} differ in length")
    return found


def require_fitting_small(name: str, arrays: Mapping[str, Array], small: Mapping[str, Array]) -> None:
    """Raise CorruptCheckpoint unless each small array is there, of its type and shape."""
    for array, like in small.items():
        saved = _found(name, array, arrays)
        shape, wanted = (saved.shape[1:], like.shape[1:]) if array in OF_ANY_LENGTH else (saved.shape, like.shape)
        if saved.dtype != like.dtype or saved.ndim != like.ndim or shape != wanted:
            raise CorruptCheckpoint(f"{name}: {array} is {saved.dtype}{saved.shape}, expected {like.dtype}{like.shape}")


def require_consistent(name: str, tables: Columns, arrays: Mapping[str, Array]) -> None:
    """Raise CorruptCheckpoint unless every row number and length lies inside what it points into."""
    items, users, window = tables["items"], tables["users"], tables["window"]
    published, n_items = tables["published"], len(items["touched"])
    checks = {
        "items.neighbour": _is_within(items["neighbour"], -1, n_items - 1),
        "items.size": _is_within(items["size"], 0, items["neighbour"].shape[1]),
        "items.text_length": _is_within(items["text_length"], 0, items["text"].shape[1]),
        "users.items": _is_within(users["items"], -1, n_items - 1),
        "users.head": _is_within(users["head"], 0, users["items"].shape[1] - 1),
        "users.n_events": _is_within(users["n_events"], 0, users["items"].shape[1]),
        "published.neighbour": _is_within(published["neighbour"], -1, n_items - 1),
        "published.size": _is_within(published["size"], 0, published["neighbour"].shape[1]),
        "published.lists.top": _is_within(arrays["published.lists.top"], -1, n_items - 1),
        "cases.item": _is_within(arrays["cases.item"], -1, n_items - 1),
        "cases.history": _is_within(arrays["cases.history"], -1, n_items - 1),
        "cases.n_history": _is_within(arrays["cases.n_history"], 0, arrays["cases.history"].shape[1]),
        "cases.n_cases": _is_within(arrays["cases.n_cases"], 0, np.iinfo(np.int64).max),
        "popularity.top": _is_within(arrays["popularity.top"], -1, n_items - 1),
        "window.partitions": _is_within(window["partitions"], 0, max(0, len(arrays["admission.partition_ms"]) - 1)),
        "admission.clock": _is_within(arrays["admission.clock"][HEAD], 0, max(0, len(window["times_ms"]) - 1))
        and _is_within(arrays["admission.clock"][N_IDS], 0, len(window["times_ms"])),
        "departed.length": int(arrays["departed.length"].sum()) == len(arrays["departed.text"])
        and len(arrays["departed.length"]) == len(arrays["departed.hashes"]),
        "detectors.n_buckets": _are_buckets(arrays),
        "item_to_item.totals": _has_near_landmark(arrays),
        **_session_checks(tables, arrays),
        **_example_checks(tables, arrays),
        **{f"{table}_index.counts": _are_counts(table, tables[table], arrays) for table in ("items", "users")},
    }
    wrong = [array for array, is_right in checks.items() if not is_right]
    if wrong:
        raise CorruptCheckpoint(f"{name}: {', '.join(wrong)} point outside the arrays that they belong to")


def _session_checks(tables: Columns, arrays: Mapping[str, Array]) -> dict[str, bool]:
    """Of `session_knn`, where it is on."""
    if "sessions" not in tables:
        return {}
    items, sessions = tables["items"], tables["sessions"]
    n_recent = items["recent"].shape[1]
    return {
        "items.recent_head": _is_within(items["recent_head"], 0, n_recent - 1),
        "items.n_recent": _is_within(items["n_recent"], 0, n_recent),
        "sessions.items": _is_within(sessions["items"], -1, len(items["touched"]) - 1),
        "sessions.n_items": _is_within(sessions["n_items"], 0, sessions["items"].shape[1])
        and bool(((sessions["items"] >= 0).sum(axis=1) == sessions["n_items"]).all()),
        "sessions.n_opened": bool(arrays["sessions.n_opened"][0] >= len(sessions["keys"])),
    }


def _example_checks(tables: Columns, arrays: Mapping[str, Array]) -> dict[str, bool]:
    """Of `neural`, where it is on."""
    if "examples" not in tables:
        return {}
    examples, last = tables["examples"], len(tables["items"]["touched"]) - 1
    counts = arrays["neural.counts"]
    return {
        "examples.history": _is_within(examples["history"], -1, last),
        "examples.target": _is_within(examples["target"], -1, last),
        "neural.counts": bool((counts >= 0).all()) and bool(counts[neural.N_PENDING] <= len(examples["target"])),
    }


def _are_buckets(arrays: Mapping[str, Array]) -> bool:
    """Of the drift detectors: as many buckets a row as there may be, and all numbers of the window in them."""
    n_buckets, width = arrays["detectors.n_buckets"], arrays["detectors.width"]
    sizes = 2 ** np.arange(n_buckets.shape[1])
    return _is_within(n_buckets, 0, adwin.MAX_BUCKETS) and np.array_equal(n_buckets @ sizes, width)


def _has_near_landmark(arrays: Mapping[str, Array]) -> bool:
    """Of `item_to_item`: whether evidence in units of its landmark says anything now."""
    totals, newest_ms = arrays["item_to_item.totals"], arrays["admission.clock"][GREATEST_MS]
    landmark_ms, constant_ms = totals[LANDMARK_MS], totals[TIME_CONSTANT_MS]
    if np.isnan(landmark_ms) or newest_ms == NEVER:
        return bool(constant_ms > 0)
    return bool(constant_ms > 0 and (landmark_ms - newest_ms) / constant_ms <= MOST_CONSTANTS_AHEAD)


def _are_counts(table: str, columns: Mapping[str, Array], arrays: Mapping[str, Array]) -> bool:
    counts, free, retired = (arrays[f"{table}_index.{part}"] for part in ("counts", "free", "retired"))
    n_used = int(counts[N_USED])
    return (
        n_used == len(columns["touched"])
        and counts[N_LIVE] == np.count_nonzero(columns["is_live"])
        and (counts[N_FREE], counts[N_RETIRED]) == (len(free), len(retired))
        and _is_within(free, 0, n_used - 1)
        and _is_within(retired, 0, n_used - 1)
    )


def _column(name: str, array: str, arrays: Mapping[str, Array], like: Array) -> Array:
    """The saved column, if its type and row shape are those of the one it will fill (ids' text may be wider)."""
    saved = _found(name, array, arrays)
    is_text = array == "items.text"
    if saved.dtype != like.dtype or saved.ndim != like.ndim or (saved.shape[1:] != like.shape[1:] and not is_text):
        raise CorruptCheckpoint(f"{name}: {array} is {saved.dtype}{saved.shape}, expected {like.dtype} rows")
    return saved


def _found(name: str, array: str, arrays: Mapping[str, Array]) -> Array:
    saved = arrays.get(array)
    if saved is None:
        raise CorruptCheckpoint(f"{name}: {array} is missing")
    return saved


def _is_within(values: Array, least: int, most: int) -> bool:
    return values.size == 0 or bool(least <= values.min() and values.max() <= most)
