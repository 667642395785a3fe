"""`neural`: examples to learn from, put aside by the learning pass, and a bounded reservoir of earlier ones.

An example is a history and the item outside it that came next. The pending ones make the next step and then go into the
reservoir, each into both of its halves: a ring of the latest, and places for the rare, so that what is seldom asked for
is not forgotten. Among those a hash sends an example to one place, where the greatest priority stays: ln(u)·(1 + count
of the target), u uniform. That is weighted sampling without replacement (Efraimidis and Spirakis 2006, "Weighted random
sampling with a reservoir") of one from each place's stream, by weights that fall with how often the target came.

Random numbers are hashes of what they are for: there is no generator whose state would have to be kept.
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import called_kernel, hot_kernel
from consumer.messages import Int32Array, UInt8Array
from consumer.models import neural
from consumer.models.negative_sampling import TWO_TO_THE_64, drawn, scattered
from consumer.models.neural import (
    LENGTH,
    N_ABSORBED,
    N_ASKED,
    N_LEFT_OUT,
    N_OVER_BUDGET,
    N_PENDING,
    N_UNASKED,
    NONE,
    QUERY_CREDIT,
    STEP_CREDIT,
    Examples,
    NeuralArrays,
    NeuralPlan,
)

ONE = 1_000
"""Credit that one step or query costs; an event brings as much as are allowed in a thousand events."""
MOST_QUERIES = 20 * ONE
"""Credit that may be saved up: samples come in clusters."""


@hot_kernel
def note_event(arrays: NeuralArrays, plan: NeuralPlan) -> None:
    """An event came: so much more may be done."""
    counts = arrays.counts
    counts[STEP_CREDIT] = min(counts[STEP_CREDIT] + plan.steps_a_thousand, ONE)
    counts[QUERY_CREDIT] = min(counts[QUERY_CREDIT] + plan.queries_a_thousand, MOST_QUERIES)


@hot_kernel
def is_step_due(arrays: NeuralArrays, plan: NeuralPlan) -> bool:
    """Whether a step has to be taken before anything else is learned."""
    counts = arrays.counts
    return neural.is_on(arrays) and bool(counts[N_PENDING] >= plan.n_pending and counts[STEP_CREDIT] >= ONE)


@hot_kernel
def may_ask(arrays: NeuralArrays) -> bool:
    """Whether another query is within the budget; it counts as asked, or as left out."""
    counts = arrays.counts
    if counts[QUERY_CREDIT] < ONE:
        counts[N_UNASKED] += 1
        return False
    counts[QUERY_CREDIT] -= ONE
    counts[N_ASKED] += 1
    return True


@hot_kernel
def learn_event(
    arrays: NeuralArrays,
    plan: NeuralPlan,
    history: Int32Array,
    n_history: int,
    item: int,
    count: float,
    user_key: np.uint64,
    session_key: np.uint64,
) -> None:
    """The item came after this history: put it aside, unless it is in there, or its session is none to train on.
    `count`: of the item, decayed, in units of one fresh event."""
    n_known = 0
    for b in range(n_history):
        if history[b] == item:
            return
        n_known += history[b] >= 0
    if n_known == 0:
        return
    examples, counts = arrays.examples, arrays.counts
    if scattered(session_key) > plan.session_end:
        counts[N_LEFT_OUT] += 1
        return
    place = counts[N_PENDING]
    if place >= plan.n_pending:
        counts[N_OVER_BUDGET] += 1
        return
    counts[N_PENDING] += 1
    for b in range(LENGTH):
        examples.history[place, b] = history[b] if b < n_history else NONE
    examples.target[place] = item
    examples.user[place] = user_key
    draw = scattered(np.uint64(counts[N_ABSORBED] + place) * np.uint64(0x9E3779B97F4A7C15) ^ np.uint64(1))
    uniform = (np.float64(draw) + 1.0) / (TWO_TO_THE_64 + 1.0)
    examples.priority[place] = np.log(uniform) * (1.0 + count)
    examples.dirty[place] = 1


@hot_kernel
def _copy(examples: Examples, place: int, to: int) -> None:
    for b in range(LENGTH):
        examples.history[to, b] = examples.history[place, b]
    examples.target[to] = examples.target[place]
    examples.user[to] = examples.user[place]
    examples.priority[to] = examples.priority[place]
    examples.dirty[to] = 1


@called_kernel
def absorb(arrays: NeuralArrays, n_pending: int) -> None:
    """Copy the pending examples into both halves of the reservoir. They stay pending until `clear_pending`."""
    examples = arrays.examples
    half = (len(examples.target) - n_pending) // 2
    for place in range(n_pending):
        if examples.target[place] == NONE:
            continue
        serial = arrays.counts[N_ABSORBED]
        arrays.counts[N_ABSORBED] += 1
        _copy(examples, place, n_pending + serial % half)
        rare = n_pending + half + drawn(np.uint64(serial), 0, half)
        if examples.target[rare] == NONE or examples.priority[place] > examples.priority[rare]:
            _copy(examples, place, rare)


@called_kernel
def clear_pending(arrays: NeuralArrays) -> None:
    """The step is done."""
    examples = arrays.examples
    for place in range(arrays.counts[N_PENDING]):
        examples.history[place, :] = NONE
        examples.target[place] = NONE
        examples.user[place] = 0
        examples.priority[place] = 0.0
        examples.dirty[place] = 1
    arrays.counts[N_PENDING] = 0
    arrays.counts[STEP_CREDIT] -= ONE


@called_kernel
def forget_items(examples: Examples, is_live: UInt8Array) -> None:
    """Drop items no longer live from the examples, before their rows are reused."""
    for place in range(len(examples.target)):
        target = examples.target[place]
        if target != NONE and not is_live[target]:
            examples.target[place] = NONE
            examples.dirty[place] = 1
        for b in range(LENGTH):
            item = examples.history[place, b]
            if item != NONE and not is_live[item]:
                examples.history[place, b] = NONE
                examples.dirty[place] = 1
