"""The last sampled events, kept so that another model can be asked what this one was asked just before it learned.

A ring of WINDOW cases: the history, the item that followed, and what the live model made of it then. It depends on the
stream alone; who else is asked, and when, does not change it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, kernel
from consumer.learning.quality import CUTOFF
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models import logit
from consumer.models.item_to_item import Scratch
from consumer.models.logit import Pool
from consumer.models.recency_index import NONE
from consumer.models.recommend import MERGED, Lists, Readable, allocate_lists, place_of, recommend

WINDOW = 2_000


class CaseArrays(NamedTuple):
    """Case n lies at n mod WINDOW."""

    history: Int32Array  # (WINDOW, longest history) item rows, latest first; NONE: gone
    n_history: Int32Array  # (WINDOW,)
    user: UInt64Array  # (WINDOW,) first half of the user's hash, so that his cases can be forgotten with him
    item: Int32Array  # (WINDOW,) row of the item that followed; NONE: gone
    time_ms: Int64Array  # (WINDOW,)
    place: UInt8Array  # (WINDOW,) of that item in the live list, 1 … CUTOFF; 0: further down or not listed
    score: Float64Array  # (WINDOW,) of that item, live
    n_cases: Int64Array  # (1,) so far


def allocate(history: int) -> CaseArrays:
    return CaseArrays(
        history=np.full((WINDOW, history), NONE, np.int32),
        n_history=np.zeros(WINDOW, np.int32),
        user=np.zeros(WINDOW, np.uint64),
        item=np.full(WINDOW, NONE, np.int32),
        time_ms=np.zeros(WINDOW, np.int64),
        place=np.zeros(WINDOW, np.uint8),
        score=np.zeros(WINDOW),
        n_cases=np.zeros(1, np.int64),
    )


@hot_kernel
def keep(
    cases: CaseArrays,
    user_key: np.uint64,
    history: Int32Array,
    n_history: int,
    item: int,
    time_ms: int,
    place: int,
    score: float,
) -> None:
    """Add a case; `place` is 0 where the item was not listed."""
    at = cases.n_cases[0] % WINDOW
    for b in range(n_history):
        cases.history[at, b] = history[b]
    cases.n_history[at] = n_history
    cases.user[at] = user_key
    cases.item[at] = item
    cases.time_ms[at] = time_ms
    cases.place[at] = place if place <= CUTOFF else 0
    cases.score[at] = score
    cases.n_cases[0] += 1


@hot_kernel
def forget_items(cases: CaseArrays, is_live: UInt8Array) -> None:
    """Blank items that are no longer live, before their rows are reused."""
    for at in range(WINDOW):
        if cases.item[at] != NONE and not is_live[cases.item[at]]:
            cases.item[at] = NONE
        for b in range(cases.n_history[at]):
            item = cases.history[at, b]
            if item != NONE and not is_live[item]:
                cases.history[at, b] = NONE


@kernel
def _places(
    cases: CaseArrays,
    known: Readable,
    scratch: Scratch,
    is_live: UInt8Array,
    history: Int32Array,
    pool: Pool,
    lists: Lists,
    numbers: Int64Array,
    places: UInt8Array,
) -> None:
    for k in range(len(numbers)):
        at = numbers[k] % WINDOW
        n_history = cases.n_history[at]
        for b in range(n_history):
            item = cases.history[at, b]
            history[b] = item if item != NONE and is_live[item] else NONE
        recommend(known, scratch, is_live, history, n_history, np.float64(cases.time_ms[at]), pool, lists)
        places[k] = place_of(lists.merged, lists.lengths[MERGED], cases.item[at])


def places(
    cases: CaseArrays, known: Readable, scratch: Scratch, is_live: UInt8Array, numbers: Int64Array
) -> UInt8Array:
    """(n,) where the item of each of these cases (by number) stands in the list that a model gives for its history;
    0: not among CUTOFF. The model's arrays need a row for every item of `is_live`. Changes nothing."""
    found = np.zeros(len(numbers), np.uint8)
    longest = cases.history.shape[1]
    history = np.zeros(longest, np.int32)
    lists, pool = allocate_lists(longest, CUTOFF), logit.allocate_pool()
    _places(cases, known, scratch, is_live, history, pool, lists, numbers, found)
    return found


def numbers_since(cases: CaseArrays, first: int, most: int = WINDOW) -> Int64Array:
    """Numbers of the cases from `first` on that are still here, the last `most` at the most."""
    end = int(cases.n_cases[0])
    return np.arange(max(first, end - min(most, WINDOW), 0), end)
