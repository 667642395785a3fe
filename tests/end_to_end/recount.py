"""Scores once more, from the events themselves: plain Python, the definition and nothing of the worker's code.

A manifest says how the half-lives are mixed and as of when, so whoever has the events can recount what was published.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple


class Interaction(NamedTuple):
    """One event that counts."""

    user: str
    item: str
    weight: float
    time_s: float


def interactions(
    path: Path, columns: tuple[str, str, str, str], weights: Mapping[str, float], **csv_options: Any
) -> Iterator[Interaction]:
    """The rows of a gzipped CSV file in their order; `columns`: of user, item, type and time (text or seconds)."""
    user, item, kind, time = columns
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, **csv_options):
            yield Interaction(row[user], row[item], weights[row[kind]], _seconds(row[time]))


def capped(events: Iterable[Interaction], most_a_day: float) -> Iterator[Interaction]:
    """The same, but of what a user weighs on an item on one day (UTC) no more than so much."""
    spent: dict[tuple[str, str, int], float] = defaultdict(float)
    for event in events:
        day = (event.user, event.item, int(event.time_s // 86_400))
        granted = min(abs(event.weight), most_a_day - spent[day])
        spent[day] += granted
        yield event._replace(weight=math.copysign(granted, event.weight))


def recounted_scores(events: Iterable[Interaction], manifest: Mapping[str, Any]) -> dict[str, float]:
    """Σ_h m_h · max(0, c⁺_h − c⁻_h) / total_h of every item, with the manifest's half-lives h and mixture m."""
    net = net_counts(events, manifest)
    mixture = manifest["model"]["weights"]["popularity.mixture"]
    totals = [math.fsum(counts[h] for counts in net.values()) for h in range(len(mixture))]
    shares = {
        item: [count / total if total > 0 else 1 / len(net) for count, total in zip(counts, totals, strict=True)]
        for item, counts in net.items()
    }
    return {item: math.fsum(m * p for m, p in zip(mixture, by, strict=True)) for item, by in shares.items()}


def net_counts(events: Iterable[Interaction], manifest: Mapping[str, Any]) -> dict[str, list[float]]:
    """By item, for each half-life: decayed weight, never below 0, in units of one event at the manifest's `as_of`."""
    half_lives_s = manifest["model"]["constants"]["popularity"]["half_lives_s"]
    as_of_s = _seconds(manifest["model"]["totals"]["as_of"])
    positive: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in half_lives_s])
    negative: dict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in half_lives_s])
    for event in events:
        side = positive if event.weight >= 0 else negative
        for h, half_life_s in enumerate(half_lives_s):
            side[event.item][h].append(abs(event.weight) * 2.0 ** ((event.time_s - as_of_s) / half_life_s))
    return {
        item: [max(0.0, math.fsum(p) - math.fsum(n)) for p, n in zip(positive[item], negative[item], strict=True)]
        for item in list(itertools.chain(positive, (item for item in negative if item not in positive)))
    }


def out_of_tolerance(
    published: Mapping[str, float], expected: Mapping[str, float], tolerance: float
) -> dict[str, tuple[float, float]]:
    """(published, expected) of the items whose published score is farther off than is promised where nothing waits."""
    least = 0.01 / len(expected)
    return {
        item: (published[item], score)
        for item, score in expected.items()
        # A published score has nine digits, and sums of floats differ in their last ones.
        if abs(published[item] - score) > max(tolerance * score, least) * (1 + 1e-6) + 1e-12
    }


def _seconds(text: str) -> float:
    """From seconds, RFC 3339, or RFC 3339 with a space and " UTC"."""
    if text.isdecimal():
        return float(text)
    return datetime.fromisoformat(text.replace(" UTC", "+00:00")).timestamp()
