"""The gate's decisions, on evidence made up for each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.learning.gate import (
    LEAST_LOSS,
    LEVEL,
    MIN_PAIRS,
    RECALLED,
    Evidence,
    GatePolicy,
    Hold,
    Movement,
    Reason,
    Sums,
    allowed_share,
    is_worse,
    judge,
    log_likelihood,
)
from consumer.messages import Float64Array

POLICY = GatePolicy(share_per_hour=0.5)
NONE: Float64Array = np.zeros((0, 3))
GOOD = Evidence(
    not_finite="", sums=Sums(1.0, 0.0, 0.01, 10), pairs=NONE, recalled=NONE, movement=Movement(share=0.1, hours=0.5)
)


def pairs(n: int, *, mean: float, spread: float = 0.3, seed: int = 0) -> Float64Array:
    """Differences of that very mean in both columns, from a model whose reciprocal rank is always 0.5."""
    noise = np.random.default_rng(seed).normal(0.0, spread, (n, 2))
    return np.column_stack((noise - noise.mean(axis=0) + mean, np.full(n, 0.5)))


def reason(hold: Hold | None) -> Reason | None:
    return hold.reason if hold else None


def test_a_sound_version_passes() -> None:
    assert judge(GOOD, POLICY) is None


def test_an_empty_model_passes() -> None:
    assert judge(replace(GOOD, sums=None, movement=None), POLICY) is None


def test_a_number_that_is_not_finite_holds_and_is_named() -> None:
    hold = judge(replace(GOOD, not_finite="item_to_item.counts"), POLICY)
    assert hold == Hold(Reason.NOT_FINITE, "item_to_item.counts is not finite")


@pytest.mark.parametrize(("published", "waiting"), [(1.02, 0.0), (0.98, 0.0), (0.5, 0.1), (1.0, 0.3)])
def test_published_rows_that_do_not_add_up_hold(published: float, waiting: float) -> None:
    hold = judge(replace(GOOD, sums=Sums(published, waiting, 0.01, 10)), POLICY)
    assert reason(hold) is Reason.SUM


@given(waiting=st.floats(-1, 1), off=st.floats(-1, 1), allowed=st.floats(0.0, 0.05))
def test_rows_add_up_where_they_are_within_their_tolerances_of_1(waiting: float, off: float, allowed: float) -> None:
    sums = Sums(1.0 - waiting + off * allowed, waiting, allowed, 10)
    assert judge(replace(GOOD, sums=sums), POLICY) is None


def test_a_model_that_is_worse_holds_whatever_made_it_so() -> None:
    assert reason(judge(replace(GOOD, pairs=pairs(2_000, mean=-0.15)), POLICY)) is Reason.WORSE


def test_damage_done_at_once_is_not_diluted_by_the_pairs_before_it() -> None:
    late = np.concatenate((pairs(1_800, mean=0.05), pairs(200, mean=-0.3)))
    assert late[:, :2].mean() > 0.0
    assert reason(judge(replace(GOOD, pairs=late), POLICY)) is Reason.WORSE


def test_a_candidate_that_fails_on_what_it_has_just_learned_holds_at_once() -> None:
    before = pairs(MIN_PAIRS, mean=0.0)
    assert judge(replace(GOOD, pairs=before, recalled=pairs(RECALLED, mean=-0.2)), POLICY) is None
    assert reason(judge(replace(GOOD, pairs=before, recalled=pairs(RECALLED, mean=-0.4)), POLICY)) is Reason.WORSE


@given(n=st.integers(0, 2_000), mean=st.floats(0.0, 1.0), seed=st.integers(0, 2**32 - 1))
def test_a_model_that_is_no_worse_on_average_passes(n: int, mean: float, seed: int) -> None:
    assert not is_worse(pairs(n, mean=mean, seed=seed)[:, 0] if n else np.zeros(0), 0.0, LEVEL)


@given(n=st.integers(0, MIN_PAIRS - 1), mean=st.floats(-1.0, 0.0), seed=st.integers(0, 2**32 - 1))
def test_few_pairs_hold_nothing(n: int, mean: float, seed: int) -> None:
    evidence = replace(GOOD, pairs=pairs(n, mean=mean, seed=seed) if n else NONE)
    assert judge(evidence, POLICY) is None


@given(share=st.floats(0.0, 0.99))
def test_a_difference_too_small_to_matter_holds_nothing_however_sure_it_is(share: float) -> None:
    tiny = pairs(2_000, mean=-share * LEAST_LOSS * 0.5, spread=1e-9)
    assert judge(replace(GOOD, pairs=tiny), POLICY) is None


def test_equal_models_are_held_no_more_often_than_the_level_says() -> None:
    rng = np.random.default_rng(1)
    n_held = sum(is_worse(rng.normal(0.0, 0.3, 2_000), 0.0, LEVEL) for _ in range(3_000))
    assert n_held <= 3_000 * 2 * LEVEL


def test_pairs_of_which_one_side_is_not_known_are_left_out() -> None:
    unknown = pairs(2_000, mean=0.0)
    unknown[:, 1] = np.nan
    assert judge(replace(GOOD, pairs=unknown), POLICY) is None


@given(share=st.floats(0.0, 1.0), hours=st.floats(0.0, 100.0))
def test_share_may_move_by_the_event_time_that_passed_an_hour_at_once(share: float, hours: float) -> None:
    hold = judge(replace(GOOD, movement=Movement(share, hours)), POLICY)
    assert (hold is None) == (share <= 0.5 * max(1.0, hours))


@given(st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_more_event_time_never_allows_less(one: float, other: float) -> None:
    assert allowed_share(min(one, other), POLICY) <= allowed_share(max(one, other), POLICY)


def test_where_the_share_limit_does_not_apply_any_share_may_move() -> None:
    assert judge(replace(GOOD, movement=None), POLICY) is None


def test_no_item_is_impossible_to_the_log_likelihood() -> None:
    assert log_likelihood(np.array([0.0, 1.0]), 100) == pytest.approx(np.log([0.00001, 0.99901]))
    assert np.isnan(log_likelihood(np.array([np.nan]), 100)[0])
