"""`popularity`: each item's expected share of the audience's upcoming positive interactions.

Weighted interactions are counted with forward decay (Cormode, Shkapenyuk, Srivastava, Xu 2009, "Forward decay"): an
event at time t adds g = e^((t − L)/τ) with a fixed landmark L, so that nothing has to be aged and late events commute.
Each half-life h keeps positive and negative weight apart:

    p_h(j) = max(0, c⁺_h(j) − c⁻_h(j)) / Σ over live items        score(j) = Σ_h m_h · p_h(j)

The mixture m learns from each positive event on a live item x of weight w, before the event is counted, by online
expectation-maximisation (Cappé, Moulines 2009, "On-line expectation-maximization algorithm for latent data models"):
q_h = 0.999·p_h(x) + 0.001/n_live;  r_h = m_h·q_h / Σ_k m_k·q_k;  m_h ← (1−a)·m_h + a·r_h with a = 1 − (1−α)^w, α =
0.001. It settles at the mixture that foretells best, which is better than the best half-life alone; multiplying m_h by
q_h would settle at the latter. A trickle towards equal weights keeps each half-life able to come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, kernel, prefetch
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models.rows import side_by_side
from consumer.tables import Array

MIXTURE_STEP = 0.001  # α
MIXTURE_TRICKLE = 1e-5
SMOOTHING = 0.001
MAX_EXPONENT = 300.0  # e^300 ≈ 2e130: far from float64's end, even times a large weight
N_TOP = 100
MIN_TOP_INTERVAL = 64
TOLERATED_ERROR = 1e-7  # of a total, relative; past it the total is summed afresh
ROUNDING = 2.0**-52


class PopularityArrays(NamedTuple):
    """H half-lives."""

    positive: Float64Array  # (capacity, H) c⁺ in units of an event at the landmark
    negative: Float64Array  # (capacity, H) c⁻
    landmark_ms: Float64Array  # (H,) L
    time_constant_ms: Float64Array  # (H,) τ = half-life / ln 2
    total: Float64Array  # (H,) Σ over live items of max(0, c⁺ − c⁻)
    total_error: Float64Array  # (H,) bound on the rounding that `total` has gathered
    n_positive: Int64Array  # (H,) live items for which c⁺ − c⁻ > 0
    mixture: Float64Array  # (H,) m
    top: Int32Array  # (N_TOP,) best items at the last refresh, best first; NONE behind them
    top_age: Int64Array  # (1,) events counted since that refresh
    work: Float64Array  # (H,) working memory
    top_scores: Float64Array  # (N_TOP,) working memory


def allocate_counts(capacity: int, n_half_lives: int) -> Mapping[str, Array]:
    """`positive` and `negative`, zero."""
    shape = (n_half_lives,)
    return side_by_side(capacity, (("positive", np.float64, shape), ("negative", np.float64, shape)))


def allocate(capacity: int, half_lives_s: tuple[float, ...]) -> PopularityArrays:
    n_half_lives = len(half_lives_s)
    return PopularityArrays(
        **allocate_counts(capacity, n_half_lives),
        landmark_ms=np.full(n_half_lives, np.nan),
        time_constant_ms=np.array(half_lives_s) * 1000.0 / np.log(2.0),
        total=np.zeros(n_half_lives),
        total_error=np.zeros(n_half_lives),
        n_positive=np.zeros(n_half_lives, np.int64),
        mixture=np.full(n_half_lives, 1.0 / n_half_lives),
        top=np.full(N_TOP, -1, np.int32),
        top_age=np.full(1, MIN_TOP_INTERVAL, np.int64),
        work=np.zeros(n_half_lives),
        top_scores=np.zeros(N_TOP),
    )


@hot_kernel
def net(popularity: PopularityArrays, item: int, h: int) -> float:
    """c⁺ − c⁻, not below 0; no number where one of them is none, so that nobody takes it for 0."""
    value = float(popularity.positive[item, h] - popularity.negative[item, h])
    return 0.0 if value <= 0.0 else value


@hot_kernel
def share(popularity: PopularityArrays, n_live: int, h: int, item: int) -> float:
    """p_h(item); where nothing counts, every live item alike."""
    if popularity.n_positive[h] == 0:
        return 1.0 / max(n_live, 1)
    return net(popularity, item, h) / float(popularity.total[h])


@hot_kernel
def weigh_half_lives(popularity: PopularityArrays, n_live: int, factor: Float64Array) -> float:
    """For `score`: what a unit of net weight counts in each half-life (H,), and what every live item has beforehand.

    One division a half-life, not one an item: that would cost more than all the rest of a scan.
    """
    beforehand = 0.0
    for h in range(len(popularity.mixture)):
        factor[h] = 0.0
        if popularity.n_positive[h] == 0:  # every live item alike
            beforehand += popularity.mixture[h] / max(n_live, 1)
        else:
            factor[h] = popularity.mixture[h] / popularity.total[h]
    return beforehand


@hot_kernel
def score(popularity: PopularityArrays, factor: Float64Array, beforehand: float, item: int) -> float:
    """Expected share of upcoming positive interactions; sums to 1 over the live items."""
    value = beforehand
    for h in range(len(factor)):
        value += factor[h] * net(popularity, item, h)
    return value


@hot_kernel
def learn_mixture(popularity: PopularityArrays, n_live: int, item: int, weight: float, alpha: float) -> float:
    """One step on a positive event that is yet to be counted, towards the half-lives that expected it.

    Returns the chance that the mixture gave it, and leaves that of each half-life in `work`.
    """
    mixture = popularity.mixture
    likelihood = popularity.work
    n_half_lives = len(mixture)
    total = 0.0
    for h in range(n_half_lives):
        likelihood[h] = (1.0 - SMOOTHING) * share(popularity, n_live, h, item) + SMOOTHING / n_live
        total += mixture[h] * likelihood[h]
    step = alpha if weight == 1.0 else 1.0 - (1.0 - alpha) ** weight
    for h in range(n_half_lives):
        moved = (1.0 - step) * mixture[h] + step * (mixture[h] * likelihood[h]) / total
        mixture[h] = (1.0 - MIXTURE_TRICKLE) * moved + MIXTURE_TRICKLE / n_half_lives
    return total


@hot_kernel
def _sum_afresh(popularity: PopularityArrays, h: int) -> None:
    n_rows = len(popularity.positive)
    total = 0.0
    n_positive = 0
    for item in range(n_rows):  # rows that aren't live are zero
        value = net(popularity, item, h)
        total += value
        if value > 0.0:
            n_positive += 1
    popularity.total[h] = total
    popularity.total_error[h] = ROUNDING * n_rows * total
    popularity.n_positive[h] = n_positive


@hot_kernel
def replace_in_total(popularity: PopularityArrays, h: int, before: float, after: float) -> None:
    """Account for an item's net weight, which has already changed.

    Where the weight that leaves outgrew what stays by so many half-lives that rounding has swallowed the rest, the
    difference would be noise: zero, or below it.
    """
    total = popularity.total[h] + (after - before)
    popularity.total_error[h] += ROUNDING * max(popularity.total[h], total)
    popularity.total[h] = total
    popularity.n_positive[h] += np.int64(after > 0.0) - np.int64(before > 0.0)
    if popularity.total_error[h] > TOLERATED_ERROR * total:
        _sum_afresh(popularity, h)


@hot_kernel
def move_landmark(popularity: PopularityArrays, n_used: int, h: int, to_ms: float) -> None:
    """Count in units of an event at `to_ms` from here on; the total is summed afresh."""
    factor = np.exp((popularity.landmark_ms[h] - to_ms) / popularity.time_constant_ms[h])
    popularity.landmark_ms[h] = to_ms
    for item in range(n_used):
        popularity.positive[item, h] *= factor
        popularity.negative[item, h] *= factor
    _sum_afresh(popularity, h)


@hot_kernel
def learn_event(
    popularity: PopularityArrays,
    n_used: int,
    is_live: UInt8Array,
    dirty: UInt8Array,
    item: int,
    weight: float,
    time_ms: int,
) -> None:
    """Count one event of a live item."""
    for h in range(len(popularity.mixture)):
        if np.isnan(popularity.landmark_ms[h]):
            popularity.landmark_ms[h] = time_ms
        exponent = (time_ms - popularity.landmark_ms[h]) / popularity.time_constant_ms[h]
        if exponent > MAX_EXPONENT:
            move_landmark(popularity, n_used, h, np.float64(time_ms))
            dirty[:n_used] = 1
            exponent = 0.0
        g = np.exp(exponent)
        before = net(popularity, item, h)
        if weight >= 0.0:
            popularity.positive[item, h] += weight * g
        else:
            popularity.negative[item, h] -= weight * g
        replace_in_total(popularity, h, before, net(popularity, item, h))
    popularity.top_age[0] += 1
    dirty[item] = 1


@hot_kernel
def forget_item(popularity: PopularityArrays, item: int) -> None:
    """Take an item out of the totals and clear its counts (when it is evicted)."""
    for h in range(len(popularity.mixture)):
        before = net(popularity, item, h)
        popularity.positive[item, h] = 0.0
        popularity.negative[item, h] = 0.0
        replace_in_total(popularity, h, before, 0.0)
    for i in range(N_TOP):
        if popularity.top[i] == item:
            popularity.top[i] = -1


@kernel
def scores(popularity: PopularityArrays, n_live: int, n_used: int, is_live: UInt8Array) -> Float64Array:
    """(n_used,) the score of every live row, NaN for the others."""
    values = np.empty(n_used)
    factor = np.empty(len(popularity.mixture))
    beforehand = weigh_half_lives(popularity, n_live, factor)
    for item in range(n_used):
        values[item] = score(popularity, factor, beforehand, item) if is_live[item] else np.nan
    return values


@hot_kernel
def refresh_top_if_due(popularity: PopularityArrays, n_live: int, n_used: int, is_live: UInt8Array) -> None:
    """List the best items anew once as many events as a quarter of the catalogue (at least 64) were counted.

    The list serves the live quality figure of `popularity` and fills short recommendations inside the learning pass; it
    is refreshed by counts so that it depends on the stream alone. Readers sort the published scores instead.
    """
    if popularity.top_age[0] < max(MIN_TOP_INTERVAL, n_live // 4):
        return
    popularity.top_age[0] = 0
    best = popularity.top_scores
    best[:] = -1.0
    popularity.top[:] = -1
    factor = popularity.work
    beforehand = weigh_half_lives(popularity, n_live, factor)
    for item in range(n_used):
        if not is_live[item]:
            continue
        value = score(popularity, factor, beforehand, item)
        if value <= best[N_TOP - 1]:
            continue
        place = N_TOP - 1
        while place > 0 and best[place - 1] < value:
            best[place] = best[place - 1]
            popularity.top[place] = popularity.top[place - 1]
            place -= 1
        best[place] = value
        popularity.top[place] = item


@hot_kernel
def prefetch_row(popularity: PopularityArrays, item: int) -> None:
    """Begin to bring near an item's counts."""
    prefetch(popularity.positive, item, 0)
