from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.telemetry.catalogue import BATCH_UPDATE, EVENT_TO_UPDATE, Metric
from consumer.telemetry.histogram import ArrayHistogram

BOUNDS = EVENT_TO_UPDATE.buckets
ages = st.one_of(
    st.floats(-5, 120, allow_nan=False),
    st.sampled_from(BOUNDS),
    st.sampled_from([math.nextafter(bound, math.inf) for bound in BOUNDS]),
    st.sampled_from([0.0, -0.0]),
)


@given(batches=st.lists(st.lists(ages, max_size=40), max_size=8))
def test_cumulative_counts_and_sums_are_those_of_counting_one_by_one(batches: list[list[float]]) -> None:
    histogram = ArrayHistogram(EVENT_TO_UPDATE)
    for batch in batches:
        histogram.add(histogram.tally(np.array(batch)), "live")

    clamped = [max(0.0, age) for batch in batches for age in batch]
    value = histogram.copy()["live",]
    assert value.cumulative.tolist() == [sum(age <= bound for age in clamped) for bound in (*BOUNDS, math.inf)]
    assert value.total == pytest.approx(math.fsum(clamped))


@given(batch=st.lists(ages, max_size=40))
def test_values_below_zero_are_counted(batch: list[float]) -> None:
    assert ArrayHistogram(EVENT_TO_UPDATE).tally(batch).n_below_zero == sum(age < 0 for age in batch)


@given(batch=st.lists(ages, max_size=40), cut=st.integers(0, 40))
def test_how_values_are_cut_into_batches_changes_no_count(batch: list[float], cut: int) -> None:
    whole, parts = ArrayHistogram(EVENT_TO_UPDATE), ArrayHistogram(EVENT_TO_UPDATE)
    whole.add(whole.tally(batch), "live")
    for part in (batch[:cut], batch[cut:]):
        parts.add(parts.tally(part), "live")
    assert whole.copy()["live",].cumulative.tolist() == parts.copy()["live",].cumulative.tolist()


def test_a_value_on_a_bound_counts_as_up_to_that_bound() -> None:
    histogram = ArrayHistogram(Metric("h", "histogram", "h", buckets=(1.0, 2.0)))
    histogram.add(histogram.tally([1.0, 2.0]))
    assert histogram.copy()[()].cumulative.tolist() == [1, 2, 2]


def test_phases_are_counted_apart() -> None:
    histogram = ArrayHistogram(EVENT_TO_UPDATE)
    histogram.add(histogram.tally([0.1, 0.2]), "catch_up")
    counted = {labels: int(value.cumulative[-1]) for labels, value in histogram.copy().items()}
    assert counted == {("live",): 0, ("catch_up",): 2}


def test_a_copy_does_not_follow_what_comes_later() -> None:
    histogram = ArrayHistogram(BATCH_UPDATE)
    before = histogram.copy()[()]
    histogram.add(histogram.tally([1.0]))
    assert (int(before.cumulative[-1]), before.total) == (0, 0.0)


def test_the_values_given_are_not_changed() -> None:
    values = np.array([-1.0, 1.0])
    ArrayHistogram(EVENT_TO_UPDATE).tally(values)
    assert values.tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused_before_it_spoils_the_sum(wrong: float) -> None:
    with pytest.raises(ValueError, match="freshrank_event_to_update_seconds: the values must be finite"):
        ArrayHistogram(EVENT_TO_UPDATE).tally([0.1, wrong])
