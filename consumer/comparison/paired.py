"""Two models' answers to the same questions, with intervals by bootstrap over sessions, drawn as a whole (as in
`consumer.evaluation.figures`). The difference is paired: both are counted on the same draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consumer.evaluation.answers import Answers
from consumer.evaluation.figures import Measured
from consumer.learning import quality
from consumer.messages import Float64Array, Int64Array, UInt8Array, UInt64Array

N_RESAMPLES = 1_000
_SEED = 20_201
_TAILS = (2.5, 97.5)
_ENSEMBLE = quality.MEMBERS.index("ensemble")


@dataclass(frozen=True, slots=True)
class Paired:
    """Of one measure; `difference` is that of the second model less the first."""

    first: Measured
    second: Measured
    difference: Measured


@dataclass(frozen=True, slots=True)
class PairedFigures:
    n_questions: int
    """That both were asked."""
    n_asked: tuple[int, int]
    """That each was: somebody may have a history with one of them only."""
    hit_ratio: Paired | None
    """Share of questions whose item stood among the first 20; None: no question."""
    mrr: Paired | None


def paired_figures(first: tuple[Answers, Int64Array], second: tuple[Answers, Int64Array]) -> PairedFigures:
    """Each: answers, and the coordinates that they are about."""
    rows, other_rows = _common(first[1], second[1])
    n_asked = (len(first[0]), len(second[0]))
    if len(rows) == 0:
        return PairedFigures(0, n_asked, None, None)
    ranks = (first[0].ranks[rows, _ENSEMBLE], second[0].ranks[other_rows, _ENSEMBLE])
    gains = [_hits(ranks[0]), _hits(ranks[1]), _reciprocals(ranks[0]), _reciprocals(ranks[1])]
    values, drawn = _bootstrap(first[0].session[rows], np.column_stack(gains))
    hit_ratio, mrr = (_paired(values[k : k + 2], drawn[:, k : k + 2]) for k in (0, 2))
    return PairedFigures(len(rows), n_asked, hit_ratio, mrr)


def _common(one: Int64Array, other: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Rows of both at which they are about the same record."""
    dtype = np.dtype([("partition", np.int64), ("offset", np.int64)])
    keys = [np.ascontiguousarray(rows).view(dtype).reshape(-1) for rows in (one, other)]
    _, rows, other_rows = np.intersect1d(keys[0], keys[1], assume_unique=True, return_indices=True)
    return rows, other_rows


def _hits(ranks: UInt8Array) -> Float64Array:
    return ((ranks > 0) & (ranks <= quality.CUTOFF)).astype(np.float64)


def _reciprocals(ranks: UInt8Array) -> Float64Array:
    places = ranks.astype(np.float64)
    return np.divide(1.0, places, out=np.zeros_like(places), where=_hits(ranks) > 0)


def _bootstrap(session: UInt64Array, gains: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Means of the gains (measures,), and of N_RESAMPLES draws of the sessions."""
    order = np.argsort(session, kind="stable")
    firsts = np.flatnonzero(np.r_[True, np.diff(session[order]) != 0])
    sums = np.add.reduceat(np.column_stack((np.ones(len(gains)), gains))[order], firsts, axis=0)
    rng = np.random.default_rng(_SEED)
    drawn = np.array([rng.poisson(1.0, len(sums)) @ sums for _ in range(N_RESAMPLES)])
    total = sums.sum(axis=0)
    return total[1:] / total[0], drawn[:, 1:] / np.maximum(drawn[:, :1], 1.0)


def _paired(values: Float64Array, drawn: Float64Array) -> Paired:
    values, drawn = np.append(values, values[1] - values[0]), np.column_stack((drawn, drawn[:, 1] - drawn[:, 0]))
    low, high = np.percentile(drawn, _TAILS, axis=0)
    return Paired(*(Measured(*map(float, one)) for one in zip(values, low, high, strict=True)))
