"""Which checkpoints are kept: the newest ones, and enough good ones to return to.

While versions are held, new checkpoints keep coming with a state that nobody wants. So the newest good one always
stays, and two more of the good ones: the newest that is at least `anchor_s` old, since damage may be noticed late, and
the oldest that is younger, which will take its place.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple


class Fact(NamedTuple):
    name: str
    saved_at_s: float
    is_good: bool


def kept(facts: Sequence[Fact], keep: int, anchor_s: float, now_s: float, wanted: Collection[str] = ()) -> set[str]:
    """Of our checkpoints, ascending. `wanted` stay too."""
    good = [fact for fact in facts if fact.is_good]
    old = [fact.name for fact in good if fact.saved_at_s <= now_s - anchor_s]
    young = [fact.name for fact in good if fact.saved_at_s > now_s - anchor_s]
    newest = [fact.name for fact in facts[-keep:]]
    return {*newest, *old[-1:], *young[:1], *(fact.name for fact in good[-1:]), *wanted}
