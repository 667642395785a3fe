"""Whether a version may be published: evidence in, the reason to hold it out.

What is asked, in this order; the first that fails holds the version:

1. `not_finite`: is every number of it finite?
2. `sum`: do the rows that readers would hold add up to 1, as far as tolerance and waiting rows allow? They are summed
   as published; the model's own scores would add up however wrong the rows were.
3. `worse`: is the live model worse than what readers hold, on the same sampled events, at 99 %?
4. `share`: has more of the audience's share moved since the window began than its event time allows?

The third is a one-sided paired test on the last 2,000 pairs, on their last 500 and 200 too (damage done at once would
be diluted by the pairs before it), and on what the candidate makes today of the last 64 cases: wreckage shows before
the first version with it goes out. The level is shared among all of these (Bonferroni), and a difference too small to
matter holds nothing, however sure it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from consumer.messages import Float64Array

LEVEL = 0.01
SUFFIXES = (2_000, 500, 200)
MIN_PAIRS = 200
MIN_KNOWN = 50
RECALLED = 64
"""Cases that the candidate is asked again."""
LEAST_LOSS = 0.2
"""That matters: of the published mean reciprocal rank, and in log-likelihood. Where items have few events, one's own
last event makes the live model a little worse than one of a moment ago; damage is another matter."""
LEAST_LOSS_RECALLED = 0.4
"""Where the candidate is asked again only wreckage counts: the cases are few, and it has moved on since."""
SMOOTHING = 0.001
SUM_TOLERANCE = 1e-6
HOUR_MS = 3_600_000


class Reason(Enum):
    NOT_FINITE = "not_finite"
    SUM = "sum"
    WORSE = "worse"
    SHARE = "share"


REASONS = tuple(reason.value for reason in Reason)


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a version is held."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class GatePolicy:
    share_per_hour: float
    """Most of the total share that may move in an hour of event time."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Of the scores of live items, as readers would hold them with this version."""

    published: float
    waiting: float  # what the rows that still wait would change
    allowed: float  # Σ of the tolerances
    n_items: int


@dataclass(frozen=True, slots=True)
class Movement:
    """Of the published scores since the window began; None in its place: nothing to hold it against."""

    share: float  # ½ Σ |now − then|
    hours: float  # of event time


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a version before it goes out.

    `pairs` and `recalled` have a row a sampled event: reciprocal rank and log-likelihood, live less published (NaN
    where one of them is not known), and the published reciprocal rank. `movement` is None where the share limit does
    not apply.
    """

    not_finite: str  # the first that isn't; empty: all are
    sums: Sums | None  # None: no live item
    pairs: Float64Array  # (n, 3)
    recalled: Float64Array  # (m, 3)
    movement: Movement | None


def judge(evidence: Evidence, policy: GatePolicy) -> Hold | None:
    """None: let it pass."""
    if evidence.not_finite:
        return Hold(Reason.NOT_FINITE, f"{evidence.not_finite} is not finite")
    if evidence.sums is not None and (off := _off(evidence.sums)):
        return Hold(Reason.SUM, off)
    if worse := _worse(evidence):
        return Hold(Reason.WORSE, worse)
    if evidence.movement is not None and (moved := _moved(evidence.movement, policy)):
        return Hold(Reason.SHARE, moved)
    return None


def allowed_share(hours: float, policy: GatePolicy) -> float:
    """Of the total, for a window of so much event time: an hour's worth at once."""
    return policy.share_per_hour * max(1.0, hours)


def is_worse(differences: Float64Array, least: float, level: float) -> bool:
    """Whether paired differences (live less published) show at this level that live is worse, by more than `least`.

    One-sided, by the normal approximation to the mean; never with fewer than MIN_KNOWN that are known.
    """
    known = differences[np.isfinite(differences)]
    if len(known) < MIN_KNOWN:
        return False
    error = float(known.std(ddof=1)) / np.sqrt(len(known))
    return bool(known.mean() + NormalDist().inv_cdf(1.0 - level) * error < 0.0 and known.mean() < -least)


def log_likelihood(scores: Float64Array, n_items: int) -> Float64Array:
    """Of the items with these scores (NaN stays NaN), an even chance mixed in so that no item is impossible."""
    likelihood: Float64Array = np.log((1.0 - SMOOTHING) * scores + SMOOTHING / max(n_items, 1))
    return likelihood


def _off(sums: Sums) -> str:
    off = abs(sums.published + sums.waiting - 1.0)
    if off <= sums.allowed + SUM_TOLERANCE:
        return ""
    return (
        f"the published scores of {sums.n_items} items add up to {sums.published:.9g} and {sums.waiting:.9g} more "
        f"waits; together 1 ± {sums.allowed:.3g} was expected"
    )


class _Test(NamedTuple):
    where: str
    pairs: Float64Array
    least_loss: float


def _worse(evidence: Evidence) -> str:
    n = len(evidence.pairs)
    if n < MIN_PAIRS:
        return ""
    tests = [
        _Test(f"last {length} sampled events", evidence.pairs[n - length :], LEAST_LOSS)
        for length in (n, *(length for length in SUFFIXES if length < n))
    ]
    if len(evidence.recalled) == RECALLED:
        tests.append(_Test(f"last {RECALLED} sampled events, asked again", evidence.recalled, LEAST_LOSS_RECALLED))
    level = LEVEL / (2 * len(tests))
    for where, pairs, loss in tests:
        rank, likelihood, published_rank = pairs.T
        measures = [("reciprocal rank", rank, loss * float(published_rank.mean()))]
        if pairs is not evidence.recalled:  # shares may well have moved on since
            measures.append(("log-likelihood", likelihood, loss))
        for what, differences, least in measures:
            if is_worse(differences, least, level):
                mean = -float(np.nanmean(differences))
                return f"{what} on the {where} is {mean:.3g} below that of the published version"
    return ""


def _moved(movement: Movement, policy: GatePolicy) -> str:
    allowed = allowed_share(movement.hours, policy)
    if movement.share <= allowed:
        return ""
    return (
        f"{movement.share:.1%} of the total share would have moved within {max(1.0, movement.hours):.3g} h of event "
        f"time; {allowed:.1%} may"
    )
