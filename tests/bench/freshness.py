"""Freshness: from an event's Kafka timestamp until a reader holds a whole version that covers it, at a steady load."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from consumer.messages import Float64Array, Positions
from consumer.settings import Settings
from consumer.telemetry.catalogue import AGE_BUCKETS_S, EVENT_TO_PUBLISH
from consumer.telemetry.scraping import Scrape, scrape
from tests.bench import children
from tests.bench.figures import BenchFailed, Figure, LeftOut, at_most
from tests.bench.input_log import InputLog
from tests.bench.load import introduction, past_stream, produce
from tests.bench.watching import Seen, Watcher
from tests.bench.workers import WorkerProcess, create_topics, n_learned, n_waiting, running_worker, settings_for

RATE = 20_000
SECONDS = 35
N_USERS = 100_000
N_ITEMS = 100_000
N_HISTORY = 1_000_000
HISTORY_S = 3_600.0
DRAIN_TIMEOUT_S = 180.0
TARGET_S = 1.0
NEURAL_SHARE = 0.1

AGE = EVENT_TO_PUBLISH.name


def measure(bootstrap_servers: str, folder: Path) -> Figure:
    settings = settings_for(bootstrap_servers, "freshness", folder, input_topic="bench-freshness")
    return _measured(settings, folder, "freshness_p99_s", "event to whole version at a reader")


def measure_with_neural(bootstrap_servers: str, folder: Path) -> Figure:
    """The same with the neural member on, trained on NEURAL_SHARE of the sessions."""
    if find_spec("jax") is None:
        raise LeftOut("needs the extra freshrank[neural]")
    settings = settings_for(bootstrap_servers, "neural", folder, input_topic="bench-neural")
    neural = settings.models.neural.model_copy(update={"enabled": True, "session_share": NEURAL_SHARE})
    settings = settings.model_copy(update={"models": settings.models.model_copy(update={"neural": neural})})
    meaning = f"the same with `neural` on, trained on {NEURAL_SHARE:.0%} of sessions"
    return _measured(settings, folder, "neural_freshness_p99_s", meaning)


def _measured(settings: Settings, folder: Path, name: str, meaning: str) -> Figure:
    bootstrap_servers, topic = settings.kafka.bootstrap_servers, settings.input.topic
    create_topics(settings)
    _produce_history(bootstrap_servers, topic)
    log = InputLog(bootstrap_servers, topic)
    try:
        with Watcher(settings) as watcher, running_worker(settings, folder) as worker:
            drained_s = _drain(worker, N_ITEMS + N_HISTORY)
            start = log.ends()
            before = scrape(worker.url)
            offered = children.ask(
                "tests.bench.offering", bootstrap_servers, topic, *map(str, (RATE, RATE * SECONDS, N_USERS, N_ITEMS))
            )
            end = log.ends()
            n_behind = N_ITEMS + N_HISTORY + RATE * SECONDS - n_learned(worker.metrics())
            watcher.wait_for(end, DRAIN_TIMEOUT_S)
            told = _told_by_worker(before, scrape(worker.url))
        versions = [seen for seen in watcher.seen if not _is_before(seen, start)]
        ages_s = _ages(log.times_s(start, end), start, versions)
    finally:
        log.close()
    p50, p99, worst = np.quantile(ages_s, (0.5, 0.99, 1.0)).tolist()
    live = versions[:-1]
    details = {
        "p50_s": p50,
        "p99_s": p99,
        "max_s": worst,
        "events": len(ages_s),
        "versions": len(versions),
        "rows_per_version": float(np.mean([seen.rows for seen in live])),
        "rows_waiting_max": max(seen.rows_waiting for seen in versions),
        "drained_after_s": drained_s,
        "events_behind_at_the_end": n_behind,
        **offered,
        **told,
    }
    return at_most(name, f"{meaning}, p99, {RATE:,}/s, {N_ITEMS:,} items", p99, TARGET_S, details, " s")


def _produce_history(bootstrap_servers: str, topic: str) -> None:
    """Every item once, then an hour of ordinary traffic: scores that have settled."""
    before_ms = int((time.time() - 2 * HISTORY_S) * 1000)
    produce(bootstrap_servers, topic, introduction(N_ITEMS, N_USERS, N_ITEMS, before_ms, int(HISTORY_S * 500)))
    stream = past_stream(N_HISTORY, N_USERS, N_ITEMS, seed=6, events_per_s=N_HISTORY / HISTORY_S)
    produce(bootstrap_servers, topic, stream.blocks())


def _drain(worker: WorkerProcess, n_events: int) -> float:
    """Until everything is learned and no row waits; seconds from learned to drained."""
    worker.wait_until(lambda page: n_learned(page) >= n_events, DRAIN_TIMEOUT_S, "history learned")
    started_s = time.monotonic()
    worker.wait_until(lambda page: n_waiting(page) == 0, DRAIN_TIMEOUT_S, "all rows published")
    return time.monotonic() - started_s


def _is_before(seen: Seen, start: Positions) -> bool:
    """Whether the version covers nothing of what was offered."""
    return all(seen.input_positions.get(partition, 0) <= at for partition, at in start.items())


def _ages(times_s: Mapping[int, Float64Array], start: Positions, versions: Sequence[Seen]) -> Float64Array:
    """(events,) seconds from each record's timestamp until the first version that covers it was whole."""
    at_s = np.array([seen.at_s for seen in versions])
    ages = []
    for partition, of_partition in times_s.items():
        positions = np.array([seen.input_positions.get(partition, 0) for seen in versions])
        offsets = start[partition] + np.arange(len(of_partition))
        first = np.searchsorted(positions, offsets, side="right")  # a position is the next offset to read
        if len(first) and first[-1] == len(versions):
            raise BenchFailed(f"no version covers the last events of partition {partition}")
        ages.append(at_s[first] - of_partition)
    return np.concatenate(ages)


def _told_by_worker(before: Scrape, after: Scrape) -> Mapping[str, object]:
    """The worker's own histogram between two scrapes, whatever phase it says: shares of events up to some ages."""
    n = after.value(f"{AGE}_count") or 0.0
    n_before = before.value(f"{AGE}_count") or 0.0
    if n == n_before:
        raise BenchFailed("the worker's own histogram says nothing")
    shares = {}
    for bound in AGE_BUCKETS_S:
        counts = (of.value(f"{AGE}_bucket", le=str(bound)) or 0.0 for of in (before, after))
        up_to_before, up_to = counts
        shares[bound] = (up_to - up_to_before) / (n - n_before)
    p99_bound = next((bound for bound, share in shares.items() if share >= 0.99), float("inf"))
    return {"worker_p99_at_most_s": p99_bound, "worker_share_within_0.5_s": shares[0.5]}
