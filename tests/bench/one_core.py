"""What one core has to do for an event and for a recommendation, at 50,000 items: CPU time of the thread that does it.
And how many examples a second the network learns, on all cores.

`python -m tests.bench.one_core` measures in this process and prints JSON. No broker takes part.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.events.codec import JsonCodec
from consumer.messages import RecordBatch
from consumer.models.neural import N_STEPS
from consumer.settings import Settings
from consumer.term import new_state
from producer_tools.plan import SyntheticPlan
from producer_tools.records import RecordBlock
from producer_tools.synthetic import SyntheticStream
from tests.bench import children, recommending
from tests.bench.figures import Figure, LeftOut, at_least, at_most
from tests.bench.load import introduction

N_ITEMS = 50_000
N_USERS = 100_000
BATCH = 10_000
N_WARM = 30
N_TIMED = 40
EVENTS_PER_S = 5_000.0  # of event time
START_MS = 1_767_225_600_000
INTRODUCTION_MS = 1_800_000
LEARN_US = 2.0
EXAMPLES_PER_S = 15_000.0
N_NETWORK = 10  # batches timed with the network on, and off


def measure_learning(_bootstrap_servers: str, _folder: Path) -> Figure:
    found = children.ask("tests.bench.one_core", "learn")
    meaning = f"learning an event, default ensemble, {N_ITEMS:,} items: median of {N_TIMED} batches"
    return at_most("learn_us", meaning, found["median_us"], LEARN_US, found, " µs")


def measure_recommending(_bootstrap_servers: str, _folder: Path) -> Figure:
    return recommending.figure(children.ask("tests.bench.one_core", "recommend"), N_ITEMS)


def measure_network(_bootstrap_servers: str, _folder: Path) -> Figure:
    if find_spec("jax") is None:
        raise LeftOut("needs the extra freshrank[neural]")
    found = children.ask("tests.bench.one_core", "network")
    meaning = f"examples a second that `neural` learns, replayed ones too, {N_ITEMS:,} items"
    return at_least("neural_examples_per_s", meaning, found["examples_per_s"], EXAMPLES_PER_S, found)


class Learner:
    """A worker's state that learns blocks of records, and how long it takes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.state = new_state(settings)
        self._codec = JsonCodec(settings.input, keeps_features=settings.models.linear.enabled)
        self._offset = 0
        plan = SyntheticPlan(10**9, N_USERS, N_ITEMS, seed=3, start_ms=START_MS, events_per_s=EVENTS_PER_S)
        self.stream = SyntheticStream(plan).blocks(BATCH)
        for block in introduction(N_ITEMS, N_USERS, N_ITEMS, START_MS - INTRODUCTION_MS, INTRODUCTION_MS):
            self.learn_us(block)
        for block in islice(self.stream, N_WARM):
            self.learn_us(block)
        if self.state.model.n_items != N_ITEMS:
            raise SystemExit(f"{self.state.model.n_items} of {N_ITEMS} items are known")

    def learn_us(self, block: RecordBlock) -> float:
        """Learn it; returns what learning alone took for an event."""
        n = len(block)
        values, partitions = ByteColumn.of(block.values), np.zeros(n, np.int32)
        records = RecordBatch("bench", values, partitions, self._offset + np.arange(n), block.times_ms, ())
        self._offset += n
        events = self._codec.decode(records)
        self.state.admission.late_candidates(events)
        admitted = self.state.admission.admit(events)
        started_s = time.thread_time()
        self.state.trainer.learn(admitted)
        return 1e6 * (time.thread_time() - started_s) / n


def _learning() -> Mapping[str, Any]:
    learner = Learner(Settings())
    spent = [learner.learn_us(block) for block in islice(learner.stream, N_TIMED)]
    return {"median_us": median(spent), "least_us": min(spent), "most_us": max(spent), "events_a_batch": BATCH}


def _recommending() -> Mapping[str, Any]:
    """By the default ensemble, by readers of what it publishes, and with each member that is off by default."""
    default = Learner(Settings())
    found = {**recommending.compiled(default.state), **recommending.by_reader(default.settings, default.state)}
    for member in ("session_knn", "linear"):
        beside = Learner(Settings.model_validate({"models": {member: {"enabled": True}}}))
        told = recommending.compiled(beside.state)
        found.update({f"with_{member}_{name}": value for name, value in told.items()})
    return found


def _network() -> Mapping[str, Any]:
    """By what the same events take longer with it: JAX's threads count too."""
    settings = Settings.model_validate({"models": {"neural": {"enabled": True, "session_share": 0.3}}})
    neural = settings.models.neural
    on, off = Learner(settings), Learner(Settings())
    n_before = int(on.state.model.neural.counts[N_STEPS])
    (on_s, on_cpu_s), (off_s, off_cpu_s) = _seconds(on), _seconds(off)
    n_steps = int(on.state.model.neural.counts[N_STEPS]) - n_before
    n_examples = n_steps * neural.examples_per_step * (1 + neural.replay)
    return {
        "examples_per_s": n_examples / (on_s - off_s), "examples_per_cpu_s": n_examples / (on_cpu_s - off_cpu_s),
        "steps": n_steps, "step_ms": 1e3 * (on_s - off_s) / n_steps,
    }  # fmt: skip


def _seconds(learner: Learner) -> tuple[float, float]:
    """By the clock, and of CPU."""
    started = time.perf_counter(), time.process_time()
    for block in islice(learner.stream, N_NETWORK):
        learner.learn_us(block)
    return time.perf_counter() - started[0], time.process_time() - started[1]


def main() -> None:
    measure = {"learn": _learning, "recommend": _recommending, "network": _network}[sys.argv[1]]
    sys.stdout.write(json.dumps(measure()) + "\n")


if __name__ == "__main__":
    main()
