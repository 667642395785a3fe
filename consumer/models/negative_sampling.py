"""Learning from all positives and some of the negatives, and getting the chances right all the same.

If negatives are kept with chance r, the odds in the sample are the true ones divided by r, whatever the features:

    logit(sample) = logit(true) − ln r

Hence two exact corrections. While learning, −ln r is added to the margin (`offset` of `linear_kernels.learn_row`), and
the weights are those of the true chances, also where r changes along the stream. Or a model that learned without it is
shifted by ln r afterwards (King and Zeng 2001, "Logistic regression in rare events data", prior correction).

With the offset an intercept should start at ln r, even odds in the sample: from zero every row looks positive at first,
and an optimiser that remembers its gradients (AdaGrad, FTRL) takes short steps for long after such a start.
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import hot_kernel

TWO_TO_THE_64 = 18446744073709551616.0


@hot_kernel
def scattered(key: np.uint64) -> np.uint64:
    """A 64-bit hash of 64 bits (the last steps of splitmix64)."""
    x = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(x ^ (x >> np.uint64(31)))


@hot_kernel
def is_kept(key: np.uint64, rate: float) -> bool:
    """Whether a negative stays in the sample, decided by a hash of its coordinates: the same in every run."""
    return bool(np.float64(scattered(key)) < rate * TWO_TO_THE_64)


@hot_kernel
def drawn(key: np.uint64, counter: int, n: int) -> int:
    """The counter-th number of a sequence of the key's own, uniform from 0 … n - 1: no state, the same in every run."""
    x = scattered(key + (np.uint64(counter) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15))
    return int(x % np.uint64(n))


@hot_kernel
def rate_of_uniform(n_drawn: int, n_candidates: int) -> float:
    """The rate where n_drawn negatives are drawn uniformly from n_candidates (the live items but the one that came)."""
    return min(1.0, n_drawn / max(n_candidates, 1))


@hot_kernel
def sampling_offset(rate: float) -> float:
    """−ln r: what to add to the margin of every row of the sample, positive or negative, while learning."""
    return float(-np.log(rate))


@hot_kernel
def corrected_chance(chance: float, rate: float) -> float:
    """The true chance where a model that knew nothing of the sampling says `chance`: its logit shifted by ln r."""
    return chance * rate / (chance * rate + (1.0 - chance))
