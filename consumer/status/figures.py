"""What the metrics say at one moment, as far as people are shown it: page and dashboards cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.messages import Int64Array
from consumer.status.document import Quantiles, Replay
from consumer.status.quantiles import quantile


def _none() -> Ages:
    return Ages((), np.zeros(1, np.int64))


@dataclass(frozen=True, slots=True)
class Ages:
    """A histogram of ages since the process began."""

    bounds_s: Sequence[float]
    """Upper, ascending; +Inf is understood."""
    cumulative: Int64Array  # (n_bounds + 1,)

    def since(self, earlier: Ages) -> Ages:
        return Ages(self.bounds_s, self.cumulative - earlier.cumulative)

    def quantile(self, share: float) -> float | None:
        bounds = [*self.bounds_s, float("inf")]
        return quantile(list(zip(bounds, self.cumulative.tolist(), strict=True)), share)

    def quantiles(self) -> Quantiles | None:
        p50, p95, p99 = (self.quantile(share) for share in (0.5, 0.95, 0.99))
        return None if p50 is None or p95 is None or p99 is None else Quantiles(p50, p95, p99)


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts are since the process began."""

    n_learned: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    to_update: Ages = field(default_factory=_none)
    to_publish: Ages = field(default_factory=_none)
    lag_s: float = 0.0
    published_at_s: float | None = None
    rows_waiting: int = 0
    publish_failures: int = 0
    is_stalled: bool = False
    muted: Sequence[str] = ()
    longer_steps: Sequence[str] = ()
    drift_alarms: Mapping[str, int] = field(default_factory=dict)
    state_rows: Mapping[str, int] = field(default_factory=dict)
    state_bytes: int = 0
    replay: Replay | None = None
