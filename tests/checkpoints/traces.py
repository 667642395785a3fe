"""What a checkpoint's arrays still hold of a user, looked for by other means than the worker's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.events.hashing import hash_text
from consumer.models.session_ring import key_of
from consumer.tables import Array

N_SESSIONS = 200


def traces(arrays: Mapping[str, Array], user: str, named_sessions: tuple[str, ...] = ()) -> set[str]:
    """Tables in which he stands: `users` by his id's hash, `sessions` by the keys that his first sessions have (those
    without a name count up by twos), `cases` and `examples` by half of the hash."""
    first, second = hash_text(user.encode())
    numbers = [*range(0, 2 * N_SESSIONS, 2), *(named_number(session) for session in named_sessions)]
    keys = {int(key_of(np.uint64(first), np.uint32(number))) for number in numbers}
    found = set()
    if ((arrays["users.keys"][:, 0] == first) | (arrays["users.keys"][:, 1] == second)).any():
        found.add("users")
    if "sessions.keys" in arrays and keys & set(arrays["sessions.keys"].tolist()):
        found.add("sessions")
    for table in ("cases", "examples"):
        if f"{table}.user" in arrays and (arrays[f"{table}.user"] == first).any():
            found.add(table)
    return found


def named_number(session: str) -> int:
    return hash_text(session.encode())[0] & 0xFFFFFFFF | 1


def history(arrays: Mapping[str, Array], user: str) -> list[str]:
    """Ids of the items in his history, oldest first; none where he is unknown."""
    keys = [tuple(key) for key in arrays["users.keys"].tolist()]
    key = hash_text(user.encode())
    if key not in keys:
        return []
    row = keys.index(key)
    n, head, length = int(arrays["users.n_events"][row]), int(arrays["users.head"][row]), arrays["users.items"].shape[1]
    rows = [int(arrays["users.items"][row, (head - back) % length]) for back in reversed(range(n))]
    return [arrays["items.text"][r, : arrays["items.text_length"][r]].tobytes().decode() for r in rows if r >= 0]
