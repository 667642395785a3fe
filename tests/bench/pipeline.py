"""Throughput: the whole worker against bare consume-and-decode, on the same topic, in turns."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench import children
from tests.bench.figures import Figure, at_least
from tests.bench.load import past_stream, produce
from tests.bench.workers import create_topics, n_learned, n_published, running_worker, settings_for, total

N_RECORDS = 2_000_000
N_USERS = 100_000
N_ITEMS = 50_000
EVENTS_PER_S = 1_000.0  # of event time
N_ROUNDS = 3
LOOK_EVERY_S = 0.1
TIMEOUT_S = 120.0
TARGET = 0.5


@dataclass(frozen=True, slots=True)
class Pass:
    """One reading of the topic by the worker."""

    records_per_s: float
    published_after_s: float  # from the last event learned to a committed version that covers it
    versions: int
    cpu_us: float  # of the worker's process, an event


def measure(bootstrap_servers: str, folder: Path) -> Figure:
    topic = "bench-pipeline"
    config = folder / "bare.yaml"
    config.write_text(
        f"input: {{topic: {topic}}}\nkafka: {{bootstrap_servers: '{bootstrap_servers}'}}\n", encoding="utf-8"
    )
    create_topics(settings_for(bootstrap_servers, "pipeline", folder, input_topic=topic))
    stream = past_stream(N_RECORDS, N_USERS, N_ITEMS, seed=1, events_per_s=EVENTS_PER_S)
    produce(bootstrap_servers, topic, stream.blocks())

    bare_rates: list[float] = []
    passes: list[Pass] = []
    for n_round in range(N_ROUNDS + 1):  # the first one is to warm up the broker and the kernels' cache
        bare = children.ask("tests.bench.bare_loop", str(config), str(N_RECORDS))
        one_pass = worker_pass(bootstrap_servers, f"pipeline-{n_round}", folder, topic, N_RECORDS)
        if n_round:
            bare_rates.append(bare["records_per_s"])
            passes.append(one_pass)
    return _figure(bare_rates, passes)


def worker_pass(bootstrap_servers: str, model: str, folder: Path, topic: str, n_records: int) -> Pass:
    """A new worker reads the topic, which holds so many records, from its beginning."""
    settings = settings_for(bootstrap_servers, model, folder, input_topic=topic)
    create_topics(settings)
    with running_worker(settings, folder) as worker:
        first_s, n_first = 0.0, 0
        page = ""
        while (n := n_learned(page)) < n_records:
            if n and not n_first:
                first_s, n_first = time.perf_counter(), n
            time.sleep(LOOK_EVERY_S)
            page = worker.wait_until(bool, TIMEOUT_S, "metrics")
        learned_s = time.perf_counter()
        cpu_s = cpu_seconds(worker.pid)
        page = worker.wait_until(lambda page: n_published(page) >= n_records, TIMEOUT_S, "all published", 0.02)
        published_s = time.perf_counter()
    return Pass(
        records_per_s=(n_records - n_first) / (learned_s - first_s),
        published_after_s=published_s - learned_s,
        versions=int(total(page, "freshrank_snapshot_version")),
        cpu_us=1e6 * cpu_s / n_records,
    )


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads, so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def _figure(bare_rates: list[float], passes: list[Pass]) -> Figure:
    bare, full = median(bare_rates), median(one.records_per_s for one in passes)
    details = {
        "worker_records_per_s": full,
        "bare_records_per_s": bare,
        "worker_rounds": [round(one.records_per_s) for one in passes],
        "bare_rounds": [round(rate) for rate in bare_rates],
        "published_after_s": median(one.published_after_s for one in passes),
        "versions": [one.versions for one in passes],
        "worker_cpu_us_per_record": median(one.cpu_us for one in passes),
    }
    meaning = f"worker / bare consume-and-decode, {N_RECORDS:,} records"
    return at_least("pipeline_ratio", meaning, full / bare, TARGET, details)
