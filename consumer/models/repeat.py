"""`repeat`: people return to what they have just seen.

For each context (history length 1, 2, … 6 or more) and each b: how often the next item was the one seen b places back
(b = 1: the last one). A running mean with step max(1/(n + 50), 0.001), prior 0.05/b, learned from every event of a user
who has a history. An item stands at its last occurrence only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array

N_CONTEXTS = 6
N_BACK = 20
MIN_STEP = 0.001
PRIOR_EVENTS = 50


class RepeatArrays(NamedTuple):
    chance: Float64Array  # (N_CONTEXTS, N_BACK)
    n_events: Int64Array  # (N_CONTEXTS,)


def allocate() -> RepeatArrays:
    prior = 0.05 / np.arange(1, N_BACK + 1)
    return RepeatArrays(np.tile(prior, (N_CONTEXTS, 1)), np.zeros(N_CONTEXTS, np.int64))


@hot_kernel
def context_of(n_history: int) -> int:
    """Row of the tables for a history of so many places; n_history ≥ 1."""
    return min(n_history, N_CONTEXTS) - 1


@hot_kernel
def step_after(n: int, factor: float) -> float:
    """Step of a running mean that has seen n events, so many times longer; never longer than its first."""
    return min(factor * max(1.0 / (n + PRIOR_EVENTS), MIN_STEP), 1.0 / PRIOR_EVENTS)


@hot_kernel
def is_last_occurrence(history: Int32Array, b: int) -> bool:
    """Whether history[b] (latest first) is alive and does not stand nearer too."""
    if history[b] < 0:
        return False
    for nearer in range(b):  # noqa: SIM110 - numba compiles no generator expressions
        if history[nearer] == history[b]:
            return False
    return True


@hot_kernel
def learn_event(repeat: RepeatArrays, history: Int32Array, n_history: int, item: int, factor: float) -> int:
    """The event's item followed this history (latest first, n_history ≥ 1); steps are so many times longer than usual.

    Returns how many places back it stood, 0: nowhere.
    """
    context = context_of(n_history)
    step = step_after(repeat.n_events[context], factor)
    repeat.n_events[context] += 1
    back = 0
    seen = np.uint64(0)  # a bit for each item nearer, by its row number modulo 64
    for b in range(min(n_history, N_BACK)):
        bit = np.uint64(1) << np.uint64(history[b] & 63)
        is_new = history[b] >= 0 and seen & bit == np.uint64(0)
        seen |= bit
        if is_new or is_last_occurrence(history, b):
            came_true = 0.0
            if history[b] == item:
                came_true = 1.0
                back = b + 1
            repeat.chance[context, b] += step * (came_true - repeat.chance[context, b])
    return back


@hot_kernel
def rank(repeat: RepeatArrays, history: Int32Array, n_history: int, ranked: Int32Array, values: Float64Array) -> int:
    """The history's items by their chance to be next, best first (ties: the nearer one); returns how many."""
    if n_history == 0:
        return 0
    context = context_of(n_history)
    n = 0
    for b in range(min(n_history, N_BACK)):
        if not is_last_occurrence(history, b):
            continue
        value = repeat.chance[context, b]
        place = n
        while place > 0 and values[place - 1] < value:
            values[place] = values[place - 1]
            ranked[place] = ranked[place - 1]
            place -= 1
        values[place] = value
        ranked[place] = history[b]
        n += 1
    return n
