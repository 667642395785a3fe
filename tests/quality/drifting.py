"""A synthetic shop with a clock, whose taste moves at several speeds at once.

A session is about one shelf of twenty items; other clicks follow what is in fashion: half of them for good, a quarter
for six hours, three in twenty for an hour (a campaign), one in ten for five minutes (a link that goes round).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from consumer.messages import Float64Array, Int64Array
from consumer.recordings.row_mapping import MappingPlan
from tests.quality.recorded import START_MS, DataSet

SEED = 4
DAYS = 4
EVENTS_PER_S = 0.75
N_EVENTS = round(DAYS * 86_400 * EVENTS_PER_S)
N_ITEMS = 4_000
N_SHELF = 20
N_AT_ONCE = 60  # sessions under way
SESSION_EVENTS = 6  # mean
STAYS_ON_SHELF = 0.6
FASHIONS_S = (10**9, 6 * 3_600, 3_600, 300)
FASHION_SHARES = (0.5, 0.25, 0.15, 0.1)
FASHION_ITEMS = (N_ITEMS, 400, 30, 5)


def data_set(folder: Path) -> DataSet:
    """Written into the folder."""
    path = folder / "drifting.ndjson"
    time_ms, session, item = _events()
    texts = np.datetime_as_string(time_ms.astype("datetime64[ms]")).tolist()
    with path.open("w", encoding="utf-8") as out:
        for at, s, i in zip(texts, session.tolist(), item.tolist(), strict=True):
            event = {"user_id": f"u{s}", "session_id": f"u{s}", "item_id": f"i{i}", "event_type": "view"}
            out.write(json.dumps({**event, "event_time": f"{at}Z"}) + "\n")
    return DataSet("drifting", path, MappingPlan())


def _events() -> tuple[Int64Array, Int64Array, Int64Array]:
    """(n,) times, sessions, items."""
    rng = np.random.default_rng(SEED)
    at_s = np.arange(N_EVENTS) / EVENTS_PER_S
    fashionable = _fashionable(rng, at_s)
    place = rng.integers(N_AT_ONCE, size=N_EVENTS)
    is_last = rng.random(N_EVENTS) < 1.0 / SESSION_EVENTS
    stays = rng.random(N_EVENTS) < STAYS_ON_SHELF
    within = _zipf(rng, N_SHELF, N_EVENTS)
    session, item = np.zeros(N_EVENTS, np.int64), np.zeros(N_EVENTS, np.int64)
    current, shelf = np.arange(N_AT_ONCE), np.full(N_AT_ONCE, -1)
    n_sessions = N_AT_ONCE
    for i in range(N_EVENTS):
        p = place[i]
        item[i] = shelf[p] * N_SHELF + within[i] if stays[i] and shelf[p] >= 0 else fashionable[i]
        session[i] = current[p]
        shelf[p] = item[i] // N_SHELF
        if is_last[i]:
            current[p], shelf[p] = n_sessions, -1
            n_sessions += 1
    return START_MS + (at_s * 1000).astype(np.int64), session, item


def _fashionable(rng: np.random.Generator, at_s: Float64Array) -> Int64Array:
    """(n,) an item in fashion at each moment."""
    kind = rng.choice(len(FASHIONS_S), size=len(at_s), p=FASHION_SHARES)
    items = np.zeros(len(at_s), np.int64)
    for k, (lasts_s, n_items) in enumerate(zip(FASHIONS_S, FASHION_ITEMS, strict=True)):
        rank = _zipf(rng, n_items, len(at_s))
        for epoch in range(int(at_s[-1] // lasts_s) + 1):
            chosen = rng.permutation(N_ITEMS)[:n_items]
            mine = (kind == k) & (at_s // lasts_s == epoch)
            items[mine] = chosen[rank[mine]]
    return items


def _zipf(rng: np.random.Generator, n: int, size: int) -> Int64Array:
    """Ranks 0 … n - 1, with chances as 1, 1/2, 1/3, ..."""
    chances = 1.0 / np.arange(1, n + 1)
    ranks: Int64Array = np.searchsorted(np.cumsum(chances) / chances.sum(), rng.random(size)).astype(np.int64)
    return ranks
