"""The limit of dead letters against a plain recount, however the records are cut into batches."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.messages import EventBatch, Outcome
from consumer.settings import DeadLetterLimit
from tests.streams import Event, event_batch, part_of_events

GOOD, BAD, EMPTY = int(Outcome.ADMITTED), int(Outcome.WRONG_TYPE), int(Outcome.TOMBSTONE)


def batch(outcomes: list[int]) -> EventBatch:
    events = event_batch([Event("lamp")] * len(outcomes))
    events.outcome[:] = outcomes
    return events


def plain_limit(outcomes: list[int], limit: DeadLetterLimit) -> int:
    """How many records may be taken, counted one by one."""
    in_a_row = n_records = n_letters = 0
    for i, outcome in enumerate(outcomes):
        if outcome == EMPTY:
            continue
        if n_records == limit.ratio_window:
            n_records = n_letters = 0
        if outcome == BAD:
            in_a_row += 1
            n_letters += 1
            if in_a_row > limit.max_in_a_row or n_letters > limit.max_ratio * limit.ratio_window:
                return i
        else:
            in_a_row = 0
        n_records += 1
    return len(outcomes)


streams = st.lists(st.sampled_from([GOOD, BAD, EMPTY]), max_size=60)
limits = st.builds(
    DeadLetterLimit,
    max_in_a_row=st.integers(1, 6),
    max_ratio=st.sampled_from([0.1, 0.3, 0.5, 1.0]),
    ratio_window=st.integers(1, 20),
)


@given(streams, limits, st.lists(st.integers(0, 60), max_size=4))
def test_it_stops_where_a_plain_count_stops_however_the_stream_is_cut(
    outcomes: list[int], limit: DeadLetterLimit, cuts: list[int]
) -> None:
    budget, whole = DeadLetterBudget(limit), batch(outcomes)
    bounds = sorted({0, len(outcomes), *(c for c in cuts if c < len(outcomes))})
    taken = 0
    for start, end in itertools.pairwise(bounds):
        n = budget.take(part_of_events(whole, start, end))
        taken += n
        if n < end - start:
            break
    assert taken == plain_limit(outcomes, limit)


def test_asked_again_in_front_of_the_same_record_it_stops_again() -> None:
    budget = DeadLetterBudget(DeadLetterLimit(max_in_a_row=3))
    assert budget.take(batch([GOOD, BAD, BAD, BAD, BAD, BAD])) == 4
    assert budget.take(batch([BAD, BAD])) == 0
    assert "more than 3 in a row" in budget.complaint()


def test_a_good_record_ends_the_row() -> None:
    budget = DeadLetterBudget(DeadLetterLimit(max_in_a_row=3, max_ratio=1.0))
    assert budget.take(batch([BAD, BAD, BAD, GOOD] * 5)) == 20


def test_the_complaint_about_the_share_names_its_settings() -> None:
    budget = DeadLetterBudget(DeadLetterLimit(max_in_a_row=100, max_ratio=0.2, ratio_window=10))
    assert budget.take(batch([BAD, GOOD, BAD, GOOD, BAD])) == 4
    assert "20% of a window of 10 records (input.dead_letters.max_ratio, ratio_window)" in budget.complaint()


def test_its_counts_survive_a_restart() -> None:
    limit = DeadLetterLimit(max_in_a_row=3)
    first, second = DeadLetterBudget(limit), DeadLetterBudget(limit)
    first.take(batch([BAD, BAD]))
    second.restore({name: np.array(values) for name, values in first.small().items()})
    assert second.take(batch([BAD, BAD])) == 1
