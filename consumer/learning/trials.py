"""Offline tests: the learning pass with questions in front of its events, and questions to a state that stands still.

A question asks where the item of an event stands in each list for its user's history, just before the event is learned.
Answers go into columns beside the batch, so a pass that stops for room asks again and writes the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.learning import quality
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import DONE, NEEDS_USERS, Columns, Limits, State
from consumer.learning.quality import WINDOW, QualityArrays
from consumer.learning.rows import evict, needs_user_room, user_of
from consumer.learning.sampling import rank_next
from consumer.messages import UInt8Array
from consumer.models import histories, linear_model, recency_index
from consumer.models.recency_index import NONE

# What is asked about a record.
NOTHING = 0
ALWAYS = 1  # who has no history, or an item that is not known, is a miss
WITH_HISTORY = 2


class Trials(NamedTuple):
    """Questions about the records of a batch, and their answers."""

    asked: UInt8Array  # (n,) NOTHING, ALWAYS or WITH_HISTORY; NOTHING where the record doesn't enter a history
    known: UInt8Array  # (n,) 1: enters a history, on an item that counts as known; 0: not for a state that stands still
    was_asked: UInt8Array  # (n,) answer: 1 where there was a question
    is_repeat: UInt8Array  # (n,) answer: 1 where it is the item just before it
    ranks: UInt8Array  # (n, quality.MEMBERS) answer: place in each list, 1 … quality.CUTOFF; 0: not there
    scratch: QualityArrays  # working memory


def allocate(asked: UInt8Array, known: UInt8Array) -> Trials:
    n = len(asked)
    return Trials(
        asked=asked,
        known=known,
        was_asked=np.zeros(n, np.uint8),
        is_repeat=np.zeros(n, np.uint8),
        ranks=np.zeros((n, len(quality.MEMBERS)), np.uint8),
        scratch=quality.allocate(),
    )


@hot_kernel
def _ask(testing: State, columns: Columns, trials: Trials, i: int, item: int, user: int) -> None:
    """`testing` is the state with `trials.scratch` as its quality."""
    history = testing.work.history
    n_history = 0
    if user != NONE:
        n_history = histories.latest_first(testing.histories, user, testing.items.is_live, history)
    if n_history == 0 and trials.asked[i] == WITH_HISTORY:
        return
    trials.was_asked[i] = 1
    if n_history == 0 or item == NONE:
        return
    trials.is_repeat[i] = 1 if history[0] == item else 0
    last_kind = linear_model.last_kind_of(testing.ensemble.linear, user)
    rank_next(testing, n_history, last_kind, item, columns.time_ms[i], True, True)
    place = (trials.scratch.n_samples[0] - 1) % WINDOW
    for member in range(trials.ranks.shape[1]):
        trials.ranks[i, member] = trials.scratch.ranks[place, member]


@hot_kernel
def test_then_learn(
    state: State, testing: State, limits: Limits, columns: Columns, trials: Trials, start: int, stop: int
) -> tuple[int, int]:
    """A pass that asks, then learns, event by event. `testing`: the same state with `trials.scratch` as its quality."""
    while start < stop:
        if trials.asked[start] != NOTHING:
            evict(state, limits, columns.watermark_ms[start])
            item = recency_index.find(state.items, columns.item_key[start, 0], columns.item_key[start, 1])
            user = recency_index.find(state.users, columns.user_key[start, 0], columns.user_key[start, 1])
            _ask(testing, columns, trials, start, item, user)
        end = start + 1
        while end < stop and trials.asked[end] == NOTHING:
            end += 1
        start, why = learn_events(state, limits, columns, start, end)
        if why != DONE:
            return start, why
    return stop, DONE


@hot_kernel
def ask_only(
    state: State, testing: State, limits: Limits, columns: Columns, trials: Trials, start: int, stop: int
) -> tuple[int, int]:
    """A pass that asks a state of which only the users' histories move on. Records on unknown items are left out."""
    for i in range(start, stop):
        if trials.known[i] == 0:
            continue
        if needs_user_room(state.users, limits):
            return i, NEEDS_USERS
        item = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
        user = user_of(
            state.users, state.histories, state.ensemble.linear, limits, columns.user_key[i, 0], columns.user_key[i, 1]
        )
        if trials.asked[i] != NOTHING:
            _ask(testing, columns, trials, i, item, user)
        time_ms = columns.time_ms[i]
        session = histories.session_of(state.histories, user, columns.session_key[i], time_ms, limits.session_gap_ms)
        names_session = columns.session_key[i] != np.uint64(0)
        histories.push(state.histories, user, item, session, names_session, time_ms)
        linear_model.note_kind(state.ensemble.linear, user, columns.event_type[i])
        recency_index.touch(state.users, user, time_ms)
    return stop, DONE
