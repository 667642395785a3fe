"""Lateness and the watermark, by example."""

from __future__ import annotations

import numpy as np

from consumer.events.admission import Admission
from consumer.messages import Outcome
from consumer.settings import Input
from tests.events.admissions import input_settings, outcomes, view
from tests.streams import START_MS, event_batch

HOUR_S = 3_600.0


def test_an_event_exactly_as_late_as_allowed_is_learned() -> None:
    assert outcomes(Admission(input_settings()), [view(100), view(40), view(39.999)])[1:] == [
        Outcome.ADMITTED,
        Outcome.LATE,
    ]


def test_a_redriven_event_is_never_late_but_may_be_a_duplicate() -> None:
    admission = Admission(input_settings())
    outcomes(admission, [view(0, event_id="a"), view(1_000)])
    outcomes(admission, [view(950, event_id="b")])
    again = [view(0, event_id="a"), view(0, event_id="b")]
    assert outcomes(admission, again, redriven=[0, 1]) == [Outcome.ADMITTED, Outcome.DUPLICATE]


def test_every_event_that_will_be_late_is_named_beforehand() -> None:
    admission = Admission(input_settings())
    events = event_batch([view(100), view(0), view(1_000, partition=1), view(39), view(41), view(200, partition=1)])
    candidates = admission.late_candidates(events).tolist()
    late = np.flatnonzero(admission.admit(events).outcome == Outcome.LATE).tolist()
    assert candidates == late == [1, 3, 5]


def test_naming_late_events_changes_nothing() -> None:
    admission = Admission(input_settings())
    outcomes(admission, [view(0, partition=2)])
    before = {name: array.tolist() for name, array in admission.small().items()}
    admission.late_candidates(event_batch([view(500, partition=2), view(0, partition=2)]))
    assert {name: array.tolist() for name, array in admission.small().items()} == before
    assert admission.n_ids == 1


def test_a_backlog_read_partition_after_partition_has_no_late_event() -> None:
    """Six hours over four partitions, each in order; the reader gets one partition whole before the next."""
    settings = Input()
    times_s = np.arange(0.0, 6 * HOUR_S, 10.0)
    admission = Admission(settings)
    for partition in range(4):
        assert set(outcomes(admission, [view(t, partition) for t in times_s])) == {Outcome.ADMITTED}


def test_a_backlog_in_disorder_is_late_only_against_its_own_partition() -> None:
    admission = Admission(input_settings(lateness_s=60))
    outcomes(admission, [view(6 * HOUR_S, partition=0)])
    assert outcomes(admission, [view(100, 1), view(41, 1), view(39, 1)]) == [
        Outcome.ADMITTED,
        Outcome.ADMITTED,
        Outcome.LATE,
    ]


def watermark_s(admission: Admission) -> float:
    assert admission.watermark_ms is not None
    return (admission.watermark_ms - START_MS) / 1000


def test_there_is_no_watermark_before_the_first_event() -> None:
    assert Admission(input_settings()).watermark_ms is None


def test_the_watermark_is_the_least_over_the_partitions() -> None:
    admission = Admission(input_settings())
    outcomes(admission, [view(0, 0), view(0, 1), view(100, 0), view(50, 1)])
    assert watermark_s(admission) == 50


def test_a_partition_idle_for_long_does_not_hold_the_watermark_back() -> None:
    admission = Admission(input_settings(idle_s=300))
    outcomes(admission, [view(0, 0), view(0, 1), view(300, 0)])
    assert watermark_s(admission) == 0
    outcomes(admission, [view(301, 0)])
    assert watermark_s(admission) == 301


def test_a_partition_that_was_behind_and_falls_idle_lets_the_watermark_go_at_once() -> None:
    admission = Admission(input_settings(idle_s=300))
    outcomes(admission, [view(1_000, 0), view(900, 1), view(1_100, 0), view(1_201, 0)])
    assert watermark_s(admission) == 1_201


def test_the_watermark_never_goes_back() -> None:
    admission = Admission(input_settings())
    outcomes(admission, [view(1_000, 0), view(10, 1), view(2_000, 2)])
    assert watermark_s(admission) == 2_000
