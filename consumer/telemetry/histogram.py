"""A histogram that takes whole arrays: one search for all values of a batch instead of one call for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consumer.messages import Float64Array, Int64Array
from consumer.telemetry.catalogue import Metric
from consumer.telemetry.series import LabelValues


@dataclass(frozen=True, slots=True)
class Tally:
    """Values sorted into a metric's buckets, but not yet added to it."""

    counts: Int64Array  # (n_buckets + 1,) not cumulative; the last is +Inf
    total: float
    n_below_zero: int
    """Values that were negative and have been taken as 0."""


@dataclass(frozen=True, slots=True)
class HistogramValue:
    """What Prometheus needs of one labelled histogram, as of one moment."""

    cumulative: Int64Array  # (n_buckets + 1,) values up to each bound; the last is their number
    total: float


class ArrayHistogram:
    """Counts by bucket for each combination of label values, all of which exist from the start.

    `tally` is the costly half and touches no state; `add` is a few additions, so a lock around it is held briefly.
    Neither keeps the values. Not locked itself.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._bounds = np.asarray(metric.buckets, dtype=np.float64)
        n_counts = len(self._bounds) + 1
        self._counts: dict[LabelValues, Int64Array] = {
            labels: np.zeros(n_counts, dtype=np.int64) for labels in metric.known_label_values()
        }
        self._totals: dict[LabelValues, float] = dict.fromkeys(self._counts, 0.0)

    def tally(self, values: Sequence[float] | Float64Array) -> Tally:
        """Sort `values`, (n,) in the metric's unit, into buckets. Raises ValueError if one isn't finite."""
        given = np.asarray(values, dtype=np.float64)
        clamped = np.maximum(given, 0.0)
        total = float(clamped.sum())
        if not np.isfinite(total):  # one NaN would stay in the sum for ever
            raise ValueError(f"{self.metric.name}: the values must be finite, at least one of {len(given)} isn't")
        # side="left": a value that equals a bound belongs below it, as Prometheus' le says
        buckets = np.searchsorted(self._bounds, clamped, side="left")
        counts = np.bincount(buckets, minlength=len(self._bounds) + 1).astype(np.int64, copy=False)
        return Tally(counts, total, int(np.count_nonzero(given < 0)))

    def add(self, tally: Tally, *labels: str) -> None:
        """Raises KeyError for label values that the catalogue doesn't know."""
        self._counts[labels] += tally.counts
        self._totals[labels] += tally.total

    def copy(self) -> dict[LabelValues, HistogramValue]:
        return {
            labels: HistogramValue(np.cumsum(counts), self._totals[labels]) for labels, counts in self._counts.items()
        }
