"""Whether a model's scores say what follows: the share of interactions that it expected, against what came.

The scores are those at the beginning of the stretch. Items are put in order, the likeliest first, and cut into groups
that are each expected to get about a tenth of what follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.messages import Float64Array, Int64Array, Outcome, UInt8Array, UInt64Array
from consumer.models.state import ModelState
from consumer.settings import Settings

N_GROUPS = 10
SMOOTHING = 0.001
_ADMITTED = int(Outcome.ADMITTED)


@dataclass(frozen=True, slots=True)
class Calibration:
    expected: list[float]
    """By group, from the likeliest items on; they sum to 1."""
    followed: list[float]
    """Share of the weight of the stretch's positive events on items that were known at its beginning."""
    n_items: int
    n_events: int
    """Positive events on known items."""
    new_share: float
    """Weight of positive events on items that were not known, of all."""
    log_loss: float | None
    """Mean −ln of the score of what followed, smoothed by a thousandth, in nats; None without an event."""

    @property
    def error(self) -> float:
        """Half the sum of the groups' differences: the share that went elsewhere than expected."""
        return 0.5 * sum(abs(e - f) for e, f in zip(self.expected, self.followed, strict=True))


class ScoreTally:
    """Takes the scores as they are when it is made, then the batches of the stretch."""

    def __init__(self, model: ModelState, settings: Settings) -> None:
        rows = np.flatnonzero(model.items.is_live[: model.n_item_rows])
        keys = model.items.keys[rows, 0]
        order = np.argsort(keys)
        self._keys: UInt64Array = keys[order]
        self._scores: Float64Array = model.scores()[rows][order]
        self._weights = np.array([kind.weight for kind in settings.input.event_types.values()])
        self._followed = np.zeros(len(rows))
        self._new_weight = 0.0
        self._loss = 0.0
        self._n_events = 0

    def take(self, batch: AdmittedBatch, is_of_stretch: UInt8Array) -> None:
        events = batch.events
        kinds = np.clip(events.event_type, 0, len(self._weights) - 1)
        weights = np.where((batch.outcome == _ADMITTED) & (is_of_stretch == 1), self._weights[kinds], 0.0)
        counted = np.flatnonzero(weights > 0)
        keys, weights = events.item_key[counted, 0], weights[counted]
        rows = self._rows_of(keys)
        known = rows >= 0
        np.add.at(self._followed, rows[known], weights[known])
        self._new_weight += float(weights[~known].sum())
        n = max(len(self._keys), 1)
        smoothed = (1.0 - SMOOTHING) * self._scores[rows[known]] + SMOOTHING / n
        self._loss -= float((weights[known] * np.log(smoothed)).sum())
        self._n_events += int(known.sum())

    def result(self) -> Calibration:
        order = np.argsort(-self._scores, kind="stable")
        scores, followed = self._scores[order], self._followed[order]
        before = np.cumsum(scores) - scores
        group = np.minimum((before * N_GROUPS).astype(np.int64), N_GROUPS - 1)
        total = float(followed.sum())
        return Calibration(
            expected=np.bincount(group, scores, N_GROUPS).tolist(),
            followed=(np.bincount(group, followed, N_GROUPS) / (total or 1.0)).tolist(),
            n_items=len(scores),
            n_events=self._n_events,
            new_share=self._new_weight / ((total + self._new_weight) or 1.0),
            log_loss=self._loss / total if total else None,
        )

    def _rows_of(self, keys: UInt64Array) -> Int64Array:
        """-1 where nothing was known of the item."""
        if len(self._keys) == 0:
            return np.full(len(keys), -1, np.int64)
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[at] == keys, at, -1)
