"""Shares, means of periods and intervals, against what can be counted by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from consumer.evaluation.answers import Answers, joined
from consumer.evaluation.figures import Figures, figures_of
from consumer.learning import quality


def answers(
    ranks: Sequence[int], sessions: Sequence[int] | None = None, periods: Sequence[int] | None = None
) -> Answers:
    """The ensemble's places; every other member lists nothing."""
    n = len(ranks)
    all_ranks = np.zeros((n, len(quality.MEMBERS)), np.uint8)
    all_ranks[:, 0] = ranks
    return Answers(
        ranks=all_ranks,
        is_repeat=np.zeros(n, np.uint8),
        event_type=np.zeros(n, np.int16),
        session=np.array(sessions or range(n), np.uint64),
        period=np.array(periods or [0] * n, np.int64),
    )


def ensemble(found: Answers, *, averages_periods: bool = False) -> Figures:
    return figures_of(found, averages_periods=averages_periods)[0]


def test_places_become_recall_and_reciprocal_rank() -> None:
    figures = ensemble(answers([1, 10, 11, 20, 0]))
    assert figures.recall_10.value == pytest.approx(2 / 5)
    assert figures.recall_20.value == pytest.approx(4 / 5)
    assert figures.mrr_20.value == pytest.approx((1 + 1 / 10 + 1 / 11 + 1 / 20) / 5)


def test_every_member_has_its_own_figures() -> None:
    found = figures_of(answers([1, 2]), averages_periods=False)
    assert [figures.member for figures in found] == list(quality.MEMBERS)
    assert [figures.recall_20.value for figures in found] == [1.0, *[0.0] * (len(found) - 1)]


def test_a_member_that_was_not_asked_has_none() -> None:
    found = answers([1, 2])
    found.ranks[:, 1] = 255
    assert [figures.member for figures in figures_of(found, averages_periods=False)] == [
        member for m, member in enumerate(quality.MEMBERS) if m != 1
    ]


def test_periods_count_alike_however_many_questions_they_have() -> None:
    found = answers([1, 0, 0, 0, 1, 1], periods=[1, 1, 1, 1, 3, 3])
    assert ensemble(found).recall_20.value == pytest.approx(3 / 6)
    assert ensemble(found, averages_periods=True).recall_20.value == pytest.approx((1 / 4 + 1) / 2)


def test_the_interval_is_that_of_so_many_sessions() -> None:
    rng = np.random.default_rng(5)
    hits = (rng.random(2_000) < 0.3).astype(int)
    measured = ensemble(answers(hits.tolist())).recall_20
    half = 1.96 * np.sqrt(0.3 * 0.7 / 2_000)
    assert measured.value - measured.low == pytest.approx(half, rel=0.2)
    assert measured.high - measured.value == pytest.approx(half, rel=0.2)


def test_questions_of_one_session_are_no_independent_evidence() -> None:
    hits = [1, 0] * 50
    alone = ensemble(answers([h for h in hits for _ in range(20)])).recall_20
    together = ensemble(answers([h for h in hits for _ in range(20)], [s for s in range(100) for _ in range(20)]))
    assert together.recall_20.high - together.recall_20.low > 3 * (alone.high - alone.low)


def test_the_same_answers_give_the_same_interval() -> None:
    assert ensemble(answers([1, 0, 3] * 9)) == ensemble(answers([1, 0, 3] * 9))


def test_without_a_question_there_are_no_figures() -> None:
    assert figures_of(joined([]), averages_periods=True) == []
