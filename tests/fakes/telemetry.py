"""A `Telemetry` that remembers what it was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumer.messages import Float64Array


@dataclass
class PublishedVersion:
    version: int
    rows: dict[tuple[str, str], int]
    seconds: float
    waiting: dict[str, int]
    at_s: float
    moved: float


@dataclass
class SavedCheckpoint:
    seconds: float
    size_bytes: int
    at_s: float


@dataclass
class RecordingTelemetry:
    """Totals where only sums matter, lists in call order elsewhere; `journal` has the verbs of all calls in order."""

    journal: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    """Events of each batch."""
    outcome_totals: Counter[str] = field(default_factory=Counter)
    dead_letter_totals: Counter[str] = field(default_factory=Counter)
    n_dedupe_overflowed: int = 0
    lost: Counter[tuple[str, int]] = field(default_factory=Counter)
    updated_ages_s: dict[str, list[float]] = field(default_factory=lambda: {"live": [], "catch_up": []})
    published_ages_s: dict[str, list[float]] = field(default_factory=lambda: {"live": [], "catch_up": []})
    versions: list[PublishedVersion] = field(default_factory=list)
    publish_failures: list[str] = field(default_factory=list)
    stalls: list[bool] = field(default_factory=list)
    n_capped: int = 0
    judgements: list[str | None] = field(default_factory=list)
    """Why each version was held, None: it was not."""
    checkpoints: list[SavedCheckpoint] = field(default_factory=list)
    checkpoint_failures: list[str] = field(default_factory=list)
    lag_records: dict[tuple[str, int], int] = field(default_factory=dict)
    lag_s: float = 0.0
    replay_shares: list[float] = field(default_factory=list)
    hit_ratio: dict[str, float] = field(default_factory=dict)
    mrr: dict[str, float] = field(default_factory=dict)
    n_quality_samples: int = 0
    weights: dict[tuple[str, str], float] = field(default_factory=dict)
    mixture: dict[str, float] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    neural_steps: Counter[str] = field(default_factory=Counter)
    neural_left_out: Counter[str] = field(default_factory=Counter)
    neural_loss: float = 0.0
    row_limits: dict[str, int] = field(default_factory=dict)
    rollbacks: list[str] = field(default_factory=list)
    alarms: Counter[str] = field(default_factory=Counter)
    raised: dict[str, bool] = field(default_factory=dict)
    muted: dict[str, bool] = field(default_factory=dict)
    state_rows: dict[str, int] = field(default_factory=dict)
    state_bytes: int = 0
    n_rebalances: int = 0
    loop_moves_s: list[float] = field(default_factory=list)
    readiness: list[bool] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        return bool(self.readiness) and self.readiness[-1]

    @property
    def n_learned(self) -> int:
        return sum(self.batches)

    def batch_learned(self, n_events: int, seconds: float) -> None:
        self.journal.append("batch_learned")
        self.batches.append(n_events)

    def outcomes(self, counts: Mapping[str, int]) -> None:
        self.journal.append("outcomes")
        self.outcome_totals.update(counts)

    def dead_letters(self, counts: Mapping[str, int]) -> None:
        self.journal.append("dead_letters")
        self.dead_letter_totals.update(counts)

    def records_lost(self, topic: str, partition: int, n_records: int) -> None:
        self.lost[topic, partition] += n_records

    def dedupe_overflowed(self, n_ids: int) -> None:
        self.journal.append("dedupe_overflowed")
        self.n_dedupe_overflowed += n_ids

    def events_updated(self, ages_s: Sequence[float] | Float64Array, *, is_live: bool) -> None:
        self.journal.append("events_updated")
        self.updated_ages_s[_phase(is_live)].extend(map(float, ages_s))

    def events_published(self, ages_s: Sequence[float] | Float64Array, *, is_live: bool) -> None:
        self.journal.append("events_published")
        self.published_ages_s[_phase(is_live)].extend(map(float, ages_s))

    def version_published(
        self,
        version: int,
        rows: Mapping[tuple[str, str], int],
        seconds: float,
        waiting: Mapping[str, int],
        at_s: float,
        moved: float,
    ) -> None:
        self.journal.append("version_published")
        self.versions.append(PublishedVersion(version, dict(rows), seconds, dict(waiting), at_s, moved))

    def publish_failed(self, reason: str) -> None:
        self.journal.append("publish_failed")
        self.publish_failures.append(reason)

    def publish_held(self, reason: str | None) -> None:
        self.judgements.append(reason)

    def publish_stalled(self, is_stalled: bool) -> None:
        self.stalls.append(is_stalled)

    def events_capped(self, n_events: int) -> None:
        self.n_capped += n_events

    def checkpoint_saved(self, seconds: float, size_bytes: int, at_s: float) -> None:
        self.journal.append("checkpoint_saved")
        self.checkpoints.append(SavedCheckpoint(seconds, size_bytes, at_s))

    def checkpoint_failed(self, reason: str) -> None:
        self.journal.append("checkpoint_failed")
        self.checkpoint_failures.append(reason)

    def lag(self, records: Mapping[tuple[str, int], int], seconds: float) -> None:
        self.journal.append("lag")
        self.lag_records, self.lag_s = dict(records), seconds

    def replay_progress(
        self, share: float, event_time_s: float | None, records_per_s: float, left_s: float | None
    ) -> None:
        self.replay_shares.append(share)

    def quality(self, hit_ratio: Mapping[str, float], mrr: Mapping[str, float], n_samples: int) -> None:
        self.journal.append("quality")
        self.hit_ratio, self.mrr, self.n_quality_samples = dict(hit_ratio), dict(mrr), n_samples

    def ensemble_weights(self, weights: Mapping[tuple[str, str], float]) -> None:
        self.weights = dict(weights)

    def popularity_weights(self, weights: Mapping[str, float]) -> None:
        self.mixture = dict(weights)

    def learning_rates(self, rates: Mapping[str, float]) -> None:
        self.rates = dict(rates)

    def neural_learned(self, steps: Mapping[str, int], left_out: Mapping[str, int], loss: float) -> None:
        self.journal.append("neural_learned")
        self.neural_steps.update(steps)
        self.neural_left_out.update(left_out)
        self.neural_loss = loss

    def drift_alarms(self, counts: Mapping[str, int]) -> None:
        self.journal.append("drift_alarms")
        self.alarms.update(counts)

    def steps_raised(self, is_raised: Mapping[str, bool]) -> None:
        self.journal.append("steps_raised")
        self.raised = dict(is_raised)

    def members_muted(self, is_muted: Mapping[str, bool]) -> None:
        self.journal.append("members_muted")
        self.muted = dict(is_muted)

    def state(self, rows: Mapping[str, int], size_bytes: int) -> None:
        self.journal.append("state")
        self.state_rows, self.state_bytes = dict(rows), size_bytes

    def state_limits(self, rows: Mapping[str, int]) -> None:
        self.row_limits = dict(rows)

    def rolled_back(self, reason: str) -> None:
        self.journal.append("rolled_back")
        self.rollbacks.append(reason)

    def rebalanced(self) -> None:
        self.journal.append("rebalanced")
        self.n_rebalances += 1

    def loop_moved(self, now_s: float) -> None:
        """Not in the journal: it would bury everything else."""
        self.loop_moves_s.append(now_s)

    def ready(self, is_ready: bool) -> None:
        self.journal.append("ready" if is_ready else "not ready")
        self.readiness.append(is_ready)


def _phase(is_live: bool) -> str:
    return "live" if is_live else "catch_up"
