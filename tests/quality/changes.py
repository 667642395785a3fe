"""A made-up shop of which one thing changes at one moment, or nothing does: what learning with a reaction is tried on.

Sessions under way take turns. An event of one is a return to an item of it, or what follows its last item, or something
popular. Nobody comes twice, so a user is a session. All chances of an event are functions of its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.events.feature_entries import allocate
from consumer.events.hashing import hash_text, hash_topic
from consumer.kernels import kernel
from consumer.messages import EventBatch, Float64Array, Int64Array, UInt64Array

N_BEFORE = 200_000
N_AFTER = 20_000
N_EVENTS = N_BEFORE + N_AFTER
N_ITEMS = 1_000
N_AT_ONCE = 200
SESSION_EVENTS = 8  # mean
LONGEST = 20
N_FOLLOWERS = 3
START_MS = 1_750_000_000_000
EVENT_MS = 1_000
DAY_EVENTS = 86_400_000 // EVENT_MS
BATCH = 5_000


@dataclass(frozen=True)
class Habits:
    """What people do at some time."""

    returns: float = 0.15
    follows: float = 0.5
    """Of those who do not return."""
    hot: float = 0.0
    """Share of popular choices that go to what is hot at the moment, ten items for half an hour."""
    taste: int = 0
    """Which items are popular."""
    followers: int = 0
    """Which items follow which."""


USUAL = Habits()
CHANGES: Mapping[str, tuple[Habits, Habits]] = {
    "popularity becomes quick": (USUAL, Habits(hot=0.7)),
    "popularity becomes slow": (Habits(hot=0.7), USUAL),
    "other items become popular": (USUAL, Habits(taste=1)),
    "people begin to return": (Habits(returns=0.05), Habits(returns=0.4)),
    "people cease to return": (Habits(returns=0.4), Habits(returns=0.05)),
    "other items follow": (USUAL, Habits(followers=1)),
}
"""Before and after."""
STEADY = ("nothing changes", "days and nights")


@dataclass(frozen=True)
class _Plan:
    """(n,) chances by event."""

    returns: Float64Array
    follows: Float64Array
    hot: Float64Array
    taste: Int64Array
    followers: Int64Array


def _plan(name: str) -> _Plan:
    number = np.arange(N_EVENTS)
    if name in CHANGES:
        before, after = CHANGES[name]
        is_after = number >= N_BEFORE
        columns = [np.where(is_after, getattr(after, f), getattr(before, f)) for f in _Plan.__annotations__]
        return _Plan(*columns)
    swing = np.sin(2 * np.pi * number / DAY_EVENTS) if name == "days and nights" else np.zeros(N_EVENTS)
    return _Plan(
        returns=0.15 + 0.1 * swing,
        follows=0.5 - 0.2 * swing,
        hot=0.3 + 0.3 * swing if name == "days and nights" else np.zeros(N_EVENTS),
        taste=np.zeros(N_EVENTS, np.int64),
        followers=np.zeros(N_EVENTS, np.int64),
    )


def batches(name: str, seed: int) -> Iterator[AdmittedBatch]:
    """The stream of this name, one of CHANGES (at event N_BEFORE) or STEADY, as the worker's loop would learn it."""
    rng = np.random.default_rng(seed)
    plan = _plan(name)
    place = rng.integers(N_AT_ONCE, size=N_EVENTS)
    is_last = rng.random(N_EVENTS) < 1.0 / SESSION_EVENTS
    user, item = np.zeros(N_EVENTS, np.int64), np.zeros(N_EVENTS, np.int64)
    followers = rng.integers(N_ITEMS, size=(2, N_ITEMS, N_FOLLOWERS))
    _walk(
        place, is_last, rng.random((N_EVENTS, 3)), plan.returns, plan.follows, plan.followers,
        followers, _popular(rng, plan), user, item,
    )  # fmt: skip
    for start in range(0, N_EVENTS, BATCH):
        yield _batch(start, user[start : start + BATCH], item[start : start + BATCH])


def _popular(rng: np.random.Generator, plan: _Plan) -> Int64Array:
    """(n,) what a popular choice would be, by event."""
    tastes = np.array([rng.permutation(N_ITEMS) for _ in range(2)])
    chosen = tastes[plan.taste, _zipf(rng, N_ITEMS)]
    half_hour = np.arange(N_EVENTS) // (1_800_000 // EVENT_MS)
    hot = rng.integers(N_ITEMS, size=(half_hour[-1] + 1, 10))
    return np.where(rng.random(N_EVENTS) < plan.hot, hot[half_hour, rng.integers(10, size=N_EVENTS)], chosen)


def _zipf(rng: np.random.Generator, n: int) -> Int64Array:
    chances = 1.0 / np.arange(1, n + 1)
    ranks: Int64Array = np.searchsorted(np.cumsum(chances) / chances.sum(), rng.random(N_EVENTS)).astype(np.int64)
    return ranks


@kernel
def _walk(
    place: Int64Array,
    is_last: np.ndarray[tuple[int], np.dtype[np.bool_]],
    drawn: Float64Array,
    returns: Float64Array,
    follows: Float64Array,
    regime: Int64Array,
    followers: Int64Array,
    popular: Int64Array,
    user: Int64Array,
    item: Int64Array,
) -> None:
    current, n_users = np.arange(N_AT_ONCE), N_AT_ONCE
    seen, n_seen = np.zeros((N_AT_ONCE, LONGEST), np.int64), np.zeros(N_AT_ONCE, np.int64)
    for i in range(len(item)):
        p = place[i]
        n = n_seen[p]
        if n > 0 and drawn[i, 0] < returns[i]:
            back = min(int(-np.log(drawn[i, 1]) * 2.0), n - 1)
            item[i] = seen[p, n - 1 - back]
        elif n > 0 and drawn[i, 1] < follows[i]:
            item[i] = followers[regime[i], seen[p, n - 1], int(drawn[i, 2] * N_FOLLOWERS)]
        else:
            item[i] = popular[i]
        user[i] = current[p]
        if is_last[i] or n == LONGEST:
            current[p], n_seen[p] = n_users, 0
            n_users += 1
        else:
            seen[p, n] = item[i]
            n_seen[p] = n + 1


@cache
def _keys(kind: str, n: int) -> UInt64Array:
    return np.array([hash_text(f"{kind}{k}".encode()) for k in range(n)], np.uint64)


def _batch(start: int, user: Int64Array, item: Int64Array) -> AdmittedBatch:
    n = len(user)
    time_ms = START_MS + (start + np.arange(n)) * EVENT_MS
    texts = np.frombuffer("".join(f"{k:04}" for k in range(N_ITEMS)).encode(), np.uint8)
    events = EventBatch(
        topic_hash=hash_topic("behaviour-events"),
        partitions=np.zeros(n, np.int32),
        offsets=start + np.arange(n),
        timestamps_ms=time_ms,
        outcome=np.zeros(n, np.uint8),
        text=texts,
        item_start=4 * item,
        item_length=np.full(n, 4, np.int32),
        item_key=_keys("i", N_ITEMS)[item],
        user_key=_keys("u", N_EVENTS)[user],
        event_key=np.zeros((n, 2), np.uint64),
        session_key=np.zeros(n, np.uint64),
        event_type=np.zeros(n, np.int16),
        event_time_ms=time_ms,
        value=np.full(n, np.nan),
        feature_start=np.zeros(n, np.int64),
        n_features=np.zeros(n, np.int32),
        features=allocate(0),
    )
    return AdmittedBatch(events, events.outcome, time_ms)
