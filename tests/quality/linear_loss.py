"""How well `linear` foretells, held against models that know less, on the same rows and with the same corrections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consumer.evaluation.figures import Measured
from consumer.messages import Float64Array, UInt64Array
from consumer.models.linear import OnlineRecommender
from consumer.models.optimisers import AdaGrad
from consumer.models.standardise import OnlineStandardiser
from tests.quality.linear_pass import Bins, Held

N_RESAMPLES = 400
N_TENTHS = 10


def intercept_only(held: Held, learning_rate: float) -> Float64Array:
    """(n, 1 + k) margins of a model that sees nothing of the items, before it learned each event."""
    return _learned(held, np.zeros((*held.margins.shape, 1)), learning_rate)


def popularity_only(held: Held, learning_rate: float) -> Float64Array:
    """The same of one that sees popularity only: at every half-life, and the item's count."""
    standardiser = OnlineStandardiser(held.popularity.shape[2])
    rows = np.zeros_like(held.popularity)
    for i in range(len(held)):
        for r, raw in enumerate(held.popularity[i]):
            rows[i, r] = standardiser.standardised(raw)
        for raw in held.popularity[i]:
            standardiser.observe(raw, int(held.time_ms[i]))
    return _learned(held, rows, learning_rate)


def _learned(held: Held, rows: Float64Array, learning_rate: float) -> Float64Array:
    n_each = held.margins.shape[1]
    model = OnlineRecommender(rows.shape[2], learning_rate, loss="logistic", optimiser=AdaGrad(), clip=10.0)
    labels = np.r_[1.0, np.zeros(n_each - 1)]
    offsets = np.full(n_each, -np.log(n_each - 1))
    margins = np.zeros_like(held.margins)
    for i in range(len(held)):
        margins[i] = model.margins(rows[i])
        model.update_many(rows[i], labels, offsets=offsets)
    return margins


def loss_of_sample(margins: Float64Array) -> Float64Array:
    """(n,) log-loss of each event's rows as they were drawn, in nats."""
    in_sample = margins - np.log(margins.shape[1] - 1)
    loss: Float64Array = np.logaddexp(0.0, -in_sample[:, 0]) + np.logaddexp(0.0, in_sample[:, 1:]).sum(axis=1)
    return loss


def loss_of_all(margins: Float64Array, held: Held) -> Float64Array:
    """(n,) log-loss over all candidates: each one drawn stands for candidates/negatives of them."""
    log_odds = margins - np.log(held.n_candidates)[:, None]
    stands_for = held.n_candidates / (margins.shape[1] - 1)
    others = np.logaddexp(0.0, log_odds[:, 1:]).sum(axis=1)
    loss: Float64Array = np.logaddexp(0.0, -log_odds[:, 0]) + stands_for * others
    return loss


def mean_by_session(values: Float64Array, session: UInt64Array) -> Measured:
    """The mean with its 95 % interval, sessions drawn as a whole."""
    _, number = np.unique(session, return_inverse=True)
    sums, counts = np.bincount(number, values), np.bincount(number)
    rng = np.random.default_rng(3)
    means = []
    for _ in range(N_RESAMPLES):
        drawn = rng.poisson(1.0, len(sums))
        means.append(float(drawn @ sums) / max(float(drawn @ counts), 1.0))
    low, high = np.percentile(means, (2.5, 97.5))
    return Measured(float(values.mean()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Some tenths of the chances, least likely candidates first: bins are not cut, so there may be fewer than ten."""

    expected: Float64Array  # (tenths,) chances summed, an event
    followed: Float64Array  # (tenths,) of them that came
    n_events: int


def calibration_of(bins: Bins, half: int) -> Calibration:
    """Chances before learning against what came, over all candidates of some events of a half of the stream."""
    expected, followed, n = bins.expected[half], bins.followed[half], int(bins.n_events[half])
    middle = np.cumsum(expected) - expected / 2
    tenth = np.minimum((middle / max(expected.sum(), 1e-12) * N_TENTHS).astype(int), N_TENTHS - 1)
    sums = [np.bincount(tenth, values, N_TENTHS) / max(n, 1) for values in (expected, followed)]
    is_there = (sums[0] > 0) | (sums[1] > 0)
    return Calibration(sums[0][is_there], sums[1][is_there], n)
