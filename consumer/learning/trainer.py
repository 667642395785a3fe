"""The learning pass: one compiled loop over an admitted batch, event by event, in order.

For each event: evict what has outlived its time, rank (if sampled), then learn. Whatever is periodic fires by counts or
by event time inside the pass, so how the stream is cut into batches changes nothing. The pass stops early where arrays
must grow or rows must be recycled, and goes on at the same event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.kernels import hot_kernel, prefetch
from consumer.learning import cases, daily_cap, quality
from consumer.learning.cases import CaseArrays
from consumer.learning.daily_cap import CapArrays
from consumer.learning.quality import QualityArrays
from consumer.messages import (
    Float64Array,
    Int32Array,
    Int64Array,
    Outcome,
    UInt8Array,
    UInt64Array,
)
from consumer.models import (
    ensemble,
    fusion,
    histories,
    item_to_item,
    logit,
    popularity,
    recency_index,
    repeat,
    session_knn,
    session_ring,
)
from consumer.models.ensemble import Ensemble
from consumer.models.histories import HistoryArrays
from consumer.models.item_to_item import WINDOW
from consumer.models.logit import ITEM_TO_ITEM, SESSION_KNN, Pool
from consumer.models.popularity import PopularityArrays
from consumer.models.recency_index import (
    N_LIVE,
    N_RETIRED,
    N_USED,
    NONE,
    OLDEST,
    IndexArrays,
)
from consumer.models.recommend import LISTED, MERGED, REPEATED, Lists, allocate_lists, place_of
from consumer.models.state import ItemText, ModelState
from consumer.settings import Settings
from consumer.tables import Array

_ADMITTED = int(Outcome.ADMITTED)
_LATE_POPULARITY_ONLY = int(Outcome.LATE_POPULARITY_ONLY)

# Why the pass stopped.
DONE = 0
NEEDS_ITEMS = 1
NEEDS_USERS = 2
NEEDS_TEXT = 3
NEEDS_SWEEP = 4

LOOK_AHEAD = 4  # events
N_EXPECTED = 8  # more than LOOK_AHEAD
MIN_RETIRED = 64
"""Evicted rows are recycled together, once they are so many and a sixteenth of the catalogue: it takes a sweep over all
that may refer to them."""


class Columns(NamedTuple):
    """What the pass reads of a batch."""

    outcome: UInt8Array
    watermark_ms: Int64Array
    partitions: Int32Array
    offsets: Int64Array
    text: UInt8Array
    item_start: Int64Array
    item_length: Int32Array
    item_key: UInt64Array
    user_key: UInt64Array
    session_key: UInt64Array
    time_ms: Int64Array
    weight: Float64Array
    enters_history: UInt8Array


class Work(NamedTuple):
    """Working memory of the pass, for one event at a time."""

    history: Int32Array  # (longest history,) item rows, latest first
    before: Int32Array  # (WINDOW,) those of the session
    expected: Int32Array  # (N_EXPECTED, WINDOW) those that the events to come will have, by event modulo N_EXPECTED
    n_expected: Int32Array  # (N_EXPECTED,)
    lists: Lists
    pool: Pool


def allocate_work(history: int) -> Work:
    return Work(
        history=np.zeros(history, np.int32),
        before=np.zeros(WINDOW, np.int32),
        expected=np.zeros((N_EXPECTED, WINDOW), np.int32),
        n_expected=np.zeros(N_EXPECTED, np.int32),
        lists=allocate_lists(history, quality.CUTOFF),
        pool=logit.allocate_pool(),
    )


class State(NamedTuple):
    """The arrays of `ModelState`, of the quality window, the sampled cases and the daily cap."""

    items: IndexArrays
    text: ItemText
    users: IndexArrays
    histories: HistoryArrays
    popularity: PopularityArrays
    ensemble: Ensemble
    quality: QualityArrays
    work: Work
    cases: CaseArrays
    cap: CapArrays


class Limits(NamedTuple):
    max_items: int
    item_ttl_ms: int
    max_users: int
    user_ttl_ms: int
    session_gap_ms: int
    sample_one_in: int
    most_a_day: float
    topic_hash: np.uint64


Pass = Callable[[State, Limits, Columns, int, int], tuple[int, int]]
"""Takes the records start … stop - 1; returns the next one to be taken, and DONE or why it has to wait."""


@hot_kernel
def is_sampled(topic_hash: np.uint64, partition: int, offset: int, one_in: int) -> bool:
    """Whether the record is one of the sampled ones: one in so many, by a hash of its coordinates (splitmix64)."""
    x = topic_hash ^ (np.uint64(partition) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(offset)
    x = (x + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return bool(x % np.uint64(one_in) == np.uint64(0))


@hot_kernel
def _retire_item(state: State, item: int) -> None:
    popularity.forget_item(state.popularity, item)
    item_to_item.forget_item(state.ensemble.item_to_item, item)
    if ensemble.has_session_knn(state.ensemble.sessions):
        session_knn.forget_item(state.ensemble.session_knn, item)
    recency_index.retire(state.items, item)


@hot_kernel
def _remove_user(state: State, user: int) -> None:
    recency_index.remove(state.users, user)
    recency_index.release(state.users, user)


@hot_kernel
def evict(state: State, limits: Limits, watermark_ms: int) -> None:
    """Forget what has outlived its time, and what is too many since the limits were lowered."""
    while state.items.counts[N_LIVE] > 0:
        oldest = state.items.counts[OLDEST]
        is_fresh = state.items.seen_ms[oldest] >= watermark_ms - limits.item_ttl_ms
        if is_fresh and state.items.counts[N_LIVE] <= limits.max_items:
            break
        _retire_item(state, oldest)
    while state.users.counts[N_LIVE] > 0:
        oldest = state.users.counts[OLDEST]
        is_fresh = state.users.seen_ms[oldest] >= watermark_ms - limits.user_ttl_ms
        if is_fresh and state.users.counts[N_LIVE] <= limits.max_users:
            break
        _remove_user(state, oldest)


@hot_kernel
def needs_user_room(state: State, limits: Limits) -> bool:
    """Whether the users' arrays must grow before another one comes."""
    return not recency_index.has_room(state.users) and bool(state.users.counts[N_LIVE] < limits.max_users)


@hot_kernel
def _needs(state: State, limits: Limits, id_length: int) -> int:
    """Why this event cannot be learned yet, if so."""
    if state.items.counts[N_RETIRED] >= max(MIN_RETIRED, state.items.counts[N_LIVE] // 16):
        return NEEDS_SWEEP
    if not recency_index.has_room(state.items):
        return NEEDS_ITEMS
    if needs_user_room(state, limits):
        return NEEDS_USERS
    if id_length > state.text.text.shape[1]:
        return NEEDS_TEXT
    return DONE


@hot_kernel
def _new_item(state: State, limits: Limits, columns: Columns, i: int) -> int:
    if state.items.counts[N_LIVE] >= limits.max_items:
        _retire_item(state, state.items.counts[OLDEST])
    item = recency_index.insert(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
    length = columns.item_length[i]
    start = columns.item_start[i]
    state.text.length[item] = length
    state.text.text[item, :] = 0
    for b in range(length):
        state.text.text[item, b] = columns.text[start + b]
    return item


@hot_kernel
def user_of(state: State, limits: Limits, key_0: np.uint64, key_1: np.uint64) -> int:
    """Row of the user, a new one where he is unknown; `needs_user_room` has been asked."""
    user = recency_index.find(state.users, key_0, key_1)
    if user == NONE:
        if state.users.counts[N_LIVE] >= limits.max_users:
            _remove_user(state, state.users.counts[OLDEST])
        user = recency_index.insert(state.users, key_0, key_1)
        histories.clear(state.histories, user)
    return user


@hot_kernel
def rank_next(state: State, n_history: int, item: int, time_ms: int) -> int:
    """Rank for the history in `work` and note in `quality` where the next item stands in each list.

    Returns its place in the list outside the history, 0 if it isn't there. Changes nothing else.
    """
    history = state.work.history
    models, lists, pool = state.ensemble, state.work.lists, state.work.pool
    top = state.popularity.top
    ensemble.recommend(models, state.items.is_live, history, n_history, np.float64(time_ms), top, pool, lists)
    place = place_of(lists.listed, lists.lengths[LISTED], item)
    quality.record(
        state.quality,
        place_of(lists.merged, lists.lengths[MERGED], item),
        _place_proposed(pool, ITEM_TO_ITEM, item),
        place_of(lists.repeated, lists.lengths[REPEATED], item),
        place_of(top, len(top), item),
        _place_proposed(pool, SESSION_KNN, item),
    )
    return place


@hot_kernel
def _rank_sample(state: State, n_history: int, item: int, time_ms: int) -> None:
    """Test before training; the fusion learns from it. An item that just repeats is no test."""
    models = state.ensemble
    if state.work.history[0] == item:
        fusion.learn_sample(models.fusion, n_history, 0)
        return
    place = rank_next(state, n_history, item, time_ms)
    lists, shares = state.work.lists, state.popularity
    beforehand = popularity.weigh_half_lives(shares, state.items.counts[N_LIVE], shares.work)
    cases.keep(
        state.cases, state.work.history, n_history, item, time_ms,
        place_of(lists.merged, lists.lengths[MERGED], item), popularity.score(shares, shares.work, beforehand, item),
    )  # fmt: skip
    ensemble.learn_sample(models, state.work.pool, item, logit.STEP)
    fusion.learn_sample(models.fusion, n_history, place)


@hot_kernel
def _place_proposed(pool: Pool, member: int, item: int) -> int:
    """Where the item stands in the member's own list; quality.OFF where the member is off."""
    if pool.n_proposed[member] < 0:
        return quality.OFF
    return place_of(pool.proposed[member], pool.n_proposed[member], item)


@hot_kernel
def _learn_sequence(state: State, limits: Limits, columns: Columns, i: int, item: int, is_counted: bool) -> None:
    """Learn an event that enters its user's history; one that isn't counted adds nothing to what items say."""
    history = state.work.history
    time_ms = columns.time_ms[i]
    user = user_of(state, limits, columns.user_key[i, 0], columns.user_key[i, 1])
    n_history = histories.latest_first(state.histories, user, state.items.is_live, history)
    if n_history > 0:
        if is_sampled(limits.topic_hash, columns.partitions[i], columns.offsets[i], limits.sample_one_in):
            _rank_sample(state, n_history, item, time_ms)
        repeat.learn_event(state.ensemble.repeat, history, n_history, item)
    session = histories.session_of(state.histories, user, columns.session_key[i], time_ms, limits.session_gap_ms)
    before = state.work.before
    n_before = histories.predecessors(state.histories, user, session, before)
    if is_counted:
        item_to_item.learn_event(
            state.ensemble.item_to_item, state.items.counts[N_USED], state.items.is_live, state.items.dirty,
            item, before, n_before, time_ms,
        )  # fmt: skip
    if is_counted and ensemble.has_session_knn(state.ensemble.sessions):
        session_knn.learn_event(
            state.ensemble.session_knn, state.ensemble.sessions, state.items.is_live, state.items.dirty,
            item, session_ring.key_of(columns.user_key[i, 0], session), time_ms,
        )  # fmt: skip
    histories.push(state.histories, user, item, session, columns.session_key[i] != np.uint64(0), time_ms)
    recency_index.touch(state.users, user, time_ms)


@hot_kernel
def _learn_event(state: State, limits: Limits, columns: Columns, i: int) -> None:
    weight = daily_cap.allowed(
        state.cap, columns.user_key[i, 0], columns.item_key[i, 0], columns.weight[i],
        limits.most_a_day, columns.time_ms[i],
    )  # fmt: skip
    is_counted = weight != 0.0 or columns.weight[i] == 0.0
    is_late = columns.outcome[i] == _LATE_POPULARITY_ONLY
    item = recency_index.find(state.items, columns.item_key[i, 0], columns.item_key[i, 1])
    if item == NONE:
        item = _new_item(state, limits, columns, i)
    elif weight > 0.0 and not is_late:
        popularity.learn_mixture(state.popularity, state.items.counts[N_LIVE], item, weight)
    if columns.enters_history[i] and not is_late:
        _learn_sequence(state, limits, columns, i, item, is_counted)
    popularity.learn_event(
        state.popularity, state.items.counts[N_USED], state.items.is_live, state.items.dirty,
        item, weight, columns.time_ms[i],
    )  # fmt: skip
    recency_index.touch(state.items, item, columns.time_ms[i])
    popularity.refresh_top_if_due(
        state.popularity, state.items.counts[N_LIVE], state.items.counts[N_USED], state.items.is_live
    )


@hot_kernel
def _is_learned(columns: Columns, i: int) -> bool:
    return i < len(columns.outcome) and (columns.outcome[i] == _ADMITTED or columns.outcome[i] == _LATE_POPULARITY_ONLY)


@hot_kernel
def _look_ahead(state: State, limits: Limits, columns: Columns, i: int) -> None:
    """Begin to bring near what the events to come will touch, in four steps, each of which needs what the one before
    brought: look-up slots; the rows of item and user; the item's entries and the rows of those before it in the
    session; the entries of these. Most of the pass would be waiting for memory otherwise."""
    items, users = state.items, state.users
    far = i + 4 * LOOK_AHEAD
    if _is_learned(columns, far):
        prefetch(items.slots, int(columns.item_key[far, 0] & np.uint64(len(items.slots) - 1)), 0)
        prefetch(users.slots, int(columns.user_key[far, 0] & np.uint64(len(users.slots) - 1)), 0)
        daily_cap.prefetch_pair(state.cap, columns.user_key[far, 0], columns.item_key[far, 0])
    middle = i + 3 * LOOK_AHEAD
    if _is_learned(columns, middle):
        item = recency_index.find(items, columns.item_key[middle, 0], columns.item_key[middle, 1])
        if item != NONE:
            recency_index.prefetch_row(items, item)
            popularity.prefetch_row(state.popularity, item)
            item_to_item.prefetch_row(state.ensemble.item_to_item, item)
        user = recency_index.find(users, columns.user_key[middle, 0], columns.user_key[middle, 1])
        if user != NONE:
            recency_index.prefetch_row(users, user)
            histories.prefetch_row(state.histories, user)
    near = i + 2 * LOOK_AHEAD
    expected, n_expected = state.work.expected[near % N_EXPECTED], 0
    if _is_learned(columns, near):
        item = recency_index.find(items, columns.item_key[near, 0], columns.item_key[near, 1])
        if item != NONE:
            item_to_item.prefetch_entries(state.ensemble.item_to_item, item)
        n_expected = _expect(state, limits, columns, near, expected)
    state.work.n_expected[near % N_EXPECTED] = n_expected
    for k in range(n_expected):
        item_to_item.prefetch_row(state.ensemble.item_to_item, expected[k])
    due = (i + LOOK_AHEAD) % N_EXPECTED
    for k in range(state.work.n_expected[due]):
        item_to_item.prefetch_entries(state.ensemble.item_to_item, state.work.expected[due, k])


@hot_kernel
def _expect(state: State, limits: Limits, columns: Columns, i: int, expected: Int32Array) -> int:
    """The predecessors that an event to come will have, as it looks now; returns how many."""
    user = recency_index.find(state.users, columns.user_key[i, 0], columns.user_key[i, 1])
    if user == NONE:
        return 0
    session = histories.session_of(
        state.histories, user, columns.session_key[i], columns.time_ms[i], limits.session_gap_ms
    )
    n_live = 0
    for k in range(histories.predecessors(state.histories, user, session, expected)):
        if expected[k] != NONE:
            expected[n_live] = expected[k]
            n_live += 1
    return n_live


@hot_kernel
def learn_events(state: State, limits: Limits, columns: Columns, start: int, stop: int) -> tuple[int, int]:
    """Learn records start … stop - 1; returns where it stopped and why."""
    state.work.n_expected[:] = 0
    for i in range(start, stop):
        if columns.outcome[i] != _ADMITTED and columns.outcome[i] != _LATE_POPULARITY_ONLY:
            continue
        evict(state, limits, columns.watermark_ms[i])
        needs = _needs(state, limits, columns.item_length[i])
        if needs != DONE:
            return i, needs
        _look_ahead(state, limits, columns, i)
        _learn_event(state, limits, columns, i)
    return stop, DONE


@hot_kernel
def _sweep(state: State) -> None:
    """Recycle the evicted item rows."""
    n_used = state.items.counts[N_USED]
    item_to_item.forget_items(state.ensemble.item_to_item, n_used, state.items.is_live, state.items.dirty)
    session_knn.forget_items(state.ensemble.sessions, state.items.is_live)
    histories.forget_items(state.histories, state.users, state.users.counts[N_USED], state.items.is_live)
    cases.forget_items(state.cases, state.items.is_live)
    recency_index.release_retired(state.items)


class Trainer:
    """Learns admitted batches into a `ModelState`.

    `before_recycling(rows)` is called with evicted item rows just before their numbers may be given to new items; until
    then `ModelState.item_id` still knows their ids.
    """

    def __init__(
        self, settings: Settings, model: ModelState, before_recycling: Callable[[Int32Array], None] = lambda rows: None
    ) -> None:
        self._model = model
        self._before_recycling = before_recycling
        self.quality = quality.allocate()
        self.cases = cases.allocate(settings.users.history)
        self.cap = daily_cap.allocate(settings.users.remembered_pairs)
        self._work = allocate_work(settings.users.history)
        kinds = list(settings.input.event_types.values())
        self._weights = np.array([kind.weight for kind in kinds])
        self._enters_history = np.array([kind.history for kind in kinds], np.uint8)
        self._limits = Limits(
            max_items=settings.catalogue.max_items,
            item_ttl_ms=int(settings.catalogue.item_ttl_s * 1000),
            max_users=settings.users.max_users,
            user_ttl_ms=int(settings.users.user_ttl_s * 1000),
            session_gap_ms=int(settings.users.session_gap_s * 1000),
            sample_one_in=settings.evaluation.sample_one_in,
            most_a_day=settings.users.daily_item_weight * float(np.abs(self._weights).max()),
            topic_hash=np.uint64(0),
        )

    def learn(self, batch: AdmittedBatch) -> None:
        """Learn every admitted event in order."""
        self.run(learn_events, batch, 0, len(batch.outcome))

    def run(self, events_pass: Pass, batch: AdmittedBatch, start: int, stop: int) -> None:
        """Send records start … stop - 1 of a batch through a pass; it goes on where it stopped once there is room."""
        limits = self._limits._replace(topic_hash=np.uint64(batch.events.topic_hash))
        columns = self._columns(batch)
        while start < stop:
            start, why = events_pass(self._state(), limits, columns, start, stop)
            if why != DONE:
                self._make_room(why, columns, start)

    @property
    def n_capped(self) -> int:
        """Events counted in part or not at all, since their user had weighed enough on their item that day."""
        return int(self.cap.n_capped[0])

    def small(self) -> Mapping[str, Array]:
        """The quality window, the sampled cases and the daily cap, for checkpoints."""
        groups = {"quality": self.quality._asdict(), "cases": self.cases._asdict(), "daily_cap": self.cap._asdict()}
        return {f"{group}.{name}": array for group, arrays in groups.items() for name, array in arrays.items()}

    def restore(self, small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint. The daily cap begins anew where the settings give it another size."""
        for name, array in self.small().items():
            if name != "daily_cap.entries" or array.shape == small[name].shape:
                array[...] = small[name]

    def _make_room(self, why: int, columns: Columns, event: int) -> None:
        model = self._model
        if why == NEEDS_ITEMS:
            most = self._limits.max_items + max(MIN_RETIRED, self._limits.max_items // 16) + 2
            model.grow_items(min(2 * len(model.items.touched), most))
        elif why == NEEDS_USERS:
            model.grow_users(min(2 * len(model.users.touched), self._limits.max_users))
        elif why == NEEDS_TEXT:
            model.widen_text(int(columns.item_length[event]))
        else:
            self._before_recycling(model.retired_items().copy())
            _sweep(self._state())

    def _state(self) -> State:
        model = self._model
        return State(
            model.items, model.text, model.users, model.histories, model.popularity,
            model.ensemble, self.quality, self._work, self.cases, self.cap,
        )  # fmt: skip

    def _columns(self, batch: AdmittedBatch) -> Columns:
        events = batch.events
        kinds = np.clip(events.event_type, 0, len(self._weights) - 1)  # of what isn't admitted it may be anything
        return Columns(
            outcome=batch.outcome,
            watermark_ms=batch.watermark_ms,
            partitions=events.partitions,
            offsets=events.offsets,
            text=events.text,
            item_start=events.item_start,
            item_length=events.item_length,
            item_key=events.item_key,
            user_key=events.user_key,
            session_key=events.session_key,
            time_ms=events.event_time_ms,
            weight=self._weights[kinds],
            enters_history=self._enters_history[kinds],
        )
