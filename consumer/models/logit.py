"""Stage (a) of the fusion: one list of items outside the history from the lists of several members.

The union of the members' candidates is ordered by a conditional logit (McFadden 1974): u(j) = w · x(j), with three
features a member, s its score for j and s_max its best score

    ln(s/s_max + 0.001) + 6.9        (s/s_max)^0.5        1/rank        (s = 0 and 1/rank = 0 where it doesn't list j)

A member that only judges what others propose (`linear`) has one feature: the log-odds it gives to j, held against their
mean over the candidates, within ±JUDGED_LIMIT. And there are four of the item: c_j its decayed count, Σc that of all
items, q_j its score (expected share), and the shares of `item_to_item`'s evidence for j that came by its second hop and
from the latest item of the history (0 where it doesn't list j)

    ln((q_j·Σc + 3)/(c_j + 3))       ln(c_j + 3)          second hop           latest

The first of the four says what is rising; they let a stream correct what `item_to_item` assumes of popularity, of the
second hop and of how fast a history fades. It starts as `item_to_item` alone and learns on sampled events: among the
candidates that some member lists among its first HEAD, the chance of j is e^u(j) / Σ e^u, and the gradient of the log
chance of the one that came true moves w by AdaGrad (Duchi, Hazan, Singer 2011). Nothing is learned where it was none of
these: the long tail of a list would drown what orders its head, which is all that anybody sees.

A member whose list is nonsense is muted: it is not heard, though asked, until PENANCE sampled lists of it in a row were
in order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models.item_to_item import (
    COUNT_PRIOR,
    COUNT_TOTAL,
    LATEST_PART,
    N_PARTS,
    N_RANKED,
    SECOND_HOP_PART,
    ItemToItemArrays,
    gain,
    insert_ranked,
)

MEMBERS = ("item_to_item", "session_knn", "neural")
"""Those that propose items outside the history, in the order of their features."""
ITEM_TO_ITEM = 0
SESSION_KNN = 1
NEURAL = 2
JUDGES = ("linear",)
"""Those that judge the candidates of all others: numbered on from MEMBERS, their features after all of theirs."""
LINEAR = len(MEMBERS)
N_ASKED = len(MEMBERS) + len(JUDGES)

FLOOR = 0.001
OFFSET = 6.9
EACH = 3  # features a member
ABSENT = float(np.log(FLOOR)) + OFFSET  # the first of them where it doesn't list the item
N_PROPOSERS = len(MEMBERS)
FIRST_JUDGE = EACH * N_PROPOSERS
ITEM_FEATURES = ("rising", "count", "second_hop", "latest")
"""Those of the item, behind the members'."""
RISING, COUNT, SECOND_HOP, LATEST = range(FIRST_JUDGE + len(JUDGES), FIRST_JUDGE + len(JUDGES) + len(ITEM_FEATURES))
N_FEATURES = LATEST + 1
JUDGED_LIMIT = 6.0
HEAD = 20
N_CANDIDATES = N_RANKED * len(MEMBERS)
N_SLOTS = 1 << (2 * N_CANDIDATES).bit_length()
STEP = 0.03
NETWORK_STEP = 0.1
"""Where `neural` proposes too: its weights begin at 0 and have far to go. With STEP the ensemble gained 0.78 points of
R@20 by it on DIGINETICA, prequential; with eight times the samples 1.05, and 1.03 with this (QUALITY.md)."""
YOUNG = 100  # samples
DAMPING = (
    1e-8  # beside Σ gradient²: where all candidates are alike the gradient is rounding, which AdaGrad would blow up
)
PENANCE = 200
NONE = -1


class LogitArrays(NamedTuple):
    weights: Float64Array  # (N_FEATURES,) w
    squares: Float64Array  # (N_FEATURES,) Σ gradient²
    n_learned: Int64Array  # (1,) sampled events learned from
    n_faults: Int64Array  # (N_ASKED,) sampled lists that were nonsense
    penance: Int64Array  # (N_ASKED,) lists in order that it owes before it is heard again


class Pool(NamedTuple):
    """Working memory: the members' lists, and their union with its features."""

    proposed: Int32Array  # (members, N_RANKED) best first
    scores: Float64Array  # (members, N_RANKED)
    parts: Float64Array  # (N_RANKED, N_PARTS) of `item_to_item`'s evidence
    n_proposed: Int32Array  # (N_ASKED,) NONE: the member is off; a judge proposes 0
    is_faulty: UInt8Array  # (N_ASKED,) 1: its list is nonsense
    judged: Float64Array  # (N_CANDIDATES,) what `linear` says of each candidate
    items: Int32Array  # (N_CANDIDATES,)
    share: Float64Array  # (N_CANDIDATES,) score of the item; no finite number: not known
    features: Float64Array  # (N_CANDIDATES, N_FEATURES)
    utility: Float64Array  # (N_CANDIDATES,) u, then the chance while learning
    gradient: Float64Array  # (N_FEATURES,)
    ranked_utility: Float64Array  # (N_RANKED,)
    slots: Int32Array  # (N_SLOTS,) candidate by item, or NONE
    n_items: Int32Array  # (1,)


def allocate() -> LogitArrays:
    weights = np.zeros(N_FEATURES)
    weights[EACH * ITEM_TO_ITEM] = 1.0
    return LogitArrays(
        weights=weights,
        squares=np.zeros(N_FEATURES),
        n_learned=np.zeros(1, np.int64),
        n_faults=np.zeros(N_ASKED, np.int64),
        penance=np.zeros(N_ASKED, np.int64),
    )


def allocate_pool() -> Pool:
    return Pool(
        proposed=np.zeros((len(MEMBERS), N_RANKED), np.int32),
        scores=np.zeros((len(MEMBERS), N_RANKED)),
        parts=np.zeros((N_RANKED, N_PARTS)),
        n_proposed=np.full(N_ASKED, NONE, np.int32),
        is_faulty=np.zeros(N_ASKED, np.uint8),
        judged=np.zeros(N_CANDIDATES),
        items=np.zeros(N_CANDIDATES, np.int32),
        share=np.zeros(N_CANDIDATES),
        features=np.zeros((N_CANDIDATES, N_FEATURES)),
        utility=np.zeros(N_CANDIDATES),
        gradient=np.zeros(N_FEATURES),
        ranked_utility=np.zeros(N_RANKED),
        slots=np.full(N_SLOTS, NONE, np.int32),
        n_items=np.zeros(1, np.int32),
    )


@hot_kernel
def is_in_order(items: Int32Array, scores: Float64Array, n: int, is_live: UInt8Array) -> bool:
    """Whether a list is one: live items, finite scores above 0 that do not rise."""
    if n < 0 or n > len(items):
        return False
    for r in range(n):
        if items[r] < 0 or items[r] >= len(is_live) or is_live[items[r]] == 0:
            return False
        if not (np.isfinite(scores[r]) and scores[r] > 0.0) or (r > 0 and scores[r] > scores[r - 1]):
            return False
    return True


@hot_kernel
def take(pool: Pool, member: int, n: int, is_live: UInt8Array) -> None:
    """The member has proposed n items, or anything but that."""
    is_faulty = not is_in_order(pool.proposed[member], pool.scores[member], n, is_live)
    pool.is_faulty[member] = is_faulty
    pool.n_proposed[member] = 0 if is_faulty else n


@hot_kernel
def note_faults(logit: LogitArrays, pool: Pool) -> None:
    """Mute the members whose lists were nonsense, and let those that behave come nearer to being heard again."""
    for member in range(len(logit.penance)):
        if pool.is_faulty[member]:
            logit.n_faults[member] += 1
            logit.penance[member] = PENANCE
        elif pool.n_proposed[member] != NONE and logit.penance[member] > 0:
            logit.penance[member] -= 1


@hot_kernel
def _candidate(pool: Pool, item: int) -> int:
    """The slot in which the item stands, or the free one where it would."""
    mask = len(pool.slots) - 1
    slot = (item * 0x9E3779B1) & mask
    while pool.slots[slot] != NONE and pool.items[pool.slots[slot]] != item:
        slot = (slot + 1) & mask
    return slot


@hot_kernel
def _add(pool: Pool, item: int) -> int:
    """The candidate's number; a new one is listed by nobody yet."""
    slot = _candidate(pool, item)
    if pool.slots[slot] == NONE:
        c = pool.n_items[0]
        pool.slots[slot] = c
        pool.n_items[0] = c + 1
        pool.items[c] = item
        pool.features[c, :] = 0.0
        for member in range(N_PROPOSERS):
            pool.features[c, EACH * member] = ABSENT
    return int(pool.slots[slot])


@hot_kernel
def gather(logit: LogitArrays, pool: Pool, n_members: int) -> None:
    """Make the union of all lists heard of the first n_members, with the members' features. `share` has to be filled
    before `describe_items` adds those of the items."""
    pool.slots[:] = NONE
    pool.n_items[0] = 0
    for member in range(n_members):
        if logit.penance[member] > 0:
            continue
        for r in range(pool.n_proposed[member]):
            c = _add(pool, pool.proposed[member, r])
            ratio = pool.scores[member, r] / pool.scores[member, 0]
            pool.features[c, EACH * member] = np.log(ratio + FLOOR) + OFFSET
            pool.features[c, EACH * member + 1] = np.sqrt(ratio)
            pool.features[c, EACH * member + 2] = 1.0 / (r + 1.0)
            if member == ITEM_TO_ITEM:
                pool.features[c, SECOND_HOP] = pool.parts[r, SECOND_HOP_PART]
                pool.features[c, LATEST] = pool.parts[r, LATEST_PART]


@hot_kernel
def describe_items(pool: Pool, i2i: ItemToItemArrays, now_ms: float) -> None:
    """Add to the candidates' features what is known of them whatever the history."""
    fresh = 1.0 / gain(i2i, now_ms)
    count_total = i2i.totals[COUNT_TOTAL] * fresh
    for c in range(pool.n_items[0]):
        count = i2i.counts[pool.items[c]] * fresh + COUNT_PRIOR
        expected = pool.share[c] * count_total + COUNT_PRIOR
        pool.features[c, RISING] = np.log(expected / count) if np.isfinite(expected) else 0.0
        pool.features[c, COUNT] = np.log(count)


@hot_kernel
def take_judgement(logit: LogitArrays, pool: Pool, judge: int) -> None:
    """The judge has said in `judged` what it thinks of the candidates: numbers, or not."""
    pool.n_proposed[judge] = 0
    n = pool.n_items[0]
    total = 0.0
    for c in range(n):
        total += pool.judged[c]
    pool.is_faulty[judge] = not np.isfinite(total)
    if pool.is_faulty[judge] or logit.penance[judge] > 0:
        return  # its feature is 0 everywhere, as `gather` left it
    column = FIRST_JUDGE + judge - N_PROPOSERS
    for c in range(n):
        pool.features[c, column] = max(-JUDGED_LIMIT, min(JUDGED_LIMIT, pool.judged[c] - total / n))


@hot_kernel
def order(logit: LogitArrays, pool: Pool, listed: Int32Array) -> int:
    """The candidates of greatest utility, best first (ties: smaller row); returns how many."""
    n = 0
    for c in range(pool.n_items[0]):
        utility = 0.0
        for f in range(pool.features.shape[1]):
            utility += logit.weights[f] * pool.features[c, f]
        pool.utility[c] = utility
        n = insert_ranked(listed, pool.ranked_utility, n, pool.items[c], utility)
    return n


@hot_kernel
def step_of(logit: LogitArrays, step: float, factor: float) -> float:
    """A step, up to `factor` times as long; but AdaGrad's steps shrink as 1/√samples, and none is to be longer than
    they were after YOUNG: ten times as long in the first weeks they threw the weights where a million events did not
    mend them (0.9 points of R@20 on DIGINETICA)."""
    return float(step * min(factor, max(1.0, np.sqrt(logit.n_learned[0] / YOUNG))))


@hot_kernel
def _is_head(pool: Pool, c: int) -> bool:
    """Whether some member lists the candidate among its first HEAD."""
    for member in range(N_PROPOSERS):  # noqa: SIM110 - numba compiles no generator expressions
        if pool.features[c, EACH * member + 2] * HEAD >= 1.0 - 1e-9:
            return True
    return False


@hot_kernel
def learn(logit: LogitArrays, pool: Pool, item: int, step: float) -> None:
    """The item came true. Needs the pool as `order` left it."""
    truth = pool.slots[_candidate(pool, item)]
    if truth == NONE or not _is_head(pool, truth):
        return
    n = pool.n_items[0]
    greatest = -np.inf
    for c in range(n):
        if _is_head(pool, c):
            greatest = max(greatest, pool.utility[c])
    total = 0.0
    for c in range(n):
        pool.utility[c] = np.exp(pool.utility[c] - greatest) if _is_head(pool, c) else 0.0
        total += pool.utility[c]
    for f in range(pool.features.shape[1]):
        pool.gradient[f] = pool.features[truth, f]
    for c in range(n):
        chance = pool.utility[c] / total
        for f in range(pool.features.shape[1]):
            pool.gradient[f] -= chance * pool.features[c, f]
    for f in range(pool.features.shape[1]):
        if not np.isfinite(pool.gradient[f]):
            return
    for f in range(pool.features.shape[1]):
        logit.squares[f] += pool.gradient[f] * pool.gradient[f]
        logit.weights[f] += step * pool.gradient[f] / np.sqrt(logit.squares[f] + DAMPING)
    logit.n_learned[0] += 1
