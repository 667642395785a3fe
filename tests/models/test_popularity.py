"""`popularity` against a recount of all events."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consumer.models import popularity
from consumer.models.popularity import MAX_EXPONENT, MIN_TOP_INTERVAL, MIXTURE_STEP, N_TOP, PopularityArrays
from tests.models.reference import Counted, Recount
from tests.streams import START_MS

HOUR_MS = 3_600_000
HALF_LIVES_S = (3_600.0, 86_400.0)
N_ITEMS = 5


class Learned:
    """The arrays of one `popularity`; an item is live from its first event on."""

    def __init__(self, capacity: int = N_ITEMS, half_lives_s: tuple[float, ...] = HALF_LIVES_S) -> None:
        self.arrays: PopularityArrays = popularity.allocate(capacity, half_lives_s)
        self.is_live = np.zeros(capacity, np.uint8)
        self.dirty = np.zeros(capacity, np.uint8)

    def learn(self, event: Counted) -> None:
        if self.is_live[event.item] and event.weight > 0:
            popularity.learn_mixture(self.arrays, int(self.is_live.sum()), event.item, event.weight, MIXTURE_STEP)
        self.count(event)

    def count(self, event: Counted) -> None:
        self.is_live[event.item] = 1
        popularity.learn_event(
            self.arrays, len(self.is_live), self.is_live, self.dirty, event.item, event.weight, event.time_ms
        )

    def forget(self, item: int) -> None:
        popularity.forget_item(self.arrays, item)
        self.is_live[item] = 0

    def scores(self) -> dict[int, float]:
        n_live = int(self.is_live.sum())
        values = popularity.scores(self.arrays, n_live, len(self.is_live), self.is_live)
        assert np.array_equal(np.isnan(values), self.is_live == 0)
        return {int(item): float(values[item]) for item in np.flatnonzero(self.is_live)}


@st.composite
def events(draw: st.DrawFn, most: int = 30) -> list[Counted]:
    now_ms, drawn = START_MS, []
    for _ in range(draw(st.integers(1, most))):
        now_ms += draw(st.sampled_from((0, 1_000, HOUR_MS // 2, 6 * HOUR_MS, 24 * HOUR_MS)))
        late_ms = draw(st.sampled_from((0, 0, 60_000, 30 * HOUR_MS)))
        weight = draw(st.sampled_from((1.0, 4.0, 10.0, -2.0, -5.0)))
        drawn.append(Counted(draw(st.integers(0, N_ITEMS - 1)), weight, now_ms - late_ms))
    return drawn


@given(events())
def test_scores_equal_a_recount_of_all_events(stream: list[Counted]) -> None:
    learned, recount = Learned(), Recount(HALF_LIVES_S)
    for event in stream:
        learned.learn(event)
        recount.learn(event)
        assume(not recount.is_delicate())
    assert learned.arrays.mixture.tolist() == pytest.approx(recount.mixture, rel=1e-6)
    assert learned.scores() == pytest.approx(recount.scores(), rel=1e-6, abs=1e-12)


@given(events(), st.lists(st.integers(0, N_ITEMS - 1), max_size=3))
def test_scores_are_never_negative_and_sum_to_one(stream: list[Counted], forgotten: list[int]) -> None:
    learned = Learned()
    for event in stream:
        learned.learn(event)
    for item in forgotten:
        if learned.is_live[item]:
            learned.forget(item)
    scores = list(learned.scores().values())
    assert all(score >= 0.0 for score in scores)
    assert sum(scores) == pytest.approx(1.0 if scores else 0.0, rel=1e-6)


@given(events(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(stream: list[Counted], random: Random) -> None:
    shuffled = list(stream)
    random.shuffle(shuffled)
    in_order, out_of_order, recount = Learned(), Learned(), Recount(HALF_LIVES_S)
    for event, other in zip(stream, shuffled, strict=True):
        in_order.count(event)
        out_of_order.count(other)
        recount.events.append(event)
    assume(not recount.is_delicate())
    assert in_order.scores() == pytest.approx(out_of_order.scores(), rel=1e-6, abs=1e-12)


def test_an_event_one_half_life_ago_counts_half() -> None:
    learned = Learned(half_lives_s=(3_600.0,))
    learned.count(Counted(0, 1.0, START_MS))
    learned.count(Counted(1, 1.0, START_MS + HOUR_MS))
    assert learned.scores() == pytest.approx({0: 1 / 3, 1: 2 / 3})


def test_the_weight_of_an_event_is_so_many_events() -> None:
    learned = Learned()
    learned.count(Counted(0, 3.0, START_MS))
    learned.count(Counted(1, 1.0, START_MS))
    assert learned.scores() == pytest.approx({0: 0.75, 1: 0.25})


def test_an_item_whose_returns_outweigh_its_sales_scores_zero() -> None:
    learned = Learned()
    for event in (Counted(0, 1.0, START_MS), Counted(1, 1.0, START_MS), Counted(1, -2.0, START_MS)):
        learned.count(event)
    assert learned.scores() == pytest.approx({0: 1.0, 1: 0.0})


def test_returns_are_remembered_until_sales_make_up_for_them() -> None:
    learned = Learned()
    for weight in (-2.0, 1.0, 2.0):
        learned.count(Counted(1, weight, START_MS))
    learned.count(Counted(0, 1.0, START_MS))
    assert learned.scores() == pytest.approx({0: 0.5, 1: 0.5})


def test_where_nothing_counts_every_live_item_scores_alike() -> None:
    learned = Learned()
    for item in range(4):
        learned.count(Counted(item, -1.0, START_MS))
    assert learned.scores() == pytest.approx(dict.fromkeys(range(4), 0.25))


@pytest.mark.parametrize("n_half_lives_later", [10, 40, 60, 200])
def test_a_sale_that_is_taken_back_leaves_the_others_where_they_were(n_half_lives_later: int) -> None:
    learned = Learned(half_lives_s=(3_600.0,))
    learned.count(Counted(0, 3.0, START_MS))
    learned.count(Counted(1, 1.0, START_MS))
    later_ms = START_MS + n_half_lives_later * HOUR_MS
    learned.count(Counted(2, 1.0, later_ms))
    learned.count(Counted(2, -2.0, later_ms))
    assert learned.scores() == pytest.approx({0: 0.75, 1: 0.25, 2: 0.0}, rel=1e-6)


def test_forgetting_the_item_that_outweighs_all_leaves_the_others_where_they_were() -> None:
    learned = Learned(half_lives_s=(3_600.0,))
    learned.count(Counted(0, 3.0, START_MS))
    learned.count(Counted(1, 1.0, START_MS))
    learned.count(Counted(2, 1.0, START_MS + 80 * HOUR_MS))
    learned.forget(2)
    assert learned.scores() == pytest.approx({0: 0.75, 1: 0.25})


def test_a_row_that_is_reused_starts_from_nothing() -> None:
    learned = Learned()
    learned.count(Counted(0, 10.0, START_MS))
    learned.count(Counted(1, 1.0, START_MS))
    learned.forget(0)
    learned.count(Counted(0, 1.0, START_MS))
    assert learned.scores() == pytest.approx({0: 0.5, 1: 0.5})


def test_moving_the_landmark_changes_no_share() -> None:
    learned = Learned(half_lives_s=(3_600.0,))
    for item in range(4):
        learned.count(Counted(item, item + 1.0, START_MS + item * HOUR_MS))
    before = learned.scores()
    learned.dirty[:] = 0
    later_ms = START_MS + int(MAX_EXPONENT * 1.5 * HOUR_MS)
    learned.count(Counted(0, 0.0, later_ms))
    assert learned.arrays.landmark_ms.tolist() == [later_ms]
    assert learned.scores() == pytest.approx(before, rel=1e-9)
    assert learned.dirty.all(), "every row is in new units, so the next checkpoint needs them all"


def test_the_mixture_moves_towards_the_half_life_that_foretells_best() -> None:
    learned = Learned(capacity=2)
    for i in range(100):
        learned.learn(Counted(0, 1.0, START_MS + i * 1_000))
    for i in range(20):
        learned.learn(Counted(1, 1.0, START_MS + 12 * HOUR_MS + i * 1_000))
    short, long = learned.arrays.mixture
    assert short > long


def test_the_mixture_settles_at_the_shares_of_a_stream_that_two_half_lives_explain_together() -> None:
    learned = Learned(capacity=2)
    learned.arrays.positive[:] = [[1.0, 0.0], [0.0, 1.0]]  # one half-life expects the one item, one the other
    learned.arrays.total[:] = learned.arrays.n_positive[:] = 1
    rng = np.random.default_rng(3)
    for item in (rng.random(20_000) < 0.7).astype(int).tolist():
        popularity.learn_mixture(learned.arrays, 2, item, 1.0, MIXTURE_STEP)
    assert learned.arrays.mixture.tolist() == pytest.approx([0.3, 0.7], abs=0.05)


def test_a_half_life_that_was_wrong_for_long_comes_back_soon() -> None:
    learned = Learned(capacity=2)
    learned.arrays.positive[:] = [[1.0, 0.0], [0.0, 1.0]]
    learned.arrays.total[:] = learned.arrays.n_positive[:] = 1
    for item in [0] * 100_000 + [1] * 3_000:
        popularity.learn_mixture(learned.arrays, 2, item, 1.0, MIXTURE_STEP)
    assert learned.arrays.mixture[1] > 0.9


def test_a_first_event_of_an_item_leaves_the_mixture_alone() -> None:
    learned = Learned()
    for item in range(N_ITEMS):
        learned.learn(Counted(item, 10.0, START_MS + item * HOUR_MS))
    assert learned.arrays.mixture.tolist() == [0.5, 0.5]


def refreshed(learned: Learned) -> list[int]:
    popularity.refresh_top_if_due(learned.arrays, int(learned.is_live.sum()), len(learned.is_live), learned.is_live)
    return [int(item) for item in learned.arrays.top]


def test_the_list_of_the_best_is_in_order_and_bounded() -> None:
    learned = Learned(capacity=N_TOP + 50)
    for item in range(N_TOP + 50):
        learned.count(Counted(item, 1.0 + item, START_MS))
    assert refreshed(learned) == list(range(N_TOP + 49, 49, -1))


def test_the_list_of_the_best_waits_for_so_many_events() -> None:
    learned = Learned()
    learned.count(Counted(0, 1.0, START_MS))
    assert refreshed(learned)[:2] == [0, -1]
    for _ in range(MIN_TOP_INTERVAL - 1):
        learned.count(Counted(1, 1.0, START_MS))
    assert refreshed(learned)[:2] == [0, -1]
    learned.count(Counted(1, 1.0, START_MS))
    assert refreshed(learned)[:3] == [1, 0, -1]


def test_a_forgotten_item_leaves_the_list_of_the_best_at_once() -> None:
    learned = Learned()
    learned.count(Counted(0, 1.0, START_MS))
    refreshed(learned)
    learned.forget(0)
    assert 0 not in learned.arrays.top
