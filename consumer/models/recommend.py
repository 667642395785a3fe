"""A history in, the items its owner may like out: the one piece of code that both the worker and readers run."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, UInt8Array
from consumer.models import fusion, item_to_item, logit, neural, neural_encoder, repeat
from consumer.models.fusion import FusionArrays
from consumer.models.item_to_item import ItemToItemArrays, Scratch
from consumer.models.logit import ITEM_TO_ITEM, N_PROPOSERS, NEURAL, SESSION_KNN, LogitArrays, Pool
from consumer.models.neural import NeuralArrays
from consumer.models.neural_encoder import NeuralScratch
from consumer.models.repeat import RepeatArrays
from consumer.settings import Neural

N_READABLE = 1
"""Members that propose items outside the history and that all readers have: `item_to_item`."""
NO_NETWORK = neural.allocate(Neural(), 0)
NO_SCRATCH = neural_encoder.allocate_scratch(Neural(), 0)


class Readable(NamedTuple):
    """What readers recommend from."""

    item_to_item: ItemToItemArrays
    repeat: RepeatArrays
    logit: LogitArrays
    fusion: FusionArrays
    scores: Float64Array  # (capacity,) of items; no finite number: not known
    popular: Int32Array  # item rows, best first, negative: none; they fill what the members leave open
    neural: NeuralArrays = NO_NETWORK  # of no items: not published; else `logit` weighs its list too
    neural_scratch: NeuralScratch = NO_SCRATCH


class Lists(NamedTuple):
    """Working memory: the list outside the history, what `repeat` proposes, and the merged list."""

    listed: Int32Array  # (N_RANKED,) items outside the history, best first
    repeated: Int32Array  # (longest history,) of `repeat`, best first
    chances: Float64Array  # (longest history,)
    merged: Int32Array  # (longest recommendation,)
    lengths: Int32Array  # (3,) how many of listed, repeated, merged are in use


LISTED = 0
REPEATED = 1
MERGED = 2


def allocate_lists(history: int, n: int) -> Lists:
    return Lists(
        listed=np.zeros(item_to_item.N_RANKED, np.int32),
        repeated=np.zeros(history, np.int32),
        chances=np.zeros(history),
        merged=np.zeros(n, np.int32),
        lengths=np.zeros(3, np.int32),
    )


@hot_kernel
def place_of(ranked: Int32Array, n: int, item: int) -> int:
    """1-based place of the item among the first n, 0 if it isn't there."""
    for place in range(n):
        if ranked[place] == item:
            return place + 1
    return 0


@hot_kernel
def recommend(
    known: Readable,
    scratch: Scratch,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    now_ms: float,
    pool: Pool,
    lists: Lists,
) -> None:
    """Fill `lists` for a history (item rows, latest first, negative: gone; n_history may be 0).

    An empty history is served from `known.popular` alone.
    """
    n_listed = 0
    if n_history > 0:
        n = item_to_item.rank(
            known.item_to_item, scratch, is_live, history, n_history, now_ms,
            pool.proposed[ITEM_TO_ITEM], pool.scores[ITEM_TO_ITEM], pool.parts,
        )  # fmt: skip
        logit.take(pool, ITEM_TO_ITEM, n, is_live)
        has_network = neural.is_on(known.neural)
        if has_network:
            pool.n_proposed[SESSION_KNN] = logit.NONE
            n = neural_encoder.rank(
                known.neural, known.neural_scratch, is_live, history, n_history,
                pool.proposed[NEURAL], pool.scores[NEURAL],
            )  # fmt: skip
            logit.take(pool, NEURAL, n, is_live)
        logit.gather(known.logit, pool, N_PROPOSERS if has_network else N_READABLE)
        for c in range(pool.n_items[0]):
            pool.share[c] = known.scores[pool.items[c]]
        logit.describe_items(pool, known.item_to_item, now_ms)
        n_listed = logit.order(known.logit, pool, lists.listed)
    finish(known.repeat, known.fusion, history, n_history, known.popular, n_listed, lists)


@hot_kernel
def finish(
    repeats: RepeatArrays,
    fused: FusionArrays,
    history: Int32Array,
    n_history: int,
    popular: Int32Array,
    n_listed: int,
    lists: Lists,
) -> None:
    """Merge the list outside the history with what `repeat` proposes, and fill up with `popular` (rows best first,
    negative: none)."""
    n_repeated = 0
    n = 0
    if n_history > 0:
        n_repeated = repeat.rank(repeats, history, n_history, lists.repeated, lists.chances)
        n = fusion.merge(
            fused, n_history, lists.repeated, lists.chances, n_repeated, lists.listed, n_listed, lists.merged
        )
    for item in popular:
        if n == len(lists.merged):
            break
        if item >= 0 and place_of(lists.merged, n, item) == 0:
            lists.merged[n] = item
            n += 1
    lists.lengths[LISTED] = n_listed
    lists.lengths[REPEATED] = n_repeated
    lists.lengths[MERGED] = n
