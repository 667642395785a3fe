"""What the demo shows: figures of one moment, from the worker's own metrics and from a reader of what it publishes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consumer.telemetry.scraping import Scrape

RATE_OVER_S: Final = 3.0
_PUBLISHED: Final = "freshrank_event_to_publish_seconds"
_HITS: Final = "freshrank_quality_hit_ratio"


@dataclass(frozen=True, slots=True)
class Figures:
    """None: nothing known yet."""

    at_s: float
    """Since the stream began."""
    n_learned: int
    learned_per_s: float
    p50_s: float | None
    p99_s: float | None
    """From a record's timestamp until the version that covers it was committed; over all events so far."""
    hit_ratio: float | None
    popularity_hit_ratio: float | None
    version: int
    """As a reader sees it."""
    top: Sequence[tuple[str, float]]


class Gauges:
    """Turns successive scrapes into figures."""

    def __init__(self) -> None:
        self._learned: deque[tuple[float, float]] = deque()

    def read(self, at_s: float, metrics: Scrape, version: int, top: Sequence[tuple[str, float]]) -> Figures:
        n_learned = metrics.value("freshrank_events_total", outcome="admitted") or 0.0
        return Figures(
            at_s=at_s,
            n_learned=int(n_learned),
            learned_per_s=self._rate(at_s, n_learned),
            p50_s=metrics.quantile(_PUBLISHED, 0.5, phase="live"),
            p99_s=metrics.quantile(_PUBLISHED, 0.99, phase="live"),
            hit_ratio=metrics.value(_HITS, model="ensemble"),
            popularity_hit_ratio=metrics.value(_HITS, model="popularity"),
            version=version,
            top=top,
        )

    def _rate(self, at_s: float, n_learned: float) -> float:
        self._learned.append((at_s, n_learned))
        while len(self._learned) > 2 and at_s - self._learned[0][0] > RATE_OVER_S:
            self._learned.popleft()
        first_s, n_first = self._learned[0]
        return (n_learned - n_first) / (at_s - first_s) if at_s > first_s else 0.0
