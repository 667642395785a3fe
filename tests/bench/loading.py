"""How many records a second the load generator gets into a real broker at a fixed offered rate, from one process."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median

from producer_tools.connection import Connection
from producer_tools.pacing import FixedRate
from producer_tools.plan import SyntheticPlan
from producer_tools.producing import RecordProducer
from producer_tools.synthetic import SyntheticStream
from tests.bench import children
from tests.bench.figures import BenchFailed, Figure, at_least
from tests.bench.workers import create_topics, settings_for

RATE = 220_000
N_RECORDS = 2_200_000
N_USERS = 100_000
N_ITEMS = 50_000
N_ROUNDS = 3
TARGET = 200_000


def measure(bootstrap_servers: str, folder: Path) -> Figure:
    """Open loop: a record that isn't taken in time is late, and the rate that was offered is not changed for it."""
    topic = "bench-loading"
    create_topics(settings_for(bootstrap_servers, "loading", folder, input_topic=topic))
    rounds = [children.ask("tests.bench.loading", bootstrap_servers, topic) for _ in range(N_ROUNDS)]
    achieved = [one["records_per_s"] for one in rounds]
    details = {
        "offered_per_s": RATE,
        "rounds": [round(rate) for rate in achieved],
        **{f"late_{name}_ms": median(one[f"late_{name}_ms"] for one in rounds) for name in ("p50", "p99", "max")},
        "cpu_us_per_record": median(one["cpu_us"] for one in rounds),
        "bytes_per_record": rounds[0]["bytes_per_record"],
    }
    meaning = f"records a second delivered by one process, {RATE:,} offered, {N_RECORDS:,} records"
    return at_least("load_records_s", meaning, median(achieved), TARGET, details)


def main() -> None:
    bootstrap_servers, topic = sys.argv[1:]
    now_ms = time.time_ns() // 1_000_000
    stream = SyntheticStream(SyntheticPlan(N_RECORDS, N_USERS, N_ITEMS, start_ms=now_ms, events_per_s=RATE))
    sizes = next(stream.blocks()).values
    producer = RecordProducer(Connection(bootstrap_servers), topic)
    cpu_s = time.process_time()
    delivery = producer.send(stream.blocks(), FixedRate(RATE))
    if not delivery.is_complete:
        raise BenchFailed(f"{delivery.n_delivered} of {delivery.n_sent} delivered: {delivery.first_failure}")
    found = {
        "records_per_s": delivery.n_delivered / delivery.seconds,  # until the last one is confirmed
        "late_p50_ms": 1e3 * delivery.late_p50_s,
        "late_p99_ms": 1e3 * delivery.late_p99_s,
        "late_max_ms": 1e3 * delivery.late_max_s,
        "cpu_us": 1e6 * (time.process_time() - cpu_s) / delivery.n_sent,
        "bytes_per_record": sum(len(value or b"") for value in sizes) / len(sizes),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
