"""`repeat`: people return to what they have just seen.

For each context and each b: how often the next item was the one seen b places back (b = 1: the last one). A context is
the history's length (1, 2, … 6 or more) with what it shows of returning: no item stands in it twice, one does, or its
latest place is such a return. Who has just gone back to something goes back again far more often. A running mean with
step max(1/(n + 50), 0.001), prior 0.05/b, learned from every event of a user who has a history. An item stands at its
last occurrence only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array

N_LENGTHS = 6
N_BACK = 20
MIN_STEP = 0.001
PRIOR_EVENTS = 50

# What a history shows of returning.
NO_RETURN = 0
EARLIER_RETURN = 1
LATEST_IS_RETURN = 2
N_HABITS = 3
N_CONTEXTS = N_LENGTHS * N_HABITS


class RepeatArrays(NamedTuple):
    chance: Float64Array  # (N_CONTEXTS, N_BACK)
    n_events: Int64Array  # (N_CONTEXTS,)


def allocate() -> RepeatArrays:
    prior = 0.05 / np.arange(1, N_BACK + 1)
    return RepeatArrays(np.tile(prior, (N_CONTEXTS, 1)), np.zeros(N_CONTEXTS, np.int64))


@hot_kernel
def length_of(n_history: int) -> int:
    """0-based entry of tables by history length; n_history ≥ 1."""
    return min(n_history, N_LENGTHS) - 1


@hot_kernel
def step_after(n: int, factor: float) -> float:
    """Step of a running mean that has seen n events, so many times longer; never longer than its first."""
    return min(factor * max(1.0 / (n + PRIOR_EVENTS), MIN_STEP), 1.0 / PRIOR_EVENTS)


@hot_kernel
def _stands_nearer(history: Int32Array, b: int) -> bool:
    for nearer in range(b):  # noqa: SIM110 - numba compiles no generator expressions
        if history[nearer] == history[b]:
            return True
    return False


@hot_kernel
def look_at(history: Int32Array, n_history: int) -> tuple[int, np.uint64]:
    """The context of a history (latest first, negative: gone; n_history ≥ 1), and a bit for each of its N_BACK nearest
    places at which a live item stands for the last time."""
    habit = NO_RETURN
    last_places = np.uint64(0)
    seen = np.uint64(0)  # a bit for each item nearer, by its row number modulo 64
    for b in range(min(n_history, N_BACK)):
        if history[b] < 0:
            continue
        bit = np.uint64(1) << np.uint64(history[b] & 63)
        if seen & bit != np.uint64(0) and _stands_nearer(history, b):
            if history[b] == history[0]:
                habit = LATEST_IS_RETURN
            elif habit == NO_RETURN:
                habit = EARLIER_RETURN
        else:
            last_places |= np.uint64(1) << np.uint64(b)
        seen |= bit
    return length_of(n_history) * N_HABITS + habit, last_places


@hot_kernel
def is_last_place(last_places: np.uint64, b: int) -> bool:
    return bool((last_places >> np.uint64(b)) & np.uint64(1) != np.uint64(0))


@hot_kernel
def learn_event(repeat: RepeatArrays, history: Int32Array, n_history: int, item: int, factor: float) -> int:
    """The event's item followed this history (latest first, n_history ≥ 1); steps are so many times longer than usual.

    Returns how many places back it stood, 0: nowhere.
    """
    context, last_places = look_at(history, n_history)
    step = step_after(repeat.n_events[context], factor)
    repeat.n_events[context] += 1
    back = 0
    for b in range(min(n_history, N_BACK)):
        if is_last_place(last_places, b):
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
    context, last_places = look_at(history, n_history)
    n = 0
    for b in range(min(n_history, N_BACK)):
        if not is_last_place(last_places, b):
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
