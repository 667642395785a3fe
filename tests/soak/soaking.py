"""A worker that is flooded with ever-new shoppers and items, against limits that a tenth of them would overflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.settings import Settings
from tests.bench import children
from tests.bench.load import produce
from tests.bench.resident import memory_of
from tests.bench.workers import WorkerProcess, create_topics, n_learned, running_worker, settings_for, total
from tests.soak import offering
from tests.soak.report import MIB, Report, Sample
from tests.soak.stream import Flood

TTL_S: Final = 3_600.0
EVENTS_PER_S: Final = 2_000
"""Of event time: what a shop sees, not what a worker takes."""
LATEST_S: Final = 4 * 3_600
"""The stream, with the pause at its end, lies so far back: nothing is from the future."""


@dataclass(frozen=True, slots=True)
class Plan:
    n_events: int
    limits: Mapping[str, Mapping[str, Any]]
    """Settings that bound the state."""
    allowance: float
    """By how much more memory the last quarter may take than the second."""
    every_s: float = 1.0
    timeout_s: float = 3_600.0

    def flood(self) -> Flood:
        start_ms = int((time.time() - LATEST_S - self.n_events / EVENTS_PER_S) * 1000)
        n_wanted = self.limits["catalogue"]["max_items"] // 4
        return Flood(self.n_events, EVENTS_PER_S, n_wanted, start_ms, 1.5 * TTL_S)


def limits(*, max_items: int, max_users: int, max_ids: int, pairs: int, **more: Any) -> dict[str, dict[str, Any]]:
    """Event times bound the state too, but later."""
    return {
        "catalogue": {"max_items": max_items, "item_ttl_s": TTL_S},
        "users": {"max_users": max_users, "user_ttl_s": TTL_S, "remembered_pairs": pairs},
        "input": {"dedupe": {"max_entries": max_ids}},
        **more,
    }


LONG: Final = Plan(
    n_events=20_000_000,
    limits=limits(max_items=20_000, max_users=100_000, max_ids=200_000, pairs=100_000),
    allowance=0.05,
)


def soak(
    bootstrap_servers: str, folder: Path, plan: Plan, on_sample: Callable[[Sample], None] = lambda sample: None
) -> Report:
    """Flood a worker, then let time pass without most items. Raises BenchFailed where it ends or stands still."""
    settings = _settings(bootstrap_servers, folder, plan)
    create_topics(settings)
    flood = plan.flood()
    samples: list[Sample] = []
    with running_worker(settings, folder) as worker, KafkaSnapshotReader(settings) as reader:
        reader.follow()
        started_s = time.monotonic()

        def sample(page: str) -> Sample:
            found = _sample(worker, page, len(reader.scores()), time.monotonic() - started_s)
            samples.append(found)
            on_sample(found)
            return found

        def is_learned(n: int) -> Callable[[str], bool]:
            return lambda page: sample(page).n_events >= n

        sent = (bootstrap_servers, settings.input.topic, *offering.arguments(flood))
        with children.child("tests.soak.offering", *sent) as sending:
            worker.wait_until(is_learned(plan.n_events), plan.timeout_s, "the flood is learned", plan.every_s)
            children.answer(sending)
        flooded_s = time.monotonic() - started_s
        n_shown_before = samples[-1].n_shown
        produce(bootstrap_servers, settings.input.topic, flood.last_blocks())
        n_all = plan.n_events + flood.n_last_events
        worker.wait_until(is_learned(n_all), plan.timeout_s, "the last events are learned", plan.every_s)
        worker.wait_until(
            lambda page: sample(page).n_shown == flood.n_left, 120.0, "readers hold what is left only", plan.every_s
        )
        page = worker.metrics()
    return Report(
        samples=[one for one in samples if one.n_events <= plan.n_events],
        bounds=_bounds(settings),
        most={kind: max(one.rows[kind] for one in samples) for kind in samples[-1].rows},
        events_per_s=plan.n_events / flooded_s,
        n_offered={"users": flood.n_users, "items": flood.n_items, "event_ids": plan.n_events},
        n_shown_before=max(n_shown_before, *(one.n_shown for one in samples)),
        n_shown_after=samples[-1].n_shown,
        n_left=flood.n_left,
        n_tombstones=int(total(page, "freshrank_snapshot_rows_total", 'kind="tombstone"')),
        n_failures=int(
            total(page, "freshrank_publish_failures_total") + total(page, "freshrank_checkpoint_failures_total")
        ),
        allowance=plan.allowance,
    )


def _settings(bootstrap_servers: str, folder: Path, plan: Plan) -> Settings:
    named = settings_for(bootstrap_servers, "soak", folder, input_topic="soak-events", checkpoint_interval_s=5.0)
    sections = named.model_dump(mode="json")
    for name, section in plan.limits.items():
        sections[name] = {**sections[name], **section}
    sections["input"]["dedupe"] = {**named.input.dedupe.model_dump(), **plan.limits["input"]["dedupe"]}
    sections["telemetry"]["log_level"] = "error"  # a stream that is ever new drifts all the time
    return Settings.model_validate(sections)


def _bounds(settings: Settings) -> dict[str, int]:
    return {
        "users": settings.users.max_users,
        "items": settings.catalogue.max_items,
        "event_ids": settings.input.dedupe.max_entries,
    }


def _sample(worker: WorkerProcess, page: str, n_shown: int, at_s: float) -> Sample:
    kinds = ("users", "items", "event_ids", "departed_items")
    return Sample(
        at_s=at_s,
        n_events=n_learned(page),
        resident_mib=memory_of(worker.pid)[0] / MIB,
        state_mib=total(page, "freshrank_state_bytes") / MIB,
        rows={kind: int(total(page, "freshrank_state_rows", f'kind="{kind}"')) for kind in kinds},
        n_shown=n_shown,
    )
