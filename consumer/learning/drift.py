"""Notices that the stream is no longer what the steps were made for, and takes longer steps for a while.

Two prequential losses, each taken before its event is learned:

- `score`: how badly the mixture of half-lives foretold a positive event;
- `next`: how badly running means, with the steps of `repeat`, foretold what kind of thing a user turned to next: the
  item b places back in his history, or one outside it that is a close neighbour of the item before, a distant one, or
  none.

Either is held against the loss of a *twin* that does the same but always takes steps TIMES_QUICKER as long. What the
detector is fed (`adwin`), as means of BLOCK events, is by how much the twin foretold better. A loss alone rises for
many reasons that no step can mend (a livelier evening, a wider catalogue), and varies so much that a change hides in it
for thousands of events. The difference rises just where longer steps would have paid, whatever made that so; on a
steady stream it lies at zero or below, since the twin forgets too soon.

An alarm is a rise of the difference to above zero. From there on the steps that the loss stands for are `factor` times
as long, and come down again as 1/k, as those of a running mean do, until they are back after `period` events:

- of `score`: of the mixture of half-lives;
- of `next`: of the tables of `repeat` and of the fusion; of its logit and of linear models too, but these only as far
  as their steps have become short (`logit.step_of`, `linear_learning.raise_steps`). Since most of these learn on
  sampled events only, ten times as many events are sampled until then.

An alarm while they are still longer begins that anew. A fall never raises anything.

Everything counts events of the stream, so batches don't matter, and lies in arrays that belong to what is learned: in
the checkpoint, and with a rollback back to what they were.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.learning import adwin
from consumer.learning.adwin import NEWER, RISEN, AdwinArrays
from consumer.messages import Float64Array, Int64Array
from consumer.models import repeat
from consumer.models.popularity import MIXTURE_STEP, MIXTURE_TRICKLE
from consumer.models.repeat import MIN_STEP, N_BACK, N_LENGTHS

LOSSES = ("score", "next")
SCORE = 0
NEXT = 1

BLOCK = 16
CLOCK = 8  # blocks from test to test
DELTA = 0.002
SCALE = np.array((40.0, 7.0))
"""By loss: brings what longer steps are worth after a change, some tenths of a nat an event or of that, to the order of
one, for which the detector's bound is made."""
MORE_SAMPLES = 10

TIMES_QUICKER = 10.0
QUICK_MIXTURE = TIMES_QUICKER * MIXTURE_STEP
QUICK_TRICKLE = TIMES_QUICKER * MIXTURE_TRICKLE
QUICK_MEANS = TIMES_QUICKER * MIN_STEP
MOST_STEP = 0.5  # of the twin's mixture, however heavy the event
SMOOTHING = 0.01
MOST = 1e200  # that a sum of growing weights may reach before it is told in new units

# What a user turned to next; 1 … N_BACK: the item so many places back.
UNLINKED = 0
LINKED = N_BACK + 1
CLOSE = N_BACK + 2
N_KINDS = N_BACK + 3
CLOSE_SHARE = 1.0 / 32.0  # of the evidence of a row of `item_to_item`

# Rows of `seen`.
LIVE = 0
TWIN = 1


class DriftPolicy(NamedTuple):
    is_on: bool
    factor: float
    """How many times longer steps are at an alarm."""
    period: float
    """Events until they are as long as usual."""


class DriftArrays(NamedTuple):
    """H half-lives."""

    quick_mixture: Float64Array  # (H,) of the twin
    seen: Float64Array  # (2, N_LENGTHS, N_KINDS) how often each kind came, in weights that grow with every event
    seen_total: Float64Array  # (2, N_LENGTHS) their sum
    n_seen: Int64Array  # (N_LENGTHS,) events
    odds: Float64Array  # (losses,) Π the twin's chance / the live one, in the block under way
    n_in_block: Int64Array  # (losses,)
    factor: Float64Array  # (losses,) how many times longer than usual steps are
    since: Int64Array  # (losses,) events since the alarm, while they are longer
    n_alarms: Int64Array  # (losses,)


def allocate(n_half_lives: int) -> DriftArrays:
    by_back = 0.05 / np.arange(1, N_BACK + 1)
    seen = np.full((2, N_LENGTHS, N_KINDS), (1.0 - by_back.sum()) / 3.0)
    seen[:, :, 1 : N_BACK + 1] = by_back
    return DriftArrays(
        quick_mixture=np.full(n_half_lives, 1.0 / n_half_lives),
        seen=seen,
        seen_total=np.ones((2, N_LENGTHS)),
        n_seen=np.zeros(N_LENGTHS, np.int64),
        odds=np.ones(len(LOSSES)),
        n_in_block=np.zeros(len(LOSSES), np.int64),
        factor=np.ones(len(LOSSES)),
        since=np.zeros(len(LOSSES), np.int64),
        n_alarms=np.zeros(len(LOSSES), np.int64),
    )


def allocate_detectors() -> AdwinArrays:
    return adwin.allocate(len(LOSSES))


@hot_kernel
def is_raised(drift: DriftArrays, loss: int) -> bool:
    """Whether the steps that this loss stands for are longer than usual."""
    return bool(drift.factor[loss] > 1.0)


@hot_kernel
def note_positive(drift: DriftArrays, likelihoods: Float64Array, chance: float, weight: float) -> None:
    """A positive event came whose item had these chances, by half-life (H,) and by their mixture."""
    mixture = drift.quick_mixture
    quick = 0.0
    for h in range(len(mixture)):
        quick += mixture[h] * likelihoods[h]
    step = min(QUICK_MIXTURE * weight, MOST_STEP)
    towards = step / quick
    for h in range(len(mixture)):
        moved = (1.0 - step + towards * likelihoods[h]) * mixture[h]
        mixture[h] = (1.0 - QUICK_TRICKLE) * moved + QUICK_TRICKLE / len(mixture)
    drift.odds[SCORE] *= quick / chance
    drift.n_in_block[SCORE] += 1


@hot_kernel
def kind_of_next(back: int, closeness: float) -> int:
    """`back`: places back in the history, 0: outside it; `closeness` to the item before it: as `item_to_item` says."""
    if back > 0:
        return back
    if closeness < 0.0:
        return UNLINKED
    return CLOSE if closeness > CLOSE_SHARE else LINKED


@hot_kernel
def note_next(drift: DriftArrays, n_history: int, kind: int) -> None:
    """This kind of thing came after so long a history."""
    length = repeat.length_of(n_history)
    step = repeat.step_after(drift.n_seen[length], drift.factor[NEXT])
    drift.n_seen[length] += 1
    chance = _chance_then_step(drift, LIVE, length, kind, step)
    quick = _chance_then_step(drift, TWIN, length, kind, QUICK_MEANS)
    drift.odds[NEXT] *= quick / chance
    drift.n_in_block[NEXT] += 1


@hot_kernel
def _chance_then_step(drift: DriftArrays, who: int, length: int, kind: int, step: float) -> float:
    """The chance that the running means gave to what came; then they take their step towards it.

    Instead of all means shrinking, the weight of the new one grows.
    """
    total = drift.seen_total[who, length]
    chance = (1.0 - SMOOTHING) * drift.seen[who, length, kind] / total + SMOOTHING / N_KINDS
    grown = total / (1.0 - step)
    drift.seen[who, length, kind] += grown - total
    drift.seen_total[who, length] = grown
    if grown > MOST:
        for k in range(N_KINDS):
            drift.seen[who, length, k] /= grown
        drift.seen_total[who, length] = 1.0
    return float(chance)


@hot_kernel
def react(drift: DriftArrays, detectors: AdwinArrays, policy: DriftPolicy) -> None:
    """To be called after each event: judges the blocks that are full."""
    for loss in range(len(LOSSES)):
        if drift.n_in_block[loss] < BLOCK:
            continue
        _come_down(drift, policy, loss)
        excess = SCALE[loss] * np.log(drift.odds[loss]) / BLOCK
        drift.odds[loss] = 1.0
        drift.n_in_block[loss] = 0
        if adwin.update(detectors, loss, excess, DELTA, CLOCK) == RISEN and detectors.around[loss, NEWER] > 0.0:
            drift.n_alarms[loss] += 1
            drift.factor[loss] = policy.factor
            drift.since[loss] = 0


@hot_kernel
def _come_down(drift: DriftArrays, policy: DriftPolicy, loss: int) -> None:
    if is_raised(drift, loss):
        drift.since[loss] += BLOCK
        faded = 1.0 + (policy.factor - 1.0) * drift.since[loss] / policy.period
        drift.factor[loss] = max(1.0, policy.factor / faded)
