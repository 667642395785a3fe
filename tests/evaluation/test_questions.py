"""Which events are asked about, against sessions worked out by hand."""

from __future__ import annotations

import numpy as np

from consumer.evaluation.questions import EveryEvent, PublishedQuestions, cuts, periods
from consumer.learning.trials import NOTHING
from consumer.messages import Int64Array
from tests.streams import Event, admitted, part_of_admitted


def asked_and_known(rows: list[tuple[int, str, str]]) -> tuple[list[str], list[str]]:
    """Of (period, user, item) rows: those asked about and those on known items, as "user item"."""
    batch = admitted([Event(item, user) for _, user, item in rows])
    period: Int64Array = np.array([p for p, _, _ in rows])
    found = PublishedQuestions().about(batch, period, np.ones(len(rows), np.uint8))
    names = [f"{user} {item}" for _, user, item in rows]
    return (
        [name for name, asked in zip(names, found.asked, strict=True) if asked != NOTHING],
        [name for name, known in zip(names, found.known, strict=True) if known],
    )


def test_nothing_is_asked_in_the_first_period() -> None:
    assert asked_and_known([(0, "ann", "a"), (0, "ann", "b"), (0, "ann", "a")]) == ([], [])


def test_items_of_earlier_periods_are_asked_about_but_the_first_of_a_session() -> None:
    rows = [(0, "eve", "a"), (0, "eve", "b"), (1, "ann", "a"), (1, "bob", "b"), (1, "ann", "b"), (1, "bob", "b")]
    assert asked_and_known(rows) == (["ann b", "bob b"], ["ann a", "bob b", "ann b", "bob b"])


def test_a_new_item_is_left_out_as_if_it_had_not_happened() -> None:
    rows = [(0, "eve", "a"), (0, "eve", "b"), (1, "ann", "new"), (1, "ann", "a"), (1, "ann", "new"), (1, "ann", "b")]
    assert asked_and_known(rows) == (["ann b"], ["ann a", "ann b"])


def test_an_item_is_known_from_the_period_after_its_first_one() -> None:
    rows = [(0, "eve", "a"), (1, "ann", "a"), (1, "ann", "b"), (2, "bob", "a"), (2, "bob", "b")]
    assert asked_and_known(rows) == (["bob b"], ["ann a", "bob a", "bob b"])


def test_a_session_that_names_itself_ends_where_another_begins() -> None:
    rows = [Event("a", session="s-0"), Event("a", session="s-1"), Event("a", session="s-2"), Event("a", session="s-1")]
    found = PublishedQuestions().about(admitted(rows), np.array([0, 1, 1, 1]), np.ones(4, np.uint8))
    assert (found.asked != NOTHING).tolist() == [False, False, False, True]


def test_records_that_enter_no_history_are_not_asked_about() -> None:
    batch = admitted([Event("a"), Event("a"), Event("a")])
    enters = np.array([1, 0, 1], np.uint8)
    for questions in (EveryEvent(), PublishedQuestions()):
        found = questions.about(batch, np.array([0, 1, 2]), enters)
        assert found.asked[1] == NOTHING
        assert found.known[1] == 0


def test_many_items_and_sessions_are_remembered_across_batches() -> None:
    n = 10_000
    first, second = ([Event(f"i-{i}", f"{period}-{i // 2}") for i in range(n)] for period in ("a", "b"))
    batch, questions = admitted([*first, *second]), PublishedQuestions()
    ones = np.ones(n, np.uint8)
    assert not questions.about(part_of_admitted(batch, 0, n), np.zeros(n, np.int64), ones).asked.any()
    found = questions.about(part_of_admitted(batch, n, 2 * n), np.ones(n, np.int64), ones)
    assert found.known.all()
    assert (found.asked != NOTHING).tolist() == [False, True] * (n // 2)


def test_periods_begin_with_the_first_event() -> None:
    watermarks = np.array([0, 1_000, 1_999, 2_000, 4_500])
    assert periods(watermarks, 1_000, 1_000).tolist() == [0, 0, 0, 1, 3]


def test_runs_of_one_period_are_cut_where_it_changes() -> None:
    assert cuts(np.array([0, 0, 2, 3, 3])) == [(0, 2), (2, 3), (3, 5)]
    assert cuts(np.zeros(0, np.int64)) == []
