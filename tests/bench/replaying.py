"""A replay of history against the live pipeline on the same topic, in turns, and what it costs to go on with one.

The topic has several partitions, so the replay's rate includes their merge in event time. Both rates are those of
learning, without the start of the process.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from consumer.settings import Settings
from tests.bench.figures import BenchFailed, Figure, at_least
from tests.bench.load import past_stream, produce
from tests.bench.pipeline import worker_pass
from tests.bench.workers import create_topics, settings_for, total
from tests.broker.properties import free_port

N_RECORDS = 5_000_000
N_USERS = 100_000
N_ITEMS = 50_000
EVENTS_PER_S = 1_000.0  # of event time
N_ROUNDS = 3
TARGET = 0.9
TIMEOUT_S = 600.0
LOOK_EVERY_S = 0.05


def measure(bootstrap_servers: str, folder: Path, n_records: int = N_RECORDS) -> Figure:
    topic = "bench-replay"
    settings = settings_for(bootstrap_servers, "replay", folder, input_topic=topic)
    create_topics(settings)
    stream = past_stream(n_records, N_USERS, N_ITEMS, seed=3, events_per_s=EVENTS_PER_S)
    produce(bootstrap_servers, topic, stream.blocks())
    command = _command(settings, folder)
    often = settings.model_copy(
        update={"model": "often", "checkpoints": settings.checkpoints.model_copy(update={"interval_s": 1.0})}
    )
    live_rates: list[float] = []
    replay_rates: list[float] = []
    for n_round in range(N_ROUNDS):
        live_rates.append(
            worker_pass(bootstrap_servers, f"replay-live-{n_round}", folder, topic, n_records).records_per_s
        )
        replay_rates.append(_replayed([*command, "--name", f"round-{n_round}"], n_records)["records_per_s"])
    resumed_s = _resumed(_command(often, folder), n_records)
    details = {
        "replay_records_per_s": median(replay_rates),
        "live_records_per_s": median(live_rates),
        "replay_rounds": [round(rate) for rate in replay_rates],
        "live_rounds": [round(rate) for rate in live_rates],
        "resumed_after_s": resumed_s,
        "resumed_within_10_s": resumed_s < 10.0,
    }
    meaning = f"replay of {n_records:,} records, merged in event time / live pipeline"
    return at_least("replay_ratio", meaning, median(replay_rates) / median(live_rates), TARGET, details)


def _command(settings: Settings, folder: Path) -> list[str]:
    config = folder / f"{settings.model}-replays.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return [sys.executable, "-m", "consumer", "replay", "-c", str(config), "--json"]


def _replayed(command: list[str], n_records: int) -> Any:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode != 0:
        raise BenchFailed(f"the replay ended with {done.returncode}; see its messages above")
    said = json.loads(done.stdout.splitlines()[-1])
    if said["records"] != n_records:
        raise BenchFailed(f"the replay learned {said['records']} of {n_records} records")
    return said


def _resumed(command: list[str], n_records: int) -> float:
    """Seconds from the start of a process that goes on with a killed replay until it has learned a record."""
    port = free_port()
    command = [*command, "--name", "killed", "--metrics-port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as first:
        try:
            _wait(port, lambda page: _is_saved(page) and _n_learned(page) > n_records // 3, first)
        finally:
            first.send_signal(signal.SIGKILL)
    started_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as second:
        try:
            _wait(port, lambda page: _n_learned(page) > 0, second)
            return time.perf_counter() - started_s
        finally:
            second.send_signal(signal.SIGKILL)


def _n_learned(page: str) -> float:
    return total(page, "freshrank_batch_events_total")


def _is_saved(page: str) -> bool:
    return total(page, "freshrank_checkpoint_seconds_count") > 0


def _wait(port: int, is_so: Callable[[str], bool], running: subprocess.Popen[bytes]) -> None:
    give_up_s = time.monotonic() + TIMEOUT_S
    while not is_so(_page(port)):
        if running.poll() is not None:
            raise BenchFailed(f"the replay ended with {running.returncode} before it could be looked at")
        if time.monotonic() >= give_up_s:
            raise BenchFailed(f"the replay got nowhere within {TIMEOUT_S:g} s")
        time.sleep(LOOK_EVERY_S)


def _page(port: int) -> str:
    """Empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
            return str(page.read(), "utf-8")
    except OSError:
        return ""
