"""Stage (a) of the fusion: the union of the members' lists, its order, what is learned, and who is muted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.models import item_to_item, logit
from consumer.models.item_to_item import COUNT_TOTAL, LANDMARK_MS, N_RANKED
from consumer.models.logit import (
    COUNT,
    EACH,
    FIRST_JUDGE,
    HEAD,
    ITEM_FEATURES,
    ITEM_TO_ITEM,
    JUDGED_LIMIT,
    LATEST,
    LINEAR,
    MEMBERS,
    N_FEATURES,
    PENANCE,
    RISING,
    SECOND_HOP,
    SESSION_KNN,
    YOUNG,
    LogitArrays,
    Pool,
)

N_ITEMS = 300
IS_LIVE = np.ones(N_ITEMS, np.uint8)
IS_LIVE[-1] = 0

Ranking = Sequence[tuple[int, float]]


def pool_of(*lists: Ranking) -> Pool:
    """What the members proposed, in their order."""
    pool = logit.allocate_pool()
    for member, ranking in enumerate(lists):
        pool.proposed[member, : len(ranking)] = [item for item, _ in ranking]
        pool.scores[member, : len(ranking)] = [score for _, score in ranking]
        logit.take(pool, member, len(ranking), IS_LIVE)
    return pool


def ordered(arrays: LogitArrays, pool: Pool) -> list[int]:
    listed = np.zeros(N_RANKED, np.int32)
    logit.gather(arrays, pool, len(MEMBERS))
    n = logit.order(arrays, pool, listed)
    return [int(item) for item in listed[:n]]


def features(lists: Sequence[Ranking]) -> dict[int, list[float]]:
    """As the docstring says, in plain Python."""
    found: dict[int, list[float]] = {}
    for item in {item for ranking in lists for item, _ in ranking}:
        found[item] = []
        for ranking in lists:
            places = [place for place, (listed, _) in enumerate(ranking) if listed == item]
            ratio = ranking[places[0]][1] / ranking[0][1] if places else 0.0
            found[item] += [math.log(ratio + 0.001) + 6.9, math.sqrt(ratio), 1 / (places[0] + 1) if places else 0.0]
        for _ in MEMBERS[len(lists) :]:
            found[item] += [math.log(0.001) + 6.9, 0.0, 0.0]
        # nobody judges, nor are the items described
        found[item] += [0.0] * (1 + len(ITEM_FEATURES))
    return found


def heads(lists: Sequence[Ranking]) -> set[int]:
    """The candidates that one learns about."""
    return {item for ranking in lists for item, _ in ranking[:HEAD]}


def utilities(lists: Sequence[Ranking], weights: Sequence[float]) -> dict[int, float]:
    return {item: sum(w * x for w, x in zip(weights, xs, strict=True)) for item, xs in features(lists).items()}


@st.composite
def rankings(draw: st.DrawFn) -> list[tuple[int, float]]:
    items = draw(st.lists(st.integers(0, 40), unique=True, max_size=30))
    scores = draw(st.lists(st.floats(1e-9, 1e3), min_size=len(items), max_size=len(items)))
    return list(zip(items, sorted(scores, reverse=True), strict=True))


WEIGHTS = st.lists(st.floats(-3.0, 3.0), min_size=N_FEATURES, max_size=N_FEATURES)


@given(rankings(), rankings(), WEIGHTS)
def test_candidates_are_the_union_ordered_by_utility(one: Ranking, other: Ranking, weights: list[float]) -> None:
    arrays = logit.allocate()
    arrays.weights[:] = weights
    expected = utilities([one, other], weights)
    found = ordered(arrays, pool_of(one, other))
    assert sorted(found) == sorted(expected)
    assert [expected[item] for item in found] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-9)


@given(rankings(), rankings())
def test_it_starts_as_item_to_item_alone(one: Ranking, other: Ranking) -> None:
    found = ordered(logit.allocate(), pool_of(one, other))
    distinct = len({score for _, score in one}) == len(one) and all(a > b * (1 + 1e-6) for a, b in _pairs(one))
    if distinct:
        assert found[: len(one)] == [item for item, _ in one]
    assert set(found[: len(one)]) == {item for item, _ in one}


def _pairs(ranking: Ranking) -> list[tuple[float, float]]:
    return [(a[1], b[1]) for a, b in pairwise(ranking)]


@given(rankings(), rankings(), WEIGHTS, st.integers(0, 45))
def test_a_sample_moves_the_weights_by_adagrad_along_the_gradient(
    one: Ranking, other: Ranking, weights: list[float], item: int
) -> None:
    arrays = logit.allocate()
    arrays.weights[:] = weights
    arrays.squares[:] = 2.0
    pool = pool_of(one, other)
    ordered(arrays, pool)
    logit.learn(arrays, pool, item, 0.03)
    head = heads([one, other])
    by_item, u = features([one, other]), utilities([one, other], weights)
    if item not in head:
        assert (arrays.weights.tolist(), int(arrays.n_learned[0])) == (weights, 0)
        return
    total = sum(math.exp(u[j]) for j in head)
    gradient = np.array(by_item[item]) - sum(math.exp(u[j]) / total * np.array(by_item[j]) for j in head)
    expected = np.array(weights) + 0.03 * gradient / np.sqrt(2.0 + gradient**2)
    assert arrays.weights == pytest.approx(expected, abs=1e-9)
    assert arrays.squares == pytest.approx(2.0 + gradient**2)
    assert arrays.n_learned[0] == 1


def test_learning_goes_over_to_the_member_that_is_right() -> None:
    rng, arrays = np.random.default_rng(1), logit.allocate()
    for _ in range(2_000):
        items = rng.permutation(60)
        pool = pool_of(_falling(items[:30]), _falling(items[30:]))
        ordered(arrays, pool)
        logit.learn(arrays, pool, int(items[30]), logit.STEP)
    items = rng.permutation(60)
    assert ordered(arrays, pool_of(_falling(items[:30]), _falling(items[30:])))[0] == items[30]


def test_learning_leaves_a_member_that_says_nothing_where_it_is() -> None:
    rng, arrays = np.random.default_rng(2), logit.allocate()
    for _ in range(500):
        pool = pool_of(_falling(rng.permutation(30)), [])
        ordered(arrays, pool)
        logit.learn(arrays, pool, int(pool.items[rng.integers(3)]), logit.STEP)
    assert arrays.weights[EACH * SESSION_KNN : FIRST_JUDGE] == pytest.approx(0.0, abs=1e-9)


def _falling(items: Iterable[int]) -> Ranking:
    return [(int(item), 1.0 / (place + 1)) for place, item in enumerate(items)]


GOOD: Ranking = [(1, 2.0), (2, 1.0)]
NONSENSE = {
    "a score that is not a number": [(1, math.nan)],
    "an infinite score": [(1, math.inf), (2, 1.0)],
    "a score that is not above 0": [(1, 1.0), (2, 0.0)],
    "rising scores": [(1, 1.0), (2, 2.0)],
    "an item that is gone": [(N_ITEMS - 1, 1.0)],
    "a row that is not there": [(N_ITEMS, 1.0)],
    "a negative row": [(-1, 1.0)],
}


@pytest.mark.parametrize("what", NONSENSE)
def test_a_member_with_nonsense_is_muted_and_comes_back_when_it_behaved(what: str) -> None:
    arrays = logit.allocate()
    arrays.weights[EACH * SESSION_KNN] = 5.0
    pool = pool_of(GOOD, NONSENSE[what])
    assert ordered(arrays, pool) == [1, 2]
    logit.note_faults(arrays, pool)
    for _ in range(PENANCE):
        behaving = pool_of(GOOD, [(7, 1.0)])
        assert ordered(arrays, behaving) == [1, 2]
        logit.note_faults(arrays, behaving)
    assert ordered(arrays, pool_of(GOOD, [(7, 1.0)])) == [7, 1, 2]
    assert arrays.n_faults.tolist() == [0, 1, 0, 0]


def test_a_member_that_gives_up_is_muted_and_a_relapse_starts_its_penance_anew() -> None:
    arrays = logit.allocate()
    for _ in range(3):
        pool = pool_of(GOOD, GOOD)
        logit.take(pool, SESSION_KNN, -1, IS_LIVE)
        logit.note_faults(arrays, pool)
        logit.note_faults(arrays, pool_of(GOOD, GOOD))
    assert arrays.n_faults.tolist() == [0, 3, 0, 0]
    assert arrays.penance.tolist() == [0, PENANCE - 1, 0, 0]


def test_where_item_to_item_is_muted_the_others_go_on() -> None:
    arrays = logit.allocate()
    arrays.weights[EACH * SESSION_KNN] = 0.1
    pool = pool_of(NONSENSE["an infinite score"], [(7, 2.0), (8, 1.0)])
    assert ordered(arrays, pool) == [7, 8]
    logit.note_faults(arrays, pool)
    assert arrays.penance[ITEM_TO_ITEM] == PENANCE


def test_no_more_than_a_list_is_ordered_however_many_candidates_there_are() -> None:
    lists = [_falling(range(N_RANKED * m, N_RANKED * (m + 1))) for m in range(len(MEMBERS))]
    found = ordered(logit.allocate(), pool_of(*lists))
    assert found == list(range(N_RANKED))


DAY_MS = 86_400_000.0


def test_the_items_features_are_those_of_the_formulas() -> None:
    i2i = item_to_item.allocate(3, 8, time_constant_s=86_400.0)
    i2i.totals[LANDMARK_MS], i2i.totals[COUNT_TOTAL] = 0.0, 40.0
    i2i.counts[:] = 10.0, 0.0, 30.0
    arrays, pool = logit.allocate(), pool_of([(0, 2.0), (2, 1.0)], [(1, 1.0)])
    pool.parts[:2] = [[0.25, 0.5], [1.0, 0.0]]
    logit.gather(arrays, pool, len(MEMBERS))
    assert pool.items[:3].tolist() == [0, 2, 1]
    pool.share[:3] = 0.5, np.nan, 0.1
    logit.describe_items(pool, i2i, DAY_MS)
    fresh = math.exp(-1.0)
    rising = [math.log((0.5 * 40 * fresh + 3) / (10 * fresh + 3)), 0.0, math.log((0.1 * 40 * fresh + 3) / 3)]
    assert pool.features[:3, RISING] == pytest.approx(rising)
    assert pool.features[:3, COUNT] == pytest.approx([math.log(c * fresh + 3) for c in (10, 30, 0)])
    assert pool.features[:3, LATEST].tolist() == [0.25, 1.0, 0.0]
    assert pool.features[:3, SECOND_HOP].tolist() == [0.5, 0.0, 0.0]


def test_a_stream_where_the_second_hop_misleads_learns_to_distrust_it() -> None:
    rng, arrays = np.random.default_rng(3), logit.allocate()
    for _ in range(1_000):
        pool = pool_of(_falling(rng.permutation(10)))
        second_hop = rng.random(10) < 0.5
        pool.parts[:10, item_to_item.SECOND_HOP_PART] = second_hop
        ordered(arrays, pool)
        logit.learn(arrays, pool, int(pool.proposed[0, int(np.argmin(second_hop))]), logit.STEP)
    assert arrays.weights[SECOND_HOP] < -0.5


def test_a_feature_that_is_no_number_teaches_nothing() -> None:
    arrays, pool = logit.allocate(), pool_of(GOOD)
    ordered(arrays, pool)
    pool.features[0, RISING] = np.nan
    before = arrays.weights.copy()
    logit.learn(arrays, pool, 1, logit.STEP)
    assert np.array_equal(arrays.weights, before)
    assert arrays.n_learned[0] == 0


def judged(arrays: LogitArrays, pool: Pool, judgement: Callable[[int], float]) -> list[int]:
    """The order where `linear` says this of each item."""
    listed = np.zeros(N_RANKED, np.int32)
    logit.gather(arrays, pool, len(MEMBERS))
    for c in range(int(pool.n_items[0])):
        pool.judged[c] = judgement(int(pool.items[c]))
    logit.take_judgement(arrays, pool, LINEAR)
    n = logit.order(arrays, pool, listed)
    return [int(item) for item in listed[:n]]


def test_a_judgement_says_nothing_until_it_was_found_right() -> None:
    lists = [_falling(range(20)), _falling(range(5, 25))]
    alone = ordered(logit.allocate(), pool_of(*lists))
    assert judged(logit.allocate(), pool_of(*lists), float) == alone


def test_learning_goes_over_to_a_judge_that_is_right() -> None:
    rng, arrays = np.random.default_rng(3), logit.allocate()
    for _ in range(1_000):
        items = rng.permutation(60)
        pool = pool_of(_falling(items[:30]), _falling(items[30:]))
        best = int(max(items))
        judged(arrays, pool, lambda item: item / 10.0)
        logit.learn(arrays, pool, best, logit.STEP)
    assert judged(arrays, pool_of(_falling(range(30)), _falling(range(30, 60))), lambda item: item / 10.0)[0] == 59


def test_a_judgement_counts_by_its_distance_from_the_mean_within_bounds() -> None:
    pool = pool_of(_falling([1, 2, 3]), [])
    judged(logit.allocate(), pool, lambda item: {1: 1.0, 2: 2.0, 3: 300.0}[item])
    assert pool.features[:3, FIRST_JUDGE].tolist() == [-JUDGED_LIMIT, -JUDGED_LIMIT, JUDGED_LIMIT]
    judged(logit.allocate(), pool, lambda item: 1.5 * item)
    assert pool.features[:3, FIRST_JUDGE].tolist() == [-1.5, 0.0, 1.5]


@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -math.inf])
def test_a_judge_that_talks_nonsense_is_muted_and_comes_back_when_it_behaved(nonsense: float) -> None:
    arrays = logit.allocate()
    arrays.weights[FIRST_JUDGE] = 20.0
    lists = [_falling([1, 2, 3]), _falling([4])]
    pool = pool_of(*lists)
    quiet = judged(arrays, pool, lambda item: nonsense if item == 2 else float(item))
    assert quiet == ordered(logit.allocate(), pool_of(*lists))
    logit.note_faults(arrays, pool)
    for _ in range(PENANCE):
        pool = pool_of(*lists)
        assert judged(arrays, pool, float) == quiet
        logit.note_faults(arrays, pool)
    assert judged(arrays, pool_of(*lists), float) == [4, 3, 2, 1]
    assert arrays.n_faults.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("n_learned", "factor", "times"),
    [(0, 10.0, 1.0), (YOUNG, 10.0, 1.0), (4 * YOUNG, 10.0, 2.0), (10**9, 10.0, 10.0), (10**9, 1.0, 1.0)],
)
def test_longer_steps_are_for_weights_whose_steps_have_become_short(
    n_learned: int, factor: float, times: float
) -> None:
    arrays = logit.allocate()
    arrays.n_learned[0] = n_learned
    assert logit.step_of(arrays, 0.03, factor) == pytest.approx(times * 0.03)
