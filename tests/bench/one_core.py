"""What one core has to do for an event and for a recommendation, at 50,000 items: CPU time of the thread that does it.

`python -m tests.bench.one_core` measures in this process and prints JSON. No broker takes part.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.events.codec import JsonCodec
from consumer.messages import RecordBatch
from consumer.settings import Settings
from consumer.term import new_state
from producer_tools.plan import SyntheticPlan
from producer_tools.records import RecordBlock
from producer_tools.synthetic import SyntheticStream
from tests.bench import children, recommending
from tests.bench.figures import Figure, at_most
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


def measure_learning(_bootstrap_servers: str, _folder: Path) -> Figure:
    found = children.ask("tests.bench.one_core", "learn")
    meaning = f"learning an event, default ensemble, {N_ITEMS:,} items: median of {N_TIMED} batches"
    return at_most("learn_us", meaning, found["median_us"], LEARN_US, found, " µs")


def measure_recommending(_bootstrap_servers: str, _folder: Path) -> Figure:
    return recommending.figure(children.ask("tests.bench.one_core", "recommend"), N_ITEMS)


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


def main() -> None:
    found = _learning() if sys.argv[1:] == ["learn"] else _recommending()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
