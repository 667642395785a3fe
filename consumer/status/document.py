"""The status of a worker as one immutable value; its fields are the members of /status.json.

Names are stable: more members may come, none goes. Times are RFC 3339, durations seconds, shares 0 … 1; None (null):
not known, or not of this stage. Nothing is about a single user. Item ids are whatever producers wrote: text that nobody
may take for markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """What a worker is doing, in the order of its life."""

    STARTING = "starting"
    """Compiles its kernels and checks the topics."""
    STANDBY = "standby"
    """Waits for the lease."""
    TAKING_OVER = "taking_over"
    """Has the lease; loads the newest checkpoint and what readers hold."""
    RECOVERING = "recovering"
    """Learns again what is published already; nothing goes out before."""
    CATCHING_UP = "catching_up"
    """Has not yet learned the input up to its end."""
    LIVE = "live"
    REPLAYING = "replaying"
    STOPPING = "stopping"
    """Publishes and saves what was learned last."""


@dataclass(frozen=True, slots=True)
class Identity:
    model: str
    instance: str
    software: str
    """Version of freshrank."""
    started_at: str


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Of what happened within the window."""

    p50_s: float
    p95_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Freshness:
    """Age of live events when they were learned, and when readers could see them; None: there were none."""

    window_s: float
    to_update: Quantiles | None
    to_publish: Quantiles | None


@dataclass(frozen=True, slots=True)
class Throughput:
    window_s: float
    events_per_s: float
    outcomes: Mapping[str, int]
    """Records since this process began, by what became of them; those that never occurred are left out."""


@dataclass(frozen=True, slots=True)
class Partition:
    partition: int
    position: int
    """The next offset to learn."""
    end: int
    lag: int


@dataclass(frozen=True, slots=True)
class Lag:
    topic: str
    records: int
    seconds: float
    partitions: Sequence[Partition]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What readers hold."""

    version: int
    published_at: str | None
    """None: this process has not published yet."""
    rows_waiting: int
    failures: int
    """Attempts of this process to publish that failed."""


@dataclass(frozen=True, slots=True)
class Held:
    """Why new versions do not go out."""

    reason: str
    detail: str
    since: str
    rolls_back_at: str | None
    """When learned state returns to the last good checkpoint by itself; None: it does not."""


@dataclass(frozen=True, slots=True)
class MemberQuality:
    samples: int
    hit_ratio: float
    mrr: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Test-then-train, among 20, by member, over the last hour, or since the term began."""

    window_s: float
    cutoff: int
    members: Mapping[str, MemberQuality]


@dataclass(frozen=True, slots=True)
class HalfLife:
    half_life_s: float
    weight: float


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the ensemble: how the half-lives of popularity mix to a score, and the logit by which the worker orders a
    list, by member and feature as in the manifest."""

    popularity: Sequence[HalfLife]
    logit: Mapping[str, Mapping[str, float]]
    muted: Sequence[str]
    longer_steps: Sequence[str]
    """Losses whose models take longer steps after a drift."""
    drift_alarms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TopItem:
    item: str
    score: float


@dataclass(frozen=True, slots=True)
class RisingItem:
    """Share of the audience by the shortest and by the longest half-life."""

    item: str
    share_now: float
    share_usual: float


@dataclass(frozen=True, slots=True)
class Standings:
    version: int
    items: int
    """Live items in all."""
    top: Sequence[TopItem]
    rising: Sequence[RisingItem]
    now_half_life_s: float
    usual_half_life_s: float


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    name: str
    version: int
    saved_at: str
    seconds: float
    bytes: int
    verdict: str


@dataclass(frozen=True, slots=True)
class State:
    rows: Mapping[str, int]
    bytes: int


@dataclass(frozen=True, slots=True)
class Replay:
    share: float
    event_time: str | None
    records_per_s: float
    left_s: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Values at equal steps, oldest first, the last one at `ends_at`; None where there is none."""

    step_s: float
    ends_at: str
    values: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Status:
    """Of one moment. What only a writer has is None while there is no term."""

    worker: Identity
    stage: Stage
    stage_since: str
    updated_at: str
    held: Held | None = None
    is_stalled: bool = False
    """Events are learned and no version goes out."""
    freshness: Freshness | None = None
    throughput: Throughput | None = None
    lag: Lag | None = None
    snapshot: Snapshot | None = None
    quality: Quality | None = None
    weights: Weights | None = None
    standings: Standings | None = None
    checkpoints: Sequence[SavedCheckpoint] = ()
    """Saved by this process, newest first."""
    state: State | None = None
    replay: Replay | None = None
    minutes: Series | None = None
    """The last ten minutes: events_per_s, to_publish_p95_s, lag_records."""
    hour: Series | None = None
    """The last hour: hit ratio of ensemble and popularity."""
