"""Memory: the worker with a million users, a hundred thousand items and a full dedupe window, saving and publishing
under load."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from consumer.settings import Dedupe
from tests.bench import children
from tests.bench.figures import GIB, BenchFailed, Figure, bytes_at_most
from tests.bench.load import introduction, past_stream, produce
from tests.bench.workers import create_topics, n_learned, running_worker, settings_for, total

N_USERS = 1_000_000
N_ITEMS = 100_000
N_TRAFFIC = 1_500_000
SPAN_S = 300.0  # of event time, for all of it: the window of ten minutes then holds as many ids as it may
CHECKPOINT_INTERVAL_S = 5.0
RATE = 20_000
LOAD_S = 30
TIMEOUT_S = 180.0
TARGET = GIB

Reading = tuple[int, int]  # VmRSS, VmHWM (bytes)


@dataclass(slots=True)
class Samples:
    """What a process takes, looked at now and then."""

    resident: list[int] = field(default_factory=list)
    peak: int = 0

    def take(self, pid: int) -> None:
        now, self.peak = memory_of(pid)
        self.resident.append(now)


def measure(bootstrap_servers: str, folder: Path) -> Figure:
    topic = "bench-resident"
    settings = settings_for(
        bootstrap_servers, "resident", folder, input_topic=topic, checkpoint_interval_s=CHECKPOINT_INTERVAL_S
    )
    create_topics(settings)
    n_history = _produce_history(bootstrap_servers, topic)
    samples = Samples()
    with running_worker(settings, folder) as worker:

        def is_learned(page: str) -> bool:
            samples.take(worker.pid)
            return n_learned(page) >= n_history

        worker.wait_until(is_learned, TIMEOUT_S, "history learned")
        at_end_of_history = samples.resident[-1]
        before = _n_checkpoints(worker.metrics())
        arguments = map(str, (RATE, RATE * LOAD_S, N_USERS, N_ITEMS))
        with children.child("tests.bench.offering", bootstrap_servers, topic, *arguments) as offering:
            while offering.poll() is None:
                samples.take(worker.pid)
                time.sleep(0.1)
            children.answer(offering)
        page = worker.metrics()
        n_checkpoints = _n_checkpoints(page) - before
        samples.take(worker.pid)
    _require_full(page, n_checkpoints)
    details = {
        "peak_bytes": samples.peak,
        "resident_after_history_bytes": at_end_of_history,
        "resident_at_end_bytes": samples.resident[-1],
        "state_bytes": int(total(page, "freshrank_state_bytes")),
        "users": _rows(page, "users"),
        "items": _rows(page, "items"),
        "event_ids": _rows(page, "event_ids"),
        "checkpoints_under_load": n_checkpoints,
        "checkpoint_s": total(page, "freshrank_checkpoint_seconds_sum")
        / total(page, "freshrank_checkpoint_seconds_count"),
    }
    meaning = f"peak of the worker, {N_USERS:,} users, {N_ITEMS:,} items"
    return bytes_at_most("resident_bytes", meaning, samples.peak, TARGET, details)


def memory_of(pid: int) -> Reading:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    now, peak = (int(re.findall(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)[0]) for name in ("VmRSS", "VmHWM"))
    return now * 1024, peak * 1024


def _produce_history(bootstrap_servers: str, topic: str) -> int:
    """Every user and every item, then traffic; number of events."""
    start_ms = int((time.time() - 2 * SPAN_S) * 1000)
    produce(bootstrap_servers, topic, introduction(N_USERS, N_USERS, N_ITEMS, start_ms, int(SPAN_S * 1000)))
    stream = past_stream(N_TRAFFIC, N_USERS, N_ITEMS, seed=8, events_per_s=N_TRAFFIC / SPAN_S)
    produce(bootstrap_servers, topic, stream.blocks())
    return N_USERS + N_TRAFFIC


def _n_checkpoints(page: str) -> int:
    return int(total(page, "freshrank_checkpoint_seconds_count"))


def _rows(page: str, kind: str) -> int:
    return int(total(page, "freshrank_state_rows", f'kind="{kind}"'))


def _require_full(page: str, n_checkpoints: int) -> None:
    """Raises BenchFailed where the state was not what it should have been."""
    wanted = {"users": N_USERS, "items": N_ITEMS, "event_ids": Dedupe().max_entries}
    missing = {kind: _rows(page, kind) for kind, n in wanted.items() if _rows(page, kind) < n}
    if missing or n_checkpoints < 2:
        raise BenchFailed(f"wanted {wanted} and two checkpoints under load, got {missing} and {n_checkpoints}")
