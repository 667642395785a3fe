"""When each record of a synthetic stream happens: evenly, or with a daily rhythm."""

from __future__ import annotations

import numpy as np

from producer_tools.records import Float64Array, Int64Array

DAY_S = 86_400.0
_BUSIEST_S = 20 * 3_600.0  # after midnight, UTC
_STEP_S = 10.0


class EventClock:
    """Places in a stream → event times. The rate at time t is rate · (1 + rhythm · cos(2π (t − 20:00) / 1 day)), so a
    whole day has the same number of events whatever the rhythm."""

    def __init__(self, start_ms: int, events_per_s: float, rhythm: float) -> None:
        self._start_ms = start_ms
        self._events_per_s = events_per_s
        self._rhythm = rhythm
        self._in_day_s = np.arange(0.0, DAY_S + _STEP_S, _STEP_S)
        self._passed_s = self._in_day_s + rhythm * _swing_s(self._in_day_s)  # ascending: the rhythm is below 1
        self._first_s = self._passed(start_ms / 1_000.0)

    def ms_at(self, places: Float64Array | Int64Array) -> Int64Array:
        """(n,) places, from 0 (below: before the start) → (n,) milliseconds since 1970-01-01 UTC."""
        if self._rhythm == 0:
            even: Int64Array = self._start_ms + (places * (1_000.0 / self._events_per_s)).astype(np.int64)
            return even
        days, rest_s = np.divmod(self._first_s + places / self._events_per_s, self._passed_s[-1] - self._passed_s[0])
        in_day_s = np.interp(rest_s + self._passed_s[0], self._passed_s, self._in_day_s)
        times_ms = ((days * DAY_S + in_day_s) * 1_000.0).astype(np.int64)
        clipped: Int64Array = np.where(places >= 0, np.maximum(times_ms, self._start_ms), times_ms)
        return clipped

    def _passed(self, time_s: float) -> float:
        """Mean seconds since 1970 until then: the integral of 1 + rhythm · cos(…), from midnight on."""
        days, in_day_s = divmod(time_s, DAY_S)
        return float(days * DAY_S + np.interp(in_day_s, self._in_day_s, self._passed_s) - self._passed_s[0])


def _swing_s(in_day_s: Float64Array) -> Float64Array:
    return np.sin(2 * np.pi * (in_day_s - _BUSIEST_S) / DAY_S) * DAY_S / (2 * np.pi)
