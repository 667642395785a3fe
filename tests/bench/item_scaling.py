"""Cost of an event with a million items against ten thousand: decode, admit, learn, cut versions; without a broker.

`python -m tests.bench.item_scaling` measures in this process and prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.checkpoints.contents import digest_of
from consumer.checkpoints.loading import AllState
from consumer.events.codec import JsonCodec
from consumer.messages import OutputRecord, Positions, RecordBatch
from consumer.settings import Settings
from consumer.snapshots.gatekeeper import Gatekeeper
from consumer.snapshots.publisher import Moment, Publisher
from consumer.term import new_state
from producer_tools.plan import SyntheticPlan
from producer_tools.records import RecordBlock
from producer_tools.synthetic import SyntheticStream
from tests.bench import children
from tests.bench.figures import Figure, at_most
from tests.bench.load import introduction

FEW, MANY = 10_000, 1_000_000
N_USERS = 100_000
N_WARM = 300_000
EVENTS_PER_S = 5_000.0  # of event time
N_CYCLES = 12
START_MS = 1_767_225_600_000
TARGET = 1.5


def measure(_bootstrap_servers: str, _folder: Path) -> Figure:
    found = children.ask("tests.bench.item_scaling")
    meaning = f"cost of an event, {MANY:,} items / {FEW:,} items"
    return at_most("item_scaling", meaning, found["ratio"], TARGET, found)


class Nowhere:
    """An output that keeps nothing."""

    def open(self) -> None: ...

    def begin(self) -> None: ...

    def write(self, records: Iterable[OutputRecord]) -> None:
        for _ in records:
            pass

    def flush(self) -> Mapping[str, Positions]:
        return {}

    def commit(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Spent:
    """Seconds by stage, events and versions of one or several cycles."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("decode", "admit", "learn", "publish"), 0))
    n_events: int = 0
    n_versions: int = 0

    @property
    def event_us(self) -> float:
        return 1e6 * sum(self.seconds.values()) / self.n_events

    def add(self, other: Spent) -> None:
        for stage, seconds in other.seconds.items():
            self.seconds[stage] += seconds
        self.n_events += other.n_events
        self.n_versions += other.n_versions


class Side:
    """A worker's state with so many items, and its stages called one after the other."""

    def __init__(self, n_items: int) -> None:
        self.n_items = n_items
        self._settings = Settings()
        self._codec = JsonCodec(self._settings.input, keeps_features=self._settings.models.linear.enabled)
        self._state: AllState = new_state(self._settings)
        self._publisher = Publisher(
            self._settings, digest_of(self._settings), self._state.model, self._state.published, Nowhere(), "bench"
        )
        self._publisher.last_reserved = sys.maxsize
        self._gatekeeper = Gatekeeper(
            self._settings.publish,
            self._state.model,
            self._state.trainer.cases,
            self._state.published,
            self._state.gate,
        )
        self._offset = 0
        self._spent = Spent()
        plan = SyntheticPlan(10**9, N_USERS, n_items, seed=3, start_ms=START_MS, events_per_s=EVENTS_PER_S)
        self._batches = self._records(SyntheticStream(plan).blocks(self._settings.batch.max_events))
        self._introduce()
        self._ahead: list[RecordBatch] = []

    def prepare(self, n_batches: int) -> None:
        """Make records for the next cycle, outside of what is timed."""
        self._ahead += islice(self._batches, max(0, n_batches - len(self._ahead)))

    def cycle(self) -> Spent:
        """One version, then events until the next one would be due."""
        self._spent = Spent(n_versions=1)
        started_s = time.perf_counter()
        self._publish()
        while time.perf_counter() - started_s < self._settings.publish.interval_s and self._ahead:
            self._learn(self._ahead.pop(0))
        return self._spent

    def _introduce(self) -> None:
        """Every item is known and published, and there is some history."""
        span_ms = 1_800_000
        for batch in self._records(introduction(self.n_items, N_USERS, self.n_items, START_MS - span_ms, span_ms)):
            self._learn(batch)
        for batch in islice(self._batches, N_WARM // self._settings.batch.max_events):
            self._learn(batch)
        model, published = self._state.model, self._state.published
        published.fit(model.n_item_rows)
        published.score[: model.n_item_rows] = model.scores()
        published.score_hash[: model.n_item_rows] = published.related_hash[: model.n_item_rows] = 1
        model.item_to_item.changed[:] = 0.0
        if model.n_items != self.n_items:
            raise SystemExit(f"{model.n_items} of {self.n_items} items are known")

    def _records(self, blocks: Iterator[RecordBlock]) -> Iterator[RecordBatch]:
        for block in blocks:
            n = len(block)
            offsets = self._offset + np.arange(n)
            self._offset += n
            yield RecordBatch("bench", ByteColumn.of(block.values), np.zeros(n, np.int32), offsets, block.times_ms, ())

    def _learn(self, records: RecordBatch) -> None:
        marks = [time.perf_counter()]
        events = self._codec.decode(records)
        marks.append(time.perf_counter())
        self._state.admission.late_candidates(events)
        admitted = self._state.admission.admit(events)
        marks.append(time.perf_counter())
        self._state.trainer.learn(admitted)
        marks.append(time.perf_counter())
        for stage, seconds in zip(("decode", "admit", "learn"), np.diff(marks).tolist(), strict=True):
            self._spent.seconds[stage] += seconds
        self._spent.n_events += len(records)

    def _publish(self) -> None:
        started_s = time.perf_counter()
        moment = Moment(time.time(), {0: self._offset}, self._state.admission.watermark_ms, dict)
        version = self._publisher.cut(moment)
        if self._gatekeeper.judge(version, moment.watermark_ms, is_live=True) is not None:
            raise SystemExit("the gate held a version of an unspoilt stream")
        self._publisher.publish(version, moment, ())
        self._gatekeeper.published(version, moment.watermark_ms, is_live=True)
        self._spent.seconds["publish"] += time.perf_counter() - started_s


def main() -> None:
    sides = [Side(FEW), Side(MANY)]
    costs: list[list[float]] = [[], []]
    totals = [Spent(), Spent()]
    for n_cycle in range(-2, N_CYCLES):  # the first two are to warm up
        for side, cost, total in zip(sides, costs, totals, strict=True):
            side.prepare(40)
            spent = side.cycle()
            if n_cycle >= 0:
                cost.append(spent.event_us)
                total.add(spent)
    few, many = (median(cost) for cost in costs)
    found: dict[str, object] = {"ratio": many / few, "few_us_per_event": few, "many_us_per_event": many}
    for name, total in zip(("few", "many"), totals, strict=True):
        for stage, seconds in total.seconds.items():
            if stage == "publish":
                found[f"{name}_publish_ms_per_version"] = 1e3 * seconds / total.n_versions
            else:
                found[f"{name}_{stage}_us"] = 1e6 * seconds / total.n_events
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
