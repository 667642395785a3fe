"""Recall and reciprocal rank over answers, with intervals by bootstrap over sessions.

A session is drawn as a whole, so many times as a Poisson variable of mean 1 says (Hanley, MacGibbon 2006, "Creating
non-parametric bootstrap samples using Poisson frequencies"). Where periods are averaged, each counts alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consumer.evaluation.answers import Answers
from consumer.learning import quality
from consumer.messages import Float64Array, Int64Array

MEASURES = ("recall_10", "recall_20", "mrr_20")
N_RESAMPLES = 400
_SEED = 20_201
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Measured:
    """A share from 0 to 1, with the 95 % interval of the bootstrap."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Figures:
    """One member's, over the same questions as the others'."""

    member: str
    n_questions: int
    recall_10: Measured
    recall_20: Measured
    mrr_20: Measured


def figures_of(answers: Answers, *, averages_periods: bool) -> list[Figures]:
    """Of the ensemble and of every member, in the order of `quality.MEMBERS`; none where nothing was asked, and none of
    a member that was not asked (places beyond `quality.CUTOFF`).

    `averages_periods`: the unweighted mean of the periods' figures; else all questions count alike.
    """
    if len(answers) == 0:
        return []
    period = answers.period if averages_periods else np.zeros(len(answers), np.int64)
    sums = _session_sums(answers, period)
    values, resampled = _means([total.sum(axis=0)[None] for total in sums])[0], _resampled(sums)
    low, high = np.percentile(resampled, _TAILS, axis=0)
    measured = [Measured(*map(float, triple)) for triple in zip(values, low, high, strict=True)]
    n_each = len(MEASURES)
    return [
        Figures(member, len(answers), *measured[n_each * m : n_each * (m + 1)])
        for m, member in enumerate(quality.MEMBERS)
        if answers.ranks[:, m].max() <= quality.CUTOFF
    ]


def _session_sums(answers: Answers, period: Int64Array) -> list[Float64Array]:
    """For each period (sessions, 1 + members · MEASURES): questions, then each measure's sum."""
    order = np.lexsort((answers.session, period))
    session, period = answers.session[order], period[order]
    is_first = np.r_[True, (session[1:] != session[:-1]) | (period[1:] != period[:-1])]
    firsts = np.flatnonzero(is_first)
    sums = np.add.reduceat(_gains(answers)[order], firsts, axis=0)
    bounds = np.flatnonzero(np.diff(period[firsts])) + 1
    return np.split(sums, bounds)


def _gains(answers: Answers) -> Float64Array:
    """(n, 1 + members · MEASURES) 1, then what each question brings each member by each measure."""
    ranks = answers.ranks.astype(np.float64)
    is_listed = (ranks > 0) & (ranks <= quality.CUTOFF)
    reciprocal = np.divide(1.0, ranks, out=np.zeros_like(ranks), where=is_listed)
    gains = np.stack((is_listed & (ranks <= 10), is_listed, reciprocal), axis=2)
    return np.hstack((np.ones((len(ranks), 1)), gains.reshape(len(ranks), -1)))


def _means(totals: Sequence[Float64Array]) -> Float64Array:
    """Totals by period, (any, 1 + measures) each → (any, measures), the mean of the periods."""
    shares = [total[:, 1:] / np.maximum(total[:, :1], 1.0) for total in totals]
    mean: Float64Array = np.mean(shares, axis=0)
    return mean


def _resampled(sums: Sequence[Float64Array]) -> Float64Array:
    """(N_RESAMPLES, measures); the same for the same answers."""
    rng = np.random.default_rng(_SEED)
    drawn = []
    for _ in range(N_RESAMPLES):
        drawn.append(_means([(rng.poisson(1.0, len(part)) @ part)[None] for part in sums])[0])
    return np.array(drawn)
