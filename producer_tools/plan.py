"""What a synthetic stream is asked to contain. Frozen values; every impossible one is refused with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from producer_tools.errors import UsageError
from producer_tools.event_clock import EventClock

MAX_EVENTS = 10**12
MAX_USERS = 10**9
MAX_ITEMS = 10**7
_CLICK_GAP_S = 20.0
_SESSIONS_AT_ONCE = (256, 8_192)
_VIEWS, _PURCHASES = 0.885, 0.027  # of all actions
_STRONGEST_RHYTHM = 0.99
_LAST_START_MS = 7_258_118_400_000  # 2200-01-01, so that a long stream still ends in a four-digit year


@dataclass(frozen=True, slots=True)
class Trend:
    """From event number `at_event` (counted from 0) on, each event is about `item` with probability `share`.

    `item` may be one of the catalogue or a new one. It replaces the item of events that happen anyway, whatever
    their type, so its share of all weights is `share` too.
    """

    item: str
    at_event: int
    share: float


_FAULTS = ("malformed", "duplicates", "late", "future", "tombstones", "out_of_order", "bots")


@dataclass(frozen=True, slots=True)
class FaultShares:
    """Shares of the records that are planted faults, each drawn on its own; the faults replace good records.

    An event out of order is older than its neighbours, but by less than what a worker calls late; bots look at one item
    each, again and again, and may make good events for a consumer that doesn't know better.

    The first `after_events` records are all good: the first record of a partition cannot be late.
    """

    malformed: float = 0.0
    duplicates: float = 0.0
    late: float = 0.0
    future: float = 0.0
    tombstones: float = 0.0
    out_of_order: float = 0.0
    bots: float = 0.0
    late_by_s: float = 3_600.0  # late events are this much to twice this much too old
    future_by_s: float = 86_400.0
    out_of_order_by_s: float = 60.0  # at most
    after_events: int = 100

    @property
    def total(self) -> float:
        return sum(self.shares.values())

    @property
    def shares(self) -> dict[str, float]:
        """By the name of the fault."""
        return {name: getattr(self, name) for name in _FAULTS}


@dataclass(frozen=True, slots=True)
class SyntheticPlan:
    """One stream; everything in it follows from this and nothing else (with the same numpy version).

    Raises UsageError, with every problem named.
    """

    n_events: int = 100_000
    n_users: int = 10_000
    n_items: int = 5_000
    seed: int = 1
    start_ms: int = 1_767_225_600_000  # event time of the first event; 2026-01-01
    events_per_s: float = 1_000.0  # speed of event time, not of producing; with a rhythm: the mean of a day
    rhythm: float = 0.0  # 0: even; towards 1: the quietest hour of a day has no events, the busiest twice the mean
    drift_s: float = 0.0  # in so much event time half of the items swap their demand and neighbours; 0: never
    new_items_per_hour: float = 0.0  # of event time
    trend_every_s: float = 0.0  # a sudden trend begins every so often in event time and lasts half as long; 0: never
    impressions: int = 0  # items shown before each view, the viewed one among them, each with an event of its own
    returns: float = 0.0  # share of the purchases that are returned about an hour later
    trend: Trend | None = None
    faults: FaultShares = field(default_factory=FaultShares)

    def __post_init__(self) -> None:
        problems = [*self._range_problems(), *self._trend_problems(), *_share_problems(self.faults)]
        if problems:
            raise UsageError("the synthetic stream cannot be made:\n" + "\n".join(f"  - {p}" for p in problems))

    @property
    def sessions_at_once(self) -> int:
        """Sessions that are under way at any moment, so that a shopper's clicks lie about 20 s of event time apart."""
        low, high = _SESSIONS_AT_ONCE
        wanted = min(max(round(self.events_per_s / self.records_per_action * _CLICK_GAP_S), low), high)
        return max(1, min(wanted, self.n_users // 2))

    @property
    def end_ms(self) -> int:
        """Event time just after the last event."""
        return int(self.clock().ms_at(np.array([self.n_events]))[0])

    @property
    def has_trends(self) -> bool:
        return self.trend is not None or self.trend_every_s > 0

    @property
    def records_per_action(self) -> float:
        """Impressions and returns come on top of what people do (expected; see `shoppers` for the chances)."""
        return 1.0 + _VIEWS * self.impressions + _PURCHASES * self.returns

    def clock(self) -> EventClock:
        return EventClock(self.start_ms, self.events_per_s, self.rhythm)

    def _range_problems(self) -> list[str]:
        bounds = {
            "events": (self.n_events, 1, MAX_EVENTS),
            "users": (self.n_users, 1, MAX_USERS),
            "items": (self.n_items, 1, MAX_ITEMS),
            "seed": (self.seed, 0, 2**63 - 1),
            "start (ms)": (self.start_ms, 0, _LAST_START_MS),
            "events per second of event time": (self.events_per_s, 1e-6, 1e9),
            "the daily rhythm": (self.rhythm, 0, _STRONGEST_RHYTHM),
            "seconds of a drift": (self.drift_s, 0, 1e9),
            "new items an hour": (self.new_items_per_hour, 0, 1e6),
            "seconds from a sudden trend to the next": (self.trend_every_s, 0, 1e9),
            "impressions before a view": (self.impressions, 0, 100),
            "the share of returns": (self.returns, 0, 1),
        }
        return [
            f"{name} must lie between {low:,} and {high:,}, got {value:,}"
            for name, (value, low, high) in bounds.items()
            if not low <= value <= high
        ]

    def _trend_problems(self) -> list[str]:
        if self.trend is None:
            return []
        problems = []
        if not self.trend.item:
            problems.append("the trending item needs an id, got an empty one")
        if not 0 < self.trend.share <= 1:
            problems.append(f"the trend's share must lie above 0 and up to 1, got {self.trend.share:g}")
        if not 0 <= self.trend.at_event < self.n_events:
            problems.append(
                f"the trend must start at an event between 0 and {self.n_events - 1:,}, got {self.trend.at_event:,}"
            )
        return problems


def _share_problems(faults: FaultShares) -> list[str]:
    problems = [
        f"the share of {name} must lie between 0 and 1, got {share:g}"
        for name, share in faults.shares.items()
        if not 0 <= share <= 1
    ]
    if faults.total > 1:
        problems.append(f"the shares of all faults together must not exceed 1, got {faults.total:g}")
    problems += [
        f"{name} must be above 0, got {getattr(faults, name):g}"
        for name in ("late_by_s", "future_by_s", "out_of_order_by_s")
        if not getattr(faults, name) > 0
    ]
    if faults.after_events < 0:
        problems.append(f"after_events must not be negative, got {faults.after_events}")
    return problems
