"""Does freshness pay? What readers lose whose snapshot is older, on a recorded stream and on one that drifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from consumer.evaluation.answers import BoolArray
from consumer.evaluation.figures import N_RESAMPLES, Measured
from consumer.messages import Float64Array, UInt8Array
from consumer.settings import Catalogue, Settings
from tests.quality import drifting
from tests.quality.document import PICTURES, ROOT, Section, percent, table
from tests.quality.picture import Point, write_chart
from tests.quality.recorded import DataSet
from tests.quality.snapshots import N_TOP, NEVER_S, Compared, compared

BY_EVENTS = (("100 events", 100), ("1 k", 1_000), ("8 k", 8_000), ("58 k", 58_000), ("never", 0))
BY_TIME = (("second", 1_000), ("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000), ("never", 0))
_SEED = 77


@dataclass(frozen=True, slots=True)
class Freshness:
    """One interval's figures, and what it gains (or loses) against the freshest, session by session."""

    name: str
    n_refreshed: int
    top_hit: Measured
    top_change: Measured
    recall_20: Measured
    recall_change: Measured


def measure(recorded: DataSet, n_events: int, folder: Path) -> Section:
    settings = Settings(catalogue=Catalogue(item_ttl_s=NEVER_S))
    by_events = compared(recorded.batches(settings), BY_EVENTS, n_events // 2, by_time=False)
    synthetic = drifting.data_set(folder)
    by_time = compared(synthetic.batches(settings), BY_TIME, drifting.N_EVENTS // 2, by_time=True)
    lines = [
        "One stream, learned event by event; from its middle on, readers of which each renews its snapshot at another "
        "interval recommend just before each event. All know the user's true history; an item that the snapshot does "
        f"not hold is a miss. Hit rate of the {N_TOP} items with the greatest scores, and R@20 of `recommend`; changes "
        "against the freshest reader are paired, session by session. Snapshots are copies of the learned state, "
        "without the tolerance of published rows, and no item is evicted.",
    ]
    events, clock = freshness_of(by_events), freshness_of(by_time)
    lines += _told(f"{recorded.name}, renewed every so many events", "freshness-events", events)
    lines += _told(
        f"A synthetic shop over {drifting.DAYS} days at {drifting.EVENTS_PER_S:g} events/s whose taste moves within "
        "minutes, hours and days (`tests/quality/drifting.py`), renewed by the clock",
        "freshness-clock",
        clock,
    )
    figures = {
        "by_events": [asdict(found) for found in events],
        "by_time": [asdict(found) for found in clock],
    }
    return Section("Does freshness pay?", lines, figures={"freshness": figures})


def freshness_of(found: Compared) -> list[Freshness]:
    """Of every reader, in their order; the first is the freshest."""
    everything = np.ones(len(found.session), bool)
    hits, hit_changes = _shares(found, found.hits, everything)
    listed, listed_changes = _shares(found, found.listed, found.has_history)
    rows = zip(found.names, found.n_refreshed, hits, hit_changes, listed, listed_changes, strict=True)
    return [Freshness(*row) for row in rows]


def _shares(found: Compared, came_true: UInt8Array, counts: BoolArray) -> tuple[list[Measured], list[Measured]]:
    """Share of the records that count, by reader, and its difference from the first reader's."""
    _, session = np.unique(found.session[counts], return_inverse=True)
    n_sessions = int(session.max()) + 1
    columns = [np.bincount(session, minlength=n_sessions)]
    columns += [np.bincount(session, reader[counts], n_sessions) for reader in came_true]
    sums: Float64Array = np.column_stack(columns).astype(np.float64)
    rng = np.random.default_rng(_SEED)
    drawn = np.array([rng.poisson(1.0, n_sessions) @ sums for _ in range(N_RESAMPLES)])
    shares, resampled = sums[:, 1:].sum(axis=0) / sums[:, 0].sum(), drawn[:, 1:] / drawn[:, :1]
    return _measured(shares, resampled), _measured(shares - shares[0], resampled - resampled[:, :1])


def _measured(values: Float64Array, resampled: Float64Array) -> list[Measured]:
    low, high = np.percentile(resampled, (2.5, 97.5), axis=0)
    return [Measured(*map(float, triple)) for triple in zip(values, low, high, strict=True)]


def _told(title: str, picture: str, found: Sequence[Freshness]) -> list[str]:
    rows = [
        [
            f.name,
            f"{f.n_refreshed:,}",
            percent(f.top_hit),
            percent(f.top_change),
            percent(f.recall_20),
            percent(f.recall_change),
        ]
        for f in found
    ]
    headings = ("renewed every", "snapshots", f"hit rate of the top {N_TOP}", "change", "R@20 of `recommend`", "change")
    lines = ["", f"### {title}", *table(headings, rows)]
    for name, what in (("top", f"hit rate of the top {N_TOP}"), ("recall", "R@20 of recommend")):
        path = PICTURES / f"{picture}-{name}.svg"
        measured = [f.top_hit if name == "top" else f.recall_20 for f in found]
        points = [Point(f.name, 100 * m.value, 100 * m.low, 100 * m.high) for f, m in zip(found, measured, strict=True)]
        write_chart(path, f"{what}, percent, by how often the snapshot is renewed", points)
        lines.append(f"![{what}]({path.relative_to(ROOT)})")
    return lines
