"""What `linear` looks at: a history, an item that may follow and the moment, as one row of features.

All of it is known before the event. Numbers that every row has, standardised online:

    ln(n·p_h + 0.01)    p_h the item's share at half-life h, n the items that have one: 0 for an ordinary item
    ln(c + 1)           c the item's decayed count of events
    ln(100·e + 1)       e evidence of `item_to_item` that the item follows: from the latest item, w_ij/(c_i + 3); from
                        the latest ones, times e^(−b/2); and over one item in between

and two flags, whether there is any evidence of the last two kinds. Hashed ones (`features`), by name of a feature that
events carried: the item's own text, number and its square; the same by hour of day; whether its text is that of the
latest item, also by what was done to that one; which text follows which; the share of the latest items that have the
text; how far its number is from the latest item's, and from the mean of the latest ones. And evidence by what was done
last and by how long the history is, popularity by hour of day.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array, Int32Array, UInt8Array
from consumer.models import item_features, popularity, standardise
from consumer.models.features import index_of, sign_of
from consumer.models.item_features import NO_SLOT
from consumer.models.item_to_item import (
    COUNT_PRIOR,
    LANDMARK_MS,
    STEP_DECAY,
    ItemToItemArrays,
    gain,
    insert_ranked,
)
from consumer.models.linear_model import (
    COUNT,
    EVIDENCE,
    N_BUILT_IN,
    N_DISTINCT,
    N_NAMES,
    N_NUMERIC,
    N_RECENT,
    N_SPREAD,
    N_TOUCHED,
    LinearModel,
    LinearScratch,
)
from consumer.models.negative_sampling import scattered
from consumer.models.popularity import PopularityArrays

TOUCHED = 1
IN_HISTORY = 2
FROM_LATEST, FROM_ALL, OVER_ANOTHER = 0, 1, 2  # columns of the evidence
MAX_PLACES = 6
_HOURS = 3  # of a bucket of the day
_FAR = 4.0  # spreads; what is farther away is as far
_LEAST_SHARE = 0.01
_EVIDENCE_SCALE = 100.0

# Which hashed feature it is.
_OWN, _SQUARE, _BY_HOUR, _SAME, _SAME_AFTER, _FOLLOWS, _COMMON, _FROM_LATEST, _FROM_MEAN = range(1, 10)
_EVIDENCE_AFTER, _ANOTHER_AFTER, _EVIDENCE_BY_PLACES, _POPULARITY_BY_HOUR = range(10, 14)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Moment(NamedTuple):
    """What all candidates have in common."""

    last_kind: int  # type of the last event + 1; 0: not known
    hours: int  # bucket of the day, UTC
    n_places: int  # of the history, at most MAX_PLACES
    fresh: float  # turns `item_to_item`'s units into those of one fresh event


@hot_kernel
def begin(
    scratch: LinearScratch,
    i2i: ItemToItemArrays,
    is_live: UInt8Array,
    history: Int32Array,
    n_history: int,
    now_ms: float,
    last_kind: int,
) -> Moment:
    """Lay out the evidence for a history (item rows, latest first, negative: gone); `end` takes it away again."""
    fresh = 0.0
    if not np.isnan(i2i.totals[LANDMARK_MS]):
        fresh = 1.0 / gain(i2i, now_ms)
    scratch.counts[N_TOUCHED] = 0
    n_distinct = 0
    for b in range(n_history):
        item = history[b]
        if item < 0 or not is_live[item] or scratch.mark[item] == IN_HISTORY:
            continue
        _touch(scratch, item)
        scratch.mark[item] = IN_HISTORY
        if n_distinct < N_RECENT:
            scratch.recent[n_distinct] = item
        if n_distinct < N_SPREAD:
            share = fresh / (i2i.counts[item] * fresh + COUNT_PRIOR)
            if n_distinct == 0:
                _spread(scratch, i2i, is_live, item, share, FROM_LATEST)
            _spread(scratch, i2i, is_live, item, share * np.exp(-STEP_DECAY * b), FROM_ALL)
        n_distinct += 1
    scratch.counts[N_DISTINCT] = n_distinct
    _cross_bridges(scratch, i2i, is_live, fresh)
    hour = int(now_ms // 3_600_000.0) % 24
    return Moment(last_kind, hour // _HOURS, min(n_history, MAX_PLACES), fresh)


@hot_kernel
def end(scratch: LinearScratch) -> None:
    """Leave the working memory clean."""
    for t in range(scratch.counts[N_TOUCHED]):
        item = scratch.touched[t]
        scratch.mark[item] = 0
        for kind in range(scratch.evidence.shape[1]):
            scratch.evidence[item, kind] = 0.0


@hot_kernel
def _touch(scratch: LinearScratch, item: int) -> None:
    if scratch.mark[item] == 0:
        scratch.mark[item] = TOUCHED
        scratch.touched[scratch.counts[N_TOUCHED]] = item
        scratch.counts[N_TOUCHED] += 1


@hot_kernel
def _spread(
    scratch: LinearScratch, i2i: ItemToItemArrays, is_live: UInt8Array, item: int, factor: float, kind: int
) -> None:
    """evidence[j, kind] += factor · w_item,j over the item's live neighbours."""
    for e in range(i2i.size[item]):
        j = i2i.neighbour[item, e]
        if is_live[j]:
            _touch(scratch, j)
            scratch.evidence[j, kind] += factor * i2i.weight[item, e]


@hot_kernel
def _cross_bridges(scratch: LinearScratch, i2i: ItemToItemArrays, is_live: UInt8Array, fresh: float) -> None:
    n_bridges = 0
    for t in range(scratch.counts[N_TOUCHED]):
        j = scratch.touched[t]
        if scratch.mark[j] == TOUCHED:
            n_bridges = insert_ranked(
                scratch.bridges, scratch.bridge_values, n_bridges, j, scratch.evidence[j, FROM_ALL]
            )
    for k in range(n_bridges):
        bridge = scratch.bridges[k]
        share = fresh / (i2i.counts[bridge] * fresh + COUNT_PRIOR)
        _spread(scratch, i2i, is_live, bridge, scratch.bridge_values[k] * share, OVER_ANOTHER)


@hot_kernel
def _put(scratch: LinearScratch, r: int, index: int, value: float) -> None:
    n = scratch.length[r]
    if value != 0.0 and n < scratch.indices.shape[1]:
        scratch.indices[r, n] = index
        scratch.values[r, n] = value
        scratch.length[r] = n + 1


@hot_kernel
def _key(kind: int, what: np.uint64) -> np.uint64:
    return scattered(np.uint64(kind) * _GOLDEN + what)


@hot_kernel
def _put_hashed(model: LinearModel, scratch: LinearScratch, r: int, key: np.uint64, value: float) -> None:
    n_hashed = len(model.learned.weights.weight) - 1 - N_BUILT_IN
    _put(scratch, r, N_BUILT_IN + index_of(key, n_hashed), sign_of(key) * value)


@hot_kernel
def number_of(name: np.uint32) -> int:
    """Where means and spreads of a named number are kept."""
    return N_NUMERIC + int(name % np.uint32(N_NAMES))


@hot_kernel
def observe_features(model: LinearModel, item: int, time_ms: float) -> None:
    """Let means and spreads follow the numbers that an event has just said of its item."""
    features = model.features
    for slot in range(features.name.shape[1]):
        if features.name[item, slot] != np.uint32(0) and features.text[item, slot] == np.uint32(0):
            standardise.observe_one(
                model.numbers, number_of(features.name[item, slot]), np.float64(features.value[item, slot]), time_ms
            )


@hot_kernel
def write(
    model: LinearModel,
    scratch: LinearScratch,
    shares: PopularityArrays,
    i2i: ItemToItemArrays,
    moment: Moment,
    item: int,
    r: int,
) -> None:
    """Make row r that of this item as the next one."""
    raw, scaled = scratch.raw[r], scratch.scaled
    _write_raw(scratch, shares, i2i, moment, item, raw)
    standardise.standardise(model.numbers, raw, scaled)
    scratch.length[r] = 0
    for f in range(N_NUMERIC):
        _put(scratch, r, f, scaled[f])
    for kind in (FROM_ALL, OVER_ANOTHER):
        if scratch.evidence[item, kind] > 0.0:
            _put(scratch, r, N_NUMERIC + kind - 1, 1.0)
    _write_moment(model, scratch, moment, scaled, r)
    for slot in range(model.features.name.shape[1]):
        name = model.features.name[item, slot]
        if name == np.uint32(0):
            break
        if model.features.text[item, slot] != np.uint32(0):
            _write_text(model, scratch, moment, item, slot, r)
        else:
            _write_number(model, scratch, item, slot, r)


@hot_kernel
def _write_raw(
    scratch: LinearScratch,
    shares: PopularityArrays,
    i2i: ItemToItemArrays,
    moment: Moment,
    item: int,
    raw: Float64Array,
) -> None:
    for h in range(len(shares.mixture)):
        relative = 0.0
        if shares.n_positive[h] > 0:
            relative = shares.n_positive[h] * popularity.net(shares, item, h) / shares.total[h]
        raw[h] = np.log(relative + _LEAST_SHARE)
    raw[COUNT] = np.log(i2i.counts[item] * moment.fresh + 1.0)
    for kind in range(scratch.evidence.shape[1]):
        raw[EVIDENCE + kind] = np.log(_EVIDENCE_SCALE * scratch.evidence[item, kind] + 1.0)


@hot_kernel
def _write_moment(model: LinearModel, scratch: LinearScratch, moment: Moment, scaled: Float64Array, r: int) -> None:
    kind, places, hours = np.uint64(moment.last_kind), np.uint64(moment.n_places), np.uint64(moment.hours)
    _put_hashed(model, scratch, r, _key(_EVIDENCE_AFTER, kind), scaled[EVIDENCE + FROM_ALL])
    _put_hashed(model, scratch, r, _key(_ANOTHER_AFTER, kind), scaled[EVIDENCE + OVER_ANOTHER])
    _put_hashed(model, scratch, r, _key(_EVIDENCE_BY_PLACES, places), scaled[EVIDENCE + FROM_ALL])
    _put_hashed(model, scratch, r, _key(_POPULARITY_BY_HOUR, hours), scaled[0])


@hot_kernel
def _write_text(model: LinearModel, scratch: LinearScratch, moment: Moment, item: int, slot: int, r: int) -> None:
    features = model.features
    name, text = np.uint64(features.name[item, slot]), np.uint64(features.text[item, slot])
    whole = name << np.uint64(32) | text
    _put_hashed(model, scratch, r, _key(_OWN, whole), 1.0)
    _put_hashed(model, scratch, r, _key(_BY_HOUR, scattered(whole) + np.uint64(moment.hours)), 1.0)
    n_recent = min(scratch.counts[N_DISTINCT], N_RECENT)
    n_same = 0
    for k in range(n_recent):
        other = item_features.slot_of(features, scratch.recent[k], features.name[item, slot], slot)
        if other == NO_SLOT:
            continue
        theirs = np.uint64(features.text[scratch.recent[k], other])
        if theirs == text:
            n_same += 1
        if k == 0:
            _put_hashed(model, scratch, r, _key(_FOLLOWS, scattered(whole) + theirs), 1.0)
            if theirs == text:
                _put_hashed(model, scratch, r, _key(_SAME, name), 1.0)
                _put_hashed(model, scratch, r, _key(_SAME_AFTER, scattered(name) + np.uint64(moment.last_kind)), 1.0)
    if n_same > 0:
        _put_hashed(model, scratch, r, _key(_COMMON, name), n_same / n_recent)


@hot_kernel
def _standardised(model: LinearModel, item: int, slot: int) -> float:
    value = np.float64(model.features.value[item, slot])
    return standardise.standardised_one(model.numbers, number_of(model.features.name[item, slot]), value)


@hot_kernel
def _write_number(model: LinearModel, scratch: LinearScratch, item: int, slot: int, r: int) -> None:
    features = model.features
    name = np.uint64(features.name[item, slot])
    value = _standardised(model, item, slot)
    _put_hashed(model, scratch, r, _key(_OWN, name), value)
    _put_hashed(model, scratch, r, _key(_SQUARE, name), min(value * value, _FAR * _FAR) / _FAR)
    total, n = 0.0, 0
    for k in range(min(scratch.counts[N_DISTINCT], N_RECENT)):
        other = item_features.slot_of(features, scratch.recent[k], features.name[item, slot], slot)
        if other == NO_SLOT or features.text[scratch.recent[k], other] != np.uint32(0):
            continue
        theirs = _standardised(model, scratch.recent[k], other)
        total += theirs
        n += 1
        if k == 0:
            _put_hashed(model, scratch, r, _key(_FROM_LATEST, name), min(abs(value - theirs), _FAR))
    if n > 0:
        _put_hashed(model, scratch, r, _key(_FROM_MEAN, name), min(abs(value - total / n), _FAR))


@hot_kernel
def add_up_repeated(scratch: LinearScratch, r: int) -> None:
    """Features that share an index within row r become one entry, as a step of learning wants them."""
    n = 0
    for k in range(scratch.length[r]):
        place = 0
        while place < n and scratch.indices[r, place] != scratch.indices[r, k]:
            place += 1
        if place == n:
            scratch.indices[r, n] = scratch.indices[r, k]
            scratch.values[r, n] = scratch.values[r, k]
            n += 1
        else:
            scratch.values[r, place] += scratch.values[r, k]
    scratch.length[r] = n
