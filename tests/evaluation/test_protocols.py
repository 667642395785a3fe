"""Questions in front of the pass: they change nothing, and are answered as `recommend` would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from consumer.evaluation.protocols import Examination, Protocol
from consumer.evaluation.questions import EveryEvent, PublishedQuestions, Questions, SomeSessions
from consumer.learning import quality
from consumer.settings import Settings
from tests.learning.states import World
from tests.streams import START_MS, Event, admitted, busy_stream, cut, part_of_admitted, small_settings

PERIOD_S = 500.0
ENSEMBLE = quality.MEMBERS.index("ensemble")
Recommended = Callable[[Sequence[str | None], int], list[str]]


def small() -> Settings:
    return small_settings(evaluation={"sample_one_in": 3}, catalogue={"max_items": 500})


def stream() -> list[Event]:
    """In the order of time, of types that enter histories, one partition."""
    rows = [row for row in busy_stream(7, 900, 60, 25) if row.type != "remove_from_cart"]
    return [row._replace(at_s=5.0 * i, partition=0) for i, row in enumerate(rows)]


def examined(
    protocol: Protocol, rows: Sequence[Event], *, known_only: bool, places: Sequence[int] = (), one_in: int = 1
) -> Examination:
    questions: Questions = PublishedQuestions() if known_only else EveryEvent()
    if one_in > 1:
        questions = SomeSessions(questions, one_in)
    found = Examination(small(), protocol, questions, round(PERIOD_S * 1000))
    batch = admitted(rows)
    for start, stop in cut(len(rows), places):
        found.take(part_of_admitted(batch, start, stop))
    return found


def place(item: str, listed: Sequence[str]) -> int:
    return listed.index(item) + 1 if item in listed else 0


def expected_live(rows: Sequence[Event]) -> list[int]:
    """Place of every item in what a worker would recommend just before it learns it, for users with a history."""
    world, places = World(small()), []
    seen: set[str] = set()
    batch = admitted(rows)
    for i, row in enumerate(rows):
        if row.user in seen:
            places.append(place(row.item, world.merged(world.history(row.user), START_MS + round(row.at_s * 1000))))
        seen.add(row.user)
        world.learn(part_of_admitted(batch, i, i + 1))
    return places


def test_prequential_places_are_those_of_what_a_worker_would_recommend() -> None:
    rows = stream()
    answers = examined(Protocol.PREQUENTIAL, rows, known_only=False).answers()
    assert answers.ranks[:, ENSEMBLE].tolist() == expected_live(rows)


def test_periods_are_asked_of_what_was_learned_before_them() -> None:
    rows = stream()
    n_period = round(PERIOD_S / 5.0)
    start, stop = 4 * n_period, 5 * n_period
    answers = examined(Protocol.PERIODS, rows, known_only=True).answers()
    world = World(small()).learn(admitted(rows[:start]))
    known = {row.item for row in rows[:start]}
    histories = {row.user: world.history(row.user) for row in rows[:start]}
    sessions: set[str] = set()
    places = []
    for row in rows[start:stop]:
        if row.item not in known:
            continue
        session, history = row.session or row.user, histories.setdefault(row.user, [])
        if session in sessions:
            places.append(place(row.item, world.merged(history, START_MS + round(row.at_s * 1000))))
        sessions.add(session)
        if history[:1] != [row.item]:
            history.insert(0, row.item)
            del history[10:]
    assert answers.where(answers.period == 4).ranks[:, ENSEMBLE].tolist() == places
    assert sum(places) > 0


@pytest.mark.parametrize("protocol", Protocol)
def test_questions_leave_what_is_learned_alone(protocol: Protocol) -> None:
    rows = stream()
    found = examined(protocol, rows, known_only=True)
    plain = World(small()).learn(admitted(rows))
    assert all(array.tobytes() == plain.model.small()[name].tobytes() for name, array in found.model.small().items())
    assert all(
        array.tobytes() == plain.model.tables()[table].arrays[column].tobytes()
        for table, of_table in found.model.tables().items()
        for column, array in of_table.arrays.items()
    )


@pytest.mark.parametrize("protocol", Protocol)
def test_how_the_stream_is_cut_into_batches_changes_no_answer(protocol: Protocol) -> None:
    rows = stream()
    whole = examined(protocol, rows, known_only=True).answers()
    pieces = examined(protocol, rows, known_only=True, places=(1, 2, 99, 100, 101, 350)).answers()
    assert len(whole) > 100
    assert np.array_equal(whole.ranks, pieces.ranks)
    assert np.array_equal(whole.period, pieces.period)


def test_both_protocols_ask_the_same_questions() -> None:
    rows = stream()
    live, frozen = (examined(protocol, rows, known_only=True).answers() for protocol in Protocol)
    assert np.array_equal(live.period, frozen.period)
    assert np.array_equal(live.session, frozen.session)


@pytest.mark.parametrize("protocol", Protocol)
def test_of_some_sessions_the_same_is_asked_as_when_all_are(protocol: Protocol) -> None:
    rows = stream()
    every, some = (examined(protocol, rows, known_only=True, one_in=n).answers() for n in (1, 3))
    of_some = every.where(every.session % np.uint64(3) == 0)
    assert 0 < len(some) < len(every)
    assert np.array_equal(some.ranks, of_some.ranks)
    assert np.array_equal(some.session, of_some.session)


def test_an_item_that_just_repeats_is_noted() -> None:
    rows = [Event("a", at_s=0), Event("a", at_s=1), Event("b", at_s=2), Event("a", at_s=3)]
    answers = examined(Protocol.PREQUENTIAL, rows, known_only=False).answers()
    assert answers.is_repeat.tolist() == [1, 0, 0]


def test_time_is_told_per_event_and_question() -> None:
    rows = stream()
    spent = examined(Protocol.PERIODS, rows, known_only=True).spent
    assert spent.n_learned == len(rows)
    assert spent.n_asked > 0
