"""The arithmetic by which the suite judges: held against the slow recount, and it has to notice what is wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.chaos.ledger import Kind, Ledger
from tests.end_to_end.recount import net_counts

HALF_LIVES_S = (3_600.0, 86_400.0)
AS_OF = "2026-09-21T18:00:00Z"


def filled(n: int = 600) -> Ledger:
    ledger = Ledger(5, HALF_LIVES_S, 2)
    for i in range(n):
        ledger.next(i % 2)
    return ledger


def recounted(ledger: Ledger) -> list[float]:
    manifest: dict[str, Any] = {
        "model": {"constants": {"popularity": {"half_lives_s": HALF_LIVES_S}}, "totals": {"as_of": AS_OF}}
    }
    return [math.fsum(by) for by in zip(*net_counts(ledger.interactions(), manifest).values(), strict=True)]


def test_totals_at_the_end_are_those_of_the_recount() -> None:
    ledger = filled()
    assert ledger.totals(ledger.ends(), AS_OF) == pytest.approx(recounted(ledger))


def test_what_was_lost_counts_for_nothing_wherever_one_asks() -> None:
    ledger = filled()
    before, whole = ledger.totals({0: 10, 1: 300}, AS_OF), ledger.totals(ledger.ends(), AS_OF)
    ledger.lose(0, 10, 200)
    assert ledger.totals({0: 10, 1: 300}, AS_OF) == pytest.approx(before)
    assert ledger.totals({0: 200, 1: 300}, AS_OF) == pytest.approx(before)
    assert ledger.totals(ledger.ends(), AS_OF) == pytest.approx(recounted(ledger))
    assert ledger.totals(ledger.ends(), AS_OF)[0] < whole[0]


def test_one_event_more_or_less_shows_in_the_totals() -> None:
    ledger = filled()
    ends = ledger.ends()
    totals = ledger.totals(ends, AS_OF)
    event = next(n for n in range(ends[0] - 1, 0, -1) if ledger.kind(0, n) is Kind.EVENT)
    assert ledger.totals({**ends, 0: event}, AS_OF) != pytest.approx(totals, rel=1e-9)


def test_letters_that_are_missing_doubled_or_of_good_events_are_named() -> None:
    ledger = filled()
    ends = ledger.ends()
    places = [(p, n) for p in ends for n in range(ends[p])]
    broken = [place for place in places if ledger.kind(*place) is Kind.BROKEN]
    good = next(place for place in places if ledger.kind(*place) is Kind.EVENT)
    assert ledger.misplaced_letters(broken) == {}
    assert ledger.misplaced_letters(broken[1:]) == {"missing": broken[:1]}
    assert ledger.misplaced_letters([*broken, broken[0]]) == {"written twice": broken[:1]}
    assert ledger.misplaced_letters([*broken, good]) == {"in the model too": [good]}


def test_of_what_was_lost_a_letter_may_be_there_or_not() -> None:
    ledger = filled()
    ends = ledger.ends()
    broken = [(p, n) for p in ends for n in range(ends[p]) if ledger.kind(p, n) is Kind.BROKEN]
    p, n = broken[0]
    ledger.lose(p, n, n + 1)
    assert ledger.misplaced_letters(broken) == ledger.misplaced_letters(broken[1:]) == {}


def test_the_same_seed_gives_the_same_stream() -> None:
    one, other = Ledger(5, HALF_LIVES_S, 1), Ledger(5, HALF_LIVES_S, 1)
    assert [one.next(0) for _ in range(300)] == [other.next(0) for _ in range(300)]


def test_a_cut_never_falls_between_an_event_and_its_repetition() -> None:
    ledger = filled()
    repetition = next(n for n in range(ledger.ends()[0]) if ledger.kind(0, n) is Kind.DUPLICATE)
    assert ledger.cut_near(0, repetition) == repetition + 1
    assert ledger.cut_near(0, repetition - 1) == repetition - 1
