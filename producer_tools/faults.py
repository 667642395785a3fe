"""Plants faults in a stream of good events: which records, of which kind, and what that does to their columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from producer_tools.bots import Bots
from producer_tools.event_columns import MALFORMATIONS, EventColumns, Fault, joined
from producer_tools.plan import SyntheticPlan
from producer_tools.records import Int64Array, UInt8Array

_FARTHEST_DUPLICATE = 512  # good records between an event and its duplicate
_FARTHEST_DUPLICATE_S = 60.0  # and that in event time, so that it falls into any sensible dedupe window
_MALFORMED = 255  # stands for "one of MALFORMATIONS" until it is drawn which
_KINDS = {
    "malformed": _MALFORMED,
    "duplicates": Fault.DUPLICATE,
    "late": Fault.LATE,
    "future": Fault.FUTURE,
    "tombstones": Fault.TOMBSTONE,
    "out_of_order": Fault.OUT_OF_ORDER,
    "bots": Fault.BOT,
}


class FaultPlanter:
    """Goes through one stream from its beginning, chunk by chunk; remembers a few good events to repeat."""

    def __init__(self, plan: SyntheticPlan, rng: np.random.Generator) -> None:
        self._shares = plan.faults
        self._bots = Bots(plan)
        self._rng = rng
        self._n_remembered = int(np.clip(plan.events_per_s * _FARTHEST_DUPLICATE_S, 1, _FARTHEST_DUPLICATE))
        self._recent: EventColumns | None = None
        self._n_seen = 0

    def plant(self, events: EventColumns) -> EventColumns:
        """The same number of records, some of them faulty. Good ones are as they were."""
        if self._shares.total == 0:
            return events
        fault = self._draw(len(events))
        self._n_seen += len(events)
        spoilt = self._with_wrong_times(replace(events, fault=fault))
        return self._with_duplicates(self._bots.visit(spoilt, self._rng))

    def _draw(self, n: int) -> UInt8Array:
        """(n,) the fault of each record."""
        shares = self._shares
        limits = np.cumsum([shares.shares[name] for name in _KINDS])
        kinds = np.array([*_KINDS.values(), Fault.NONE], dtype=np.uint8)
        fault = kinds[np.searchsorted(limits, self._rng.random(n), side="right")]
        which = np.array(MALFORMATIONS, dtype=np.uint8)[self._rng.integers(len(MALFORMATIONS), size=n)]
        fault = np.where(fault == _MALFORMED, which, fault)
        fault[: max(0, shares.after_events - self._n_seen)] = Fault.NONE
        return fault

    def _with_wrong_times(self, events: EventColumns) -> EventColumns:
        late_ms = (self._shares.late_by_s * 1_000 * (1 + self._rng.random(len(events)))).astype(np.int64)
        late_ms[events.fault != Fault.LATE] = 0
        if self._shares.out_of_order > 0:
            back_ms = (self._shares.out_of_order_by_s * 1_000 * self._rng.random(len(events))).astype(np.int64)
            late_ms += np.where(events.fault == Fault.OUT_OF_ORDER, back_ms, 0)
        future_ms = round(self._shares.future_by_s * 1_000) * (events.fault == Fault.FUTURE)
        written_ms = np.maximum(events.event_time_ms - late_ms + future_ms, 0)
        return replace(events, event_time_ms=written_ms)

    def _with_duplicates(self, events: EventColumns) -> EventColumns:
        """Each duplicate repeats one of the good records shortly before it; the first records have none to repeat."""
        good = np.flatnonzero(events.fault == Fault.NONE)
        duplicates = np.flatnonzero(events.fault == Fault.DUPLICATE)
        n_before = 0 if self._recent is None else len(self._recent)
        pool = events.take(good) if self._recent is None else joined([self._recent, events.take(good)])
        self._recent = pool.take(np.arange(max(0, len(pool) - self._n_remembered), len(pool)))
        back = self._rng.integers(1, self._n_remembered, size=len(duplicates), endpoint=True)
        n_earlier = n_before + np.searchsorted(good, duplicates)
        return _repeating(events, pool, duplicates[n_earlier > 0], np.maximum(n_earlier - back, 0)[n_earlier > 0])


def _repeating(events: EventColumns, pool: EventColumns, places: Int64Array, sources: Int64Array) -> EventColumns:
    """`events` with the records at `places` replaced by those of `pool` at `sources`; a place without one is good."""
    fault = events.fault.copy()
    fault[fault == Fault.DUPLICATE] = Fault.NONE
    fault[places] = Fault.DUPLICATE
    columns = {}
    for name in ("number", "user", "item", "event_type", "session", "event_time_ms"):
        column = getattr(events, name).copy()
        column[places] = getattr(pool, name)[sources]
        columns[name] = column
    return replace(events, fault=fault, **columns)
