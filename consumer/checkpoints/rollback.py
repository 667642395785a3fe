"""What a rollback makes of two checkpoints: the learned state of the good one among everything else of the current one.

Positions, dedupe window, histories, the daily cap and what readers hold stay where they are. Row numbers of items are
those of the good state from then on, so whatever points to items is told the new numbers, by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from consumer.messages import Int64Array, UInt64Array
from consumer.tables import Array

Arrays = Mapping[str, Array]
STAYING = (
    "users",
    "users_index",
    "window",
    "admission",
    "dead_letter_budget",
    "daily_cap",
    "cases",
    "departed",
    "published",
)
"""First parts of the names of arrays that a rollback leaves as they are; all others are learned."""
GONE = -1
UNPUBLISHED: Mapping[str, float] = {"score": np.nan, "neighbour": GONE}
"""What columns of `published` hold for an item that isn't; 0 in the others."""


def rolled_back(current: Arrays, good: Arrays) -> dict[str, Array]:
    """The arrays of the state to go on with. Neither is changed; arrays may be shared with them."""
    combined = {name: array for name, array in good.items() if not _stays(name)}
    combined.update({name: array for name, array in current.items() if _stays(name)})
    new_rows = _new_rows(current, good)
    combined["users.items"] = _renumbered(current["users.items"], new_rows)
    combined["cases.item"] = np.full_like(current["cases.item"], GONE)
    combined["cases.history"] = np.full_like(current["cases.history"], GONE)
    combined.update(_published(current, good, new_rows))
    combined.update(_departed(current, new_rows))
    combined["items.changed"] = _changed(combined, good)
    return combined


def _stays(name: str) -> bool:
    return name.split(".")[0] in STAYING


def _new_rows(current: Arrays, good: Arrays) -> Int64Array:
    """(current item rows,) where each item stands in the good state, GONE if it doesn't; so do rows that hold none."""
    row_of = {tuple(key): row for row, key in zip(*_live(good), strict=True)}
    has_item = (current["items.is_live"] == 1) | _is_shown(current)
    found = np.full(len(has_item), GONE, np.int64)
    for row in np.flatnonzero(has_item).tolist():
        found[row] = row_of.get(tuple(current["items.keys"][row].tolist()), GONE)
    return found


def _live(arrays: Arrays) -> tuple[list[int], list[list[int]]]:
    rows = np.flatnonzero(arrays["items.is_live"])
    return rows.tolist(), arrays["items.keys"][rows].tolist()


def _is_shown(arrays: Arrays) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(item rows,) whether readers hold a row of the item."""
    shown: np.ndarray[Any, np.dtype[np.bool_]] = (_hashes(arrays) != 0).max(axis=1)
    return shown


def _hashes(arrays: Arrays) -> UInt64Array:
    """(item rows, 3) of the rows that readers hold of an item; 0: none, as of all vectors where the network is off."""
    none = np.zeros_like(arrays["published.score_hash"])
    names = ("published.score_hash", "published.related_hash", "published.vector_hash")
    hashes: UInt64Array = np.column_stack([arrays.get(name, none) for name in names]).astype(np.uint64)
    return hashes


def _renumbered(rows: Array, new_rows: Int64Array) -> Array:
    """Item rows of the current state as those of the good one."""
    return np.append(new_rows, GONE)[rows].astype(rows.dtype)  # GONE itself, −1, finds the last entry


def _published(current: Arrays, good: Arrays, new_rows: Int64Array) -> dict[str, Array]:
    """What readers hold, row-aligned with the good state."""
    moved = np.flatnonzero(new_rows >= 0)
    columns = {}
    for name in filter(_is_column, good):
        column = np.full_like(good[name], UNPUBLISHED.get(name.removeprefix("published."), 0))
        column[new_rows[moved]] = current[name][moved]
        columns[name] = column
    neighbour = _renumbered(columns["published.neighbour"], new_rows)
    places = np.arange(neighbour.shape[1])
    is_kept = (neighbour >= 0) & (places < columns["published.size"][:, None])
    order = np.argsort(~is_kept, axis=1, kind="stable")
    columns["published.neighbour"] = np.take_along_axis(np.where(is_kept, neighbour, GONE), order, axis=1)
    columns["published.weight"] = np.take_along_axis(
        np.where(is_kept, columns["published.weight"], 0).astype(columns["published.weight"].dtype), order, axis=1
    )
    columns["published.size"] = is_kept.sum(axis=1).astype(columns["published.size"].dtype)
    columns["published.lists.top"] = _renumbered(current["published.lists.top"], new_rows)
    return columns


def _is_column(name: str) -> bool:
    return name.startswith("published.") and name.count(".") == 1 and name != "published.checksum"


def _departed(current: Arrays, new_rows: Int64Array) -> dict[str, Array]:
    """Keys that readers hold and the good state doesn't know join those that had departed: they get tombstones."""
    rows = np.flatnonzero(_is_shown(current) & (new_rows < 0))
    keys = [current["items.text"][row, : current["items.text_length"][row]] for row in rows.tolist()]
    return {
        "departed.text": np.concatenate([current["departed.text"], *keys]),
        "departed.length": np.append(current["departed.length"], current["items.text_length"][rows]).astype(np.int32),
        "departed.hashes": np.concatenate((current["departed.hashes"], _hashes(current)[rows])),
    }


def _changed(combined: Arrays, good: Arrays) -> Array:
    """How much related rows have changed since readers got them: as the good state says where they got none since,
    all of it elsewhere."""
    is_same = combined["published.related_hash"] == good["published.related_hash"]
    return np.where(is_same, good["items.changed"], good["items.evidence"] + good["items.counts"])
