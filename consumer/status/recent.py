"""The last minutes, from readings of the metrics about a second apart; bounded, whatever the traffic."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from consumer.snapshots.formats import timestamp
from consumer.status.document import Freshness, Series, Throughput
from consumer.status.figures import Ages, Figures

RATE_OVER_S: Final = 10.0
AGES_OVER_S: Final = 60.0
STEP_S: Final = 5.0
N_STEPS: Final = 120


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    n_learned: int
    to_update: Ages
    to_publish: Ages


@dataclass(frozen=True, slots=True)
class _Point:
    events_per_s: float
    to_publish_p95_s: float | None
    lag_records: int


class Recent:
    """Told at monotonic times, which do not go back."""

    def __init__(self) -> None:
        self._readings: deque[_Reading] = deque()
        self._points: deque[_Point] = deque(maxlen=N_STEPS)
        self._step: _Reading | None = None
        self._ends_at_s = 0.0

    def note(self, figures: Figures, lag_records: int, now_s: float, wall_s: float) -> None:
        reading = _Reading(now_s, figures.n_learned, figures.to_update, figures.to_publish)
        self._readings.append(reading)
        while self._readings[0].at_s < now_s - AGES_OVER_S:
            self._readings.popleft()
        begun = self._step
        if begun is None:
            self._step = reading
        elif now_s - begun.at_s >= STEP_S:
            self._points.append(_point(begun, reading, lag_records))
            self._step, self._ends_at_s = reading, wall_s

    def throughput(self, figures: Figures) -> Throughput:
        newest = self._readings[-1]
        oldest = next(one for one in self._readings if one.at_s >= newest.at_s - RATE_OVER_S)
        outcomes = {name: n for name, n in figures.outcomes.items() if n}
        return Throughput(RATE_OVER_S, _rate(oldest, newest), outcomes)

    def freshness(self) -> Freshness:
        oldest, newest = self._readings[0], self._readings[-1]
        return Freshness(
            AGES_OVER_S,
            newest.to_update.since(oldest.to_update).quantiles(),
            newest.to_publish.since(oldest.to_publish).quantiles(),
        )

    def series(self) -> Series:
        points = list(self._points)
        return Series(
            STEP_S,
            timestamp(self._ends_at_s),
            {
                "events_per_s": [point.events_per_s for point in points],
                "to_publish_p95_s": [point.to_publish_p95_s for point in points],
                "lag_records": [float(point.lag_records) for point in points],
            },
        )


def _point(begun: _Reading, ended: _Reading, lag_records: int) -> _Point:
    return _Point(_rate(begun, ended), ended.to_publish.since(begun.to_publish).quantile(0.95), lag_records)


def _rate(begun: _Reading, ended: _Reading) -> float:
    seconds = ended.at_s - begun.at_s
    return (ended.n_learned - begun.n_learned) / seconds if seconds > 0 else 0.0
