"""Takes users out of a state, running or saved: what is theirs is blanked, in its place.

Rows stay where they are, under keys that belong to nobody, until they are given to others; so nothing that counts or
orders rows changes. Blanked are:

- the user's row: his history, and rows that were his and are not yet given to another;
- his sessions in the ring of `session_knn`. Items' lists still name their numbers: of sessions that hold nothing now;
- sampled cases with his history, and examples that `neural` learns from.

A session's key is the user's xor its number times an odd constant. With the inverse of the constant the number comes
back, and it has 32 bits; of a stranger's session it seldom has (once in four billion).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from consumer.messages import Int64Array, UInt64Array
from consumer.tables import Array

KEYS: Final = "keys"
_ODD: Final = 0x9E3779B97F4A7C15
"""As in `session_ring.key_of`."""
_INVERSE: Final = np.uint64(pow(_ODD, -1, 1 << 64))
_SESSION_BITS: Final = np.uint64(32)

GONE: Final = -1
BLANK: Final[Mapping[str, Mapping[str, int]]] = {
    "users": {
        "seen_ms": 0, "items": GONE, "sessions": 0, "times_s": 0, "head": 0, "n_events": 0, "session": 0,
        "latest_ms": 0, "last_kind": 0,
    },
    "sessions": {"items": GONE, "n_items": 0, "latest_ms": 0},
    "cases": {"user": 0, "history": GONE, "n_history": 0, "item": GONE, "time_ms": 0},
    "examples": {"user": 0, "history": GONE, "target": GONE, "priority": 0},
}  # fmt: skip
"""Table → column → what stands there for nobody. A column that a state lacks is left out."""

ArrayOf = Callable[[str], Array | None]
"""The array of this name; None where the state has none."""


def rows_of(users: UInt64Array, array: ArrayOf) -> dict[str, Int64Array]:
    """The rows of each table that belong to these users (n, 2)."""
    found: dict[str, Int64Array] = {}
    keys, sessions, cases = array(f"users.{KEYS}"), array(f"sessions.{KEYS}"), array("cases.user")
    examples = array("examples.user")
    if keys is not None:
        found["users"] = _users(users, keys)
    if sessions is not None:
        found["sessions"] = _sessions(users[:, 0], sessions)
    if cases is not None:
        found["cases"] = np.flatnonzero(np.isin(cases, users[:, 0]))
    if examples is not None:
        found["examples"] = np.flatnonzero(np.isin(examples, users[:, 0]))
    return {table: rows for table, rows in found.items() if len(rows)}


def blanked(rows: Mapping[str, Int64Array], array: ArrayOf) -> Iterator[tuple[str, Int64Array, Array]]:
    """For each array that changes: its name, the rows, and what stands there from now on."""
    for table, of_table in rows.items():
        for column, blank in BLANK[table].items():
            held = array(f"{table}.{column}")
            if held is not None:
                yield f"{table}.{column}", of_table, np.full((len(of_table), *held.shape[1:]), blank, held.dtype)
        held = array(f"{table}.{KEYS}")
        if held is not None:
            yield f"{table}.{KEYS}", of_table, _nobodys(of_table, held)


def blank(users: UInt64Array, arrays: Mapping[str, Array]) -> dict[str, Int64Array]:
    """Take these users out of arrays in place; the rows of each table that changed."""
    rows = rows_of(users, arrays.get)
    for name, of_table, values in blanked(rows, arrays.get):
        arrays[name][of_table] = values
    return rows


def _users(users: UInt64Array, keys: Array) -> Int64Array:
    likely = np.flatnonzero(np.isin(keys[:, 0], users[:, 0]))
    wanted = {(first, second) for first, second in users.tolist()}
    is_one = [tuple(key) in wanted for key in keys[likely].tolist()]
    rows: Int64Array = likely[np.array(is_one, bool)]
    return rows


def _sessions(users: UInt64Array, keys: Array) -> Int64Array:
    is_one = np.zeros(len(keys), bool)
    for user in users:
        is_one |= ((keys ^ user) * _INVERSE) >> _SESSION_BITS == 0
    return np.flatnonzero(is_one)


def _nobodys(rows: Int64Array, held: Array) -> Array:
    """A key of its own for each row, so that look-ups stay quick; nobody's id has it."""
    own = (rows.astype(np.uint64) + np.uint64(1)) * np.uint64(_ODD)
    if held.ndim == 1:
        return own
    return np.column_stack((own, np.zeros(len(rows), np.uint64)))
