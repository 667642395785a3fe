"""The measurement of `linear`: losses and calibration are what they say, and it beats models that know less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from consumer.messages import Float64Array, Int64Array
from tests.quality import featured, linear_loss, linear_pass
from tests.quality.linear import settings_of
from tests.quality.linear_pass import BINS_A_NAT, LEAST_MARGIN, N_BINS, N_POPULARITY, Bins, Held, allocate_bins

N = 4_000
N_CANDIDATES = 1_000
K = 5


def drawn(log_odds: Float64Array, n: int = N, seed: int = 1) -> tuple[Held, Float64Array]:
    """Events whose item is drawn by these log-odds (relative to a uniform draw) of its candidates, K others drawn
    uniformly; and the log-odds of the rows."""
    rng = np.random.default_rng(seed)
    chances = np.exp(log_odds) / np.exp(log_odds).sum()
    came = rng.choice(N_CANDIDATES, n, p=chances)
    rows = np.column_stack((came, rng.integers(N_CANDIDATES, size=(n, K))))
    session = (np.arange(n) // 4).astype(np.uint64)
    popularity = np.zeros((n, 1 + K, N_POPULARITY))
    popularity[:, :, 0] = log_odds[rows]
    held = Held(log_odds[rows], popularity, np.full(n, N_CANDIDATES), np.arange(n), session, binned(log_odds, came))
    return held, log_odds[rows]


def binned(log_odds: Float64Array, came: Int64Array) -> Bins:
    """All candidates of each event."""
    bins = allocate_bins(1)
    places = np.clip((BINS_A_NAT * (log_odds - LEAST_MARGIN)).astype(int), 0, N_BINS - 1)
    chances = 1.0 / (1.0 + (N_CANDIDATES - 1) * np.exp(-log_odds))
    bins.expected[1] = len(came) * np.bincount(places, chances, N_BINS)
    bins.followed[1] = np.bincount(places[came], minlength=N_BINS)
    bins.n_events[1] = len(came)
    return bins


def skewed() -> Float64Array:
    log_odds: Float64Array = np.random.default_rng(2).normal(size=N_CANDIDATES)
    return np.asarray(log_odds - np.log(np.exp(log_odds).mean()), np.float64)


def test_true_log_odds_are_calibrated_and_wrong_ones_are_not() -> None:
    truth = skewed()
    held, _ = drawn(truth)
    found = linear_loss.calibration_of(held.bins, 1)
    assert found.followed == pytest.approx(found.expected, rel=0.15)
    assert found.followed.sum() == pytest.approx(1.0)
    assert len(found.expected) >= 8
    rng = np.random.default_rng(1)
    came = rng.choice(N_CANDIDATES, N, p=np.exp(truth) / np.exp(truth).sum())
    too_sure = linear_loss.calibration_of(binned(2.0 * truth, came), 1)
    assert too_sure.followed[-1] < 0.5 * too_sure.expected[-1]


@pytest.mark.parametrize("of_all", [False, True])
def test_no_log_odds_lose_less_than_the_true_ones(of_all: bool) -> None:
    held, truth = drawn(skewed())

    def loss(margins: Float64Array) -> Float64Array:
        return linear_loss.loss_of_all(margins, held) if of_all else linear_loss.loss_of_sample(margins)

    for other in (np.zeros_like(truth), 1.5 * truth, 0.5 * truth, truth + 0.3):
        assert linear_loss.mean_by_session(loss(truth) - loss(other), held.session).high < 0.0


def test_the_models_it_is_held_against_learn_what_they_can_see() -> None:
    held, truth = drawn(skewed())
    late = slice(N // 2, N)
    nothing = linear_loss.intercept_only(held, 0.1)[late]
    assert np.abs(nothing).max() < 0.3  # nothing but a uniform draw
    popular = linear_loss.popularity_only(held, 0.1)[late]
    best = float(linear_loss.loss_of_sample(truth[late]).mean())
    assert float(linear_loss.loss_of_sample(popular).mean()) == pytest.approx(best, rel=0.03)


def test_an_interval_widens_where_sessions_are_alike_within() -> None:
    values = np.repeat(np.random.default_rng(3).normal(size=200), 10)
    alone = linear_loss.mean_by_session(values, np.arange(2_000).astype(np.uint64))
    together = linear_loss.mean_by_session(values, np.repeat(np.arange(200), 10).astype(np.uint64))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together.low < values.mean() < together.high


def test_linear_beats_an_intercept_and_popularity_where_events_say_what_items_are(tmp_path: Path) -> None:
    settings = settings_of(is_on=True)
    held = linear_pass.held(featured.data_set(tmp_path, 12_000).batches(settings), settings)
    assert len(held) > 1_000
    losses = linear_loss.loss_of_sample(held.margins)
    for against in (linear_loss.intercept_only(held, 0.1), linear_loss.popularity_only(held, 0.1)):
        difference = linear_loss.mean_by_session(losses - linear_loss.loss_of_sample(against), held.session)
        assert difference.high < -0.1
    assert linear_loss.calibration_of(held.bins, 1).followed.sum() == pytest.approx(1.0)  # one of them came


def test_features_reach_the_pass_of_an_evaluation_where_linear_is_on(tmp_path: Path) -> None:
    data = featured.data_set(tmp_path, 300)
    for is_on in (True, False):
        batches = list(data.batches(settings_of(is_on=is_on)))
        assert {n for batch in batches for n in batch.events.n_features.tolist()} == ({3} if is_on else {0})
