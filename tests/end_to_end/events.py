"""Events for the worker's input: made from a seed, produced at once or at a pace."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
from confluent_kafka import Producer

START_S = 1_790_000_000
"""Event time at which streams begin, 2026-09-21."""
TYPES = ("view", "cart", "purchase", "remove_from_cart")


def event(item: str, *, user: str = "ann", at_s: float = 0.0, kind: str = "view", **members: Any) -> dict[str, Any]:
    """One event by the default settings; `at_s` counts from START_S. A member given as None is left out."""
    full = {"user_id": user, "item_id": item, "event_type": kind, "event_time": rfc3339(START_S + at_s), **members}
    return {name: value for name, value in full.items() if value is not None}


def encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def rfc3339(seconds: float) -> str:
    return f"{np.datetime64(round(seconds * 1000), 'ms')}Z"


def unruly_stream(seed: int, n: int, n_items: int, n_users: int, seconds: float) -> list[bytes]:
    """Records of which one in twenty is out of order, repeated, late, malformed, unknown or deleted; a fifth of the
    events name sessions, and the popular items change as time goes on."""
    rng = np.random.default_rng(seed)
    favourites = np.minimum(rng.pareto(0.9, n) * n_items / 50, n_items - 1).astype(int)
    items = (favourites + np.arange(n) * n_items // n) % n_items
    users = rng.integers(n_users, size=n)
    kinds = rng.choice(len(TYPES), n, p=(0.7, 0.15, 0.1, 0.05))
    faults = rng.random(n)
    records: list[bytes] = []
    for i in range(n):
        at_s = seconds * i / n - (float(rng.integers(300)) if faults[i] < 0.01 else 0.0)
        session = f"s-{users[i]}-{int(at_s) // 900}" if users[i] % 5 == 0 else None
        whole = encoded(
            event(
                f"item-{items[i]}",
                user=f"user-{users[i]}",
                at_s=max(0.0, at_s),
                kind=TYPES[kinds[i]],
                event_id=f"e-{i}",
                session_id=session,
            )
        )
        records.append(_faulty(float(faults[i]), whole, records, i) if faults[i] < 0.05 else whole)
    return records


def _faulty(fault: float, whole: bytes, before: Sequence[bytes], i: int) -> bytes:
    if fault < 0.01 or not before:
        return whole  # out of order already
    if fault < 0.025:
        return before[-min(len(before), 1 + i % 40)]
    if fault < 0.03:
        return whole[: len(whole) // 2]
    if fault < 0.04:
        return encoded(event(f"late-{i}", at_s=-3_600.0, event_id=f"late-{i}"))
    return encoded(event(f"item-{i}", kind="scrolled", event_id=f"scroll-{i}"))


def produce(bootstrap_servers: str, topic: str, values: Sequence[bytes | None], partition: int = 0) -> None:
    """All at once, and wait until they are there."""
    producer = _producer(bootstrap_servers)
    for value in values:
        producer.produce(topic, value, partition=partition)
        producer.poll(0)
    assert producer.flush(60) == 0


class PacedProducer:
    """Produces on a thread of its own, at a pace, to the partitions in turn, up to where it is allowed to; for a `with`
    block."""

    def __init__(
        self, bootstrap_servers: str, topic: str, values: Sequence[bytes], per_second: float, partitions: int = 1
    ) -> None:
        self._producer = _producer(bootstrap_servers)
        self._topic = topic
        self._values = values
        self._per_second = per_second
        self._partitions = partitions
        self._allowed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="paced-producer", daemon=True)
        self.n_sent = 0

    def allow(self, n: int, per_second: float | None = None) -> None:
        """Go on to record n, from now on at this pace."""
        self._per_second = per_second or self._per_second
        self._allowed = min(n, len(self._values))

    def __enter__(self) -> PacedProducer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last_s = time.monotonic()
        while not self._stop.wait(0.02):
            now_s = time.monotonic()
            n_due = min(int((now_s - last_s) * self._per_second), self._allowed - self.n_sent)
            last_s = now_s
            for n, value in enumerate(self._values[self.n_sent : self.n_sent + n_due], start=self.n_sent):
                self._producer.produce(self._topic, value, partition=n % self._partitions)
                self._producer.poll(0)
            self.n_sent += n_due
        self._producer.flush(60)


def _producer(bootstrap_servers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
