"""Streams for tests: readable rows in, the batches that the rooms exchange out, and hypothesis strategies for both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from consumer.events.admission import AdmittedBatch
from consumer.events.hashing import hash_text, hash_text_32, hash_topic
from consumer.messages import SHARED_BY_ALL, EventBatch, FeatureEntries, Outcome, UInt64Array
from consumer.settings import Settings

TOPIC = "behaviour-events"
START_MS = 1_795_000_000_000
"""Event time of second 0 of every stream, 2026-11-18."""
TYPES = ("view", "cart", "purchase", "remove_from_cart")
"""The default settings' event types, in their order."""


class Event(NamedTuple):
    """One row of a stream; `at_s` counts from START_MS. Offset and event id default to its place in its partition."""

    item: str
    user: str = "ann"
    at_s: float = 0.0
    type: str = "view"
    session: str | None = None
    partition: int = 0
    offset: int | None = None
    event_id: str | None = None
    features: tuple[tuple[str, str | float], ...] = ()


SMALL_NEURAL = {
    "dimensions": 8, "examples_per_step": 4, "replay": 2, "replay_examples": 32, "negatives": 8,
    "steps_per_thousand": 1_000, "queries_per_thousand": 1_000,
}  # fmt: skip
SMALL_LINEAR = {"weights": 256, "item_features": 2, "learn_one_in": 1, "negatives": 3}


def small_settings(**changes: Any) -> Settings:
    """Tables as small as the settings allow, every event sampled, nobody capped; a change names a section and what
    differs there."""
    sections: dict[str, dict[str, Any]] = {
        "catalogue": {"max_items": 100},
        "users": {"max_users": 100, "history": 10, "remembered_pairs": 512, "daily_item_weight": 1e6},
        "models": {
            "item_to_item": {"neighbours": 8},
            "session_knn": {"sessions": 64, "recent": 8},
            "linear": SMALL_LINEAR,
            "neural": SMALL_NEURAL,
        },
        "publish": {"related": 8},
        "evaluation": {"sample_one_in": 1},
    }
    for name, section in changes.items():
        sections[name] = {**sections.get(name, {}), **section}
    return Settings.model_validate(sections)


WITH_KNN = {"item_to_item": {"neighbours": 8}, "session_knn": {"enabled": True, "sessions": 64, "recent": 8}}
WITH_LINEAR = {"item_to_item": {"neighbours": 8}, "linear": {"enabled": True, **SMALL_LINEAR}}
WITH_ALL = {**WITH_KNN, **WITH_LINEAR}
"""The section `models` of small settings with every member on that needs no further packages."""
WITH_NEURAL = {"item_to_item": {"neighbours": 8}, "neural": {"enabled": True, **SMALL_NEURAL}}


def event_batch(rows: Sequence[Event]) -> EventBatch:
    """The rows as the codec would give them."""
    n_before: Counter[int] = Counter()
    offsets, event_ids = [], []
    for row in rows:
        offset = n_before[row.partition] if row.offset is None else row.offset
        n_before[row.partition] = offset + 1
        offsets.append(offset)
        event_ids.append(row.event_id or f"{row.partition}/{offset}")
    items = [row.item.encode() for row in rows]
    lengths = np.array([len(item) for item in items], np.int32)
    times_ms = np.array([START_MS + round(row.at_s * 1000) for row in rows], np.int64)
    return EventBatch(
        topic_hash=hash_topic(TOPIC),
        partitions=np.array([row.partition for row in rows], np.int32),
        offsets=np.array(offsets, np.int64),
        timestamps_ms=times_ms.copy(),
        outcome=np.zeros(len(rows), np.uint8),
        text=np.frombuffer(bytearray(b"".join(items)), np.uint8),
        item_start=np.cumsum(lengths, dtype=np.int64) - lengths,
        item_length=lengths,
        item_key=_keys([row.item for row in rows]),
        user_key=_keys([row.user for row in rows]),
        event_key=_keys(event_ids),
        session_key=np.array([hash_text(row.session.encode())[0] if row.session else 0 for row in rows], np.uint64),
        event_type=np.array([TYPES.index(row.type) for row in rows], np.int16),
        event_time_ms=times_ms,
        value=np.full(len(rows), np.nan),
        **_feature_columns(rows),
    )


def _feature_columns(rows: Sequence[Event]) -> dict[str, Any]:
    n_features = np.array([len(row.features) for row in rows], np.int32)
    pairs = [pair for row in rows for pair in row.features]
    texts = [hash_text_32(value.encode()) if isinstance(value, str) else 0 for _, value in pairs]
    return {
        "feature_start": np.cumsum(n_features, dtype=np.int64) - n_features,
        "n_features": n_features,
        "features": FeatureEntries(
            np.array([hash_text_32(name.encode()) for name, _ in pairs], np.uint32),
            np.array(texts, np.uint32),
            np.array([0.0 if isinstance(value, str) else value for _, value in pairs], np.float64),
        ),
    }


def admitted(rows: Sequence[Event], outcome: Outcome = Outcome.ADMITTED) -> AdmittedBatch:
    """The rows, all with this outcome; the watermark is the greatest event time so far."""
    events = event_batch(rows)
    watermark_ms = np.maximum.accumulate(events.event_time_ms) if rows else events.event_time_ms
    return AdmittedBatch(events, np.full(len(rows), int(outcome), np.uint8), watermark_ms)


def part_of_events(events: EventBatch, start: int, end: int) -> EventBatch:
    """Records start … end - 1 as a batch of their own."""
    columns = {f.name: getattr(events, f.name)[start:end] for f in fields(events) if f.name not in SHARED_BY_ALL}
    return replace(events, **columns)


def part_of_admitted(batch: AdmittedBatch, start: int, end: int) -> AdmittedBatch:
    """Records start … end - 1 as a batch of their own."""
    events = part_of_events(batch.events, start, end)
    return AdmittedBatch(events, batch.outcome[start:end], batch.watermark_ms[start:end])


def cut(n: int, places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The (start, end) of the pieces that n records fall into when cut at these places."""
    bounds = [0, *sorted(min(place, n) for place in places), n]
    yield from pairwise(bounds)


def busy_stream(seed: int, n: int, n_items: int, n_users: int, step_s: float = 5.0) -> list[Event]:
    """Many events with a popular head, some in sessions, some a little out of order, some negative."""
    rng = np.random.default_rng(seed)
    items = np.minimum(rng.pareto(0.8, n) * n_items / 10, n_items - 1).astype(int)
    return [
        Event(
            item=f"item-{items[i]}",
            user=f"user-{rng.integers(n_users)}",
            at_s=max(0.0, step_s * i - float(rng.choice((0.0, 0.0, 3.0, 400.0)))),
            type=str(rng.choice(TYPES, p=(0.7, 0.15, 0.1, 0.05))),
            session=f"s-{i // 50}" if rng.random() < 0.2 else None,
            partition=int(rng.integers(3)),
            features=(("brand", f"brand-{items[i] % 7}"), ("price", 1.0 + items[i] % 13)) if i % 3 else (),
        )
        for i in range(n)
    ]


FEATURES: tuple[tuple[tuple[str, str | float], ...], ...] = (
    (),
    (("brand", "ours"), ("price", 12.5)),
    (("brand", "theirs"), ("price", 99.0), ("size", 3.0)),
    (("price", -1e300),),
    (("size", "large"), ("brand", "ours")),
)
"""What events of hypothesis streams say of their items, whichever those are."""

_STEPS_S = (0.0, 1.0, 20.0, 1_700.0, 2_000.0, 86_400.0)
_BEHIND_S = (0.0, 0.0, 0.0, 5.0, 500.0, 5_000.0)


@st.composite
def streams(draw: st.DrawFn, n_items: int = 6, n_users: int = 3, n_partitions: int = 3, most: int = 40) -> list[Event]:
    """Few users and items, sessions by id and by gap, late and negative events, several partitions."""
    size = draw(st.integers(1, most))
    rows: list[Event] = []
    now_s = 0.0
    for _ in range(size):
        now_s += draw(st.sampled_from(_STEPS_S))
        rows.append(
            Event(
                item=f"item-{draw(st.integers(0, n_items - 1))}",
                user=f"user-{draw(st.integers(0, n_users - 1))}",
                at_s=max(0.0, now_s - draw(st.sampled_from(_BEHIND_S))),
                type=draw(st.sampled_from(TYPES)),
                session=draw(st.sampled_from((None, None, "s-1", "s-2"))),
                partition=draw(st.integers(0, n_partitions - 1)),
                features=draw(st.sampled_from(FEATURES)),
            )
        )
    return rows


def _keys(ids: Sequence[str]) -> UInt64Array:
    return np.array([hash_text(text.encode()) for text in ids], np.uint64).reshape(-1, 2)
