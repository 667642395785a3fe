"""Whether a user's events stay together: in one partition, so that they are learned in their order."""

from __future__ import annotations

from typing import Final

import numpy as np

from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.doctor.looked_at import LookedAt
from consumer.doctor.words import share
from consumer.messages import Outcome, UInt64Array

MANY: Final = 0.05
"""More users than this in several partitions are no leftovers of a time when there were fewer partitions."""


def check_keys(looked_at: LookedAt, n_partitions: int) -> list[Finding]:
    events = looked_at.events
    rows = looked_at.with_outcome(Outcome.ADMITTED)
    if not len(rows):
        return [ok("no good event to look at")]
    placed = np.column_stack([events.user_key[rows], events.partitions[rows].astype(np.uint64)])
    users, n_events = np.unique(placed[:, :2], axis=0, return_counts=True)
    _, n_places = np.unique(np.unique(placed, axis=0)[:, :2], axis=0, return_counts=True)
    n_seen_twice, n_split = int(np.sum(n_events > 1)), int(np.sum(n_places > 1))
    values = {"users": len(users), "users_seen_twice": n_seen_twice, "users_in_several_partitions": n_split}
    if n_split:
        example = _text_of_user(looked_at, int(rows[_first_split(placed)]))
        saw = (
            f"{n_split:,} of the {n_seen_twice:,} users with two events or more have them in several partitions "
            f"({share(n_split, n_seen_twice)}; for example {example!r}): what they did is not learned in its order"
        )
        advice = "have the producers key records by the user id; a topic's old records stay where they are"
        return [(problem if n_split > MANY * n_seen_twice else warning)(saw, advice, **values)]
    n_unkeyed = sum(looked_at.records.originals[row].key is None for row in rows.tolist())
    if n_unkeyed:
        return [
            warning(
                f"{share(n_unkeyed, len(rows))} of the events have no key, though each user's are in one partition",
                "have the producers key records by the user id, or users' events part once there are more partitions",
                unkeyed=n_unkeyed,
                **values,
            )
        ]
    return [ok(f"each of {len(users):,} users is in one partition (of {n_partitions})", **values)]


def _first_split(placed: UInt64Array) -> int:
    """A row of a user who is elsewhere too."""
    pairs = np.unique(placed, axis=0)
    users, n_places = np.unique(pairs[:, :2], axis=0, return_counts=True)
    split = users[n_places > 1][0]
    return int(np.flatnonzero((placed[:, :2] == split).all(axis=1))[0])


def _text_of_user(looked_at: LookedAt, row: int) -> str:
    members = looked_at.objects[row] or {}
    return str(members.get(looked_at.settings.fields.user_id))
