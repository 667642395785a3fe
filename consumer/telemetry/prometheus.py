"""The `Telemetry` port on top of prometheus_client.

prometheus_client's own counters take a lock and a call for each observation; here the loop reports a few times a batch
into plain values, and a scrape copies them all under one lock, so that it sees one moment.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from consumer import __version__
from consumer.clock import Clock
from consumer.learning import gate
from consumer.messages import Float64Array
from consumer.snapshots.formats import timestamp
from consumer.status.document import Replay
from consumer.status.figures import Ages, Figures
from consumer.telemetry import catalogue
from consumer.telemetry.health import Health
from consumer.telemetry.histogram import ArrayHistogram, HistogramValue
from consumer.telemetry.series import LabelValues, Series

Values = dict[LabelValues, float]


class PrometheusTelemetry:
    """What happened, as metrics in a registry of its own: expose `registry`, and `health` beside it.

    The verbs are called by the loop and by the checkpoint writer, `collect` by any number of HTTP threads. A verb never
    raises for what a broker or a disk may say; a label value that the code made up is a ValueError.
    """

    def __init__(self, clock: Clock, health: Health, *, codec: str, version: str = __version__) -> None:
        self._clock = clock
        self.health = health
        self._lock = threading.Lock()
        self._series = {
            metric.name: Series(metric) for metric in catalogue.CATALOGUE if metric.kind in ("counter", "gauge")
        }
        self._histograms = {
            metric.name: ArrayHistogram(metric) for metric in catalogue.CATALOGUE if metric.kind == "histogram"
        }
        self._build = {"version": version, "python": platform.python_version(), "codec": codec}
        self._published_at_s: float | None = None
        self._saved_at_s: float | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def batch_learned(self, n_events: int, seconds: float) -> None:
        self._observe(catalogue.BATCH_UPDATE, seconds)
        with self._lock:
            self._of(catalogue.BATCH_EVENTS).add(n_events)

    def outcomes(self, counts: Mapping[str, int]) -> None:
        self._add_each(catalogue.EVENTS, counts)

    def dead_letters(self, counts: Mapping[str, int]) -> None:
        self._add_each(catalogue.DEAD_LETTERS, counts)

    def records_lost(self, topic: str, partition: int, n_records: int) -> None:
        with self._lock:
            self._of(catalogue.LOST_RECORDS).add(n_records, topic, str(partition))

    def dedupe_overflowed(self, n_ids: int) -> None:
        with self._lock:
            self._of(catalogue.DEDUPE_OVERFLOW).add(n_ids)

    def events_updated(self, ages_s: Sequence[float] | Float64Array, *, is_live: bool) -> None:
        self._add_ages(catalogue.EVENT_TO_UPDATE, "update", ages_s, is_live)

    def events_published(self, ages_s: Sequence[float] | Float64Array, *, is_live: bool) -> None:
        self._add_ages(catalogue.EVENT_TO_PUBLISH, "publish", ages_s, is_live)

    def version_published(
        self,
        version: int,
        rows: Mapping[tuple[str, str], int],
        seconds: float,
        waiting: Mapping[str, int],
        at_s: float,
        moved: float,
    ) -> None:
        self._observe(catalogue.PUBLISH, seconds)
        with self._lock:
            self._of(catalogue.SNAPSHOT_VERSION).set(version)
            for (topic, kind), n_rows in rows.items():
                self._of(catalogue.SNAPSHOT_ROWS).add(n_rows, topic, kind)
            self._of(catalogue.ROWS_WAITING).replace(_by_one_label(waiting))
            self._of(catalogue.SNAPSHOT_MOVED).add(moved)
            self._published_at_s = at_s

    def publish_failed(self, reason: str) -> None:
        self._add_reason(catalogue.PUBLISH_FAILED, catalogue.PUBLISH_FAILURES, reason)

    def publish_held(self, reason: str | None) -> None:
        held: Values = {(known,): float(known == reason) for known in gate.REASONS}
        with self._lock:
            self._of(catalogue.PUBLISH_HELD).replace(held)

    def publish_stalled(self, is_stalled: bool) -> None:
        with self._lock:
            self._of(catalogue.PUBLISH_STALLED).set(float(is_stalled))

    def events_capped(self, n_events: int) -> None:
        with self._lock:
            self._of(catalogue.EVENTS_CAPPED).add(n_events)

    def checkpoint_saved(self, seconds: float, size_bytes: int, at_s: float) -> None:
        self._observe(catalogue.CHECKPOINT, seconds)
        with self._lock:
            self._of(catalogue.CHECKPOINT_BYTES).set(size_bytes)
            self._saved_at_s = at_s

    def checkpoint_failed(self, reason: str) -> None:
        self._add_reason(catalogue.CHECKPOINT_FAILED, catalogue.CHECKPOINT_FAILURES, reason)

    def lag(self, records: Mapping[tuple[str, int], int], seconds: float) -> None:
        by_partition: Values = {(topic, str(partition)): float(n) for (topic, partition), n in records.items()}
        with self._lock:
            self._of(catalogue.LAG_RECORDS).replace(by_partition)
            self._of(catalogue.LAG_SECONDS).set(seconds)

    def replay_progress(
        self, share: float, event_time_s: float | None, records_per_s: float, left_s: float | None
    ) -> None:
        with self._lock:
            self._of(catalogue.REPLAY_SHARE).set(share)
            self._of(catalogue.REPLAY_RATE).set(records_per_s)
            if event_time_s is not None:
                self._of(catalogue.REPLAY_EVENT_TIME).set(event_time_s)
            if left_s is not None:
                self._of(catalogue.REPLAY_LEFT).set(left_s)

    def quality(self, hit_ratio: Mapping[str, float], mrr: Mapping[str, float], n_samples: int) -> None:
        with self._lock:
            self._of(catalogue.HIT_RATIO).replace(_by_one_label(hit_ratio))
            self._of(catalogue.MRR).replace(_by_one_label(mrr))
            self._of(catalogue.QUALITY_SAMPLES).set(n_samples)

    def ensemble_weights(self, weights: Mapping[tuple[str, str], float]) -> None:
        by_labels: Values = {(member, feature): weight for (member, feature), weight in weights.items()}
        with self._lock:
            self._of(catalogue.ENSEMBLE_WEIGHT).replace(by_labels)

    def popularity_weights(self, weights: Mapping[str, float]) -> None:
        with self._lock:
            self._of(catalogue.POPULARITY_WEIGHT).replace(_by_one_label(weights))

    def learning_rates(self, rates: Mapping[str, float]) -> None:
        with self._lock:
            self._of(catalogue.LEARNING_RATE).replace(_by_one_label(rates))

    def neural_learned(self, steps: Mapping[str, int], left_out: Mapping[str, int], loss: float) -> None:
        self._add_each(catalogue.NEURAL_STEPS, steps)
        self._add_each(catalogue.NEURAL_LEFT_OUT, left_out)
        with self._lock:
            self._of(catalogue.NEURAL_LOSS).set(loss)

    def drift_alarms(self, counts: Mapping[str, int]) -> None:
        self._add_each(catalogue.DRIFT_ALARMS, counts)

    def steps_raised(self, is_raised: Mapping[str, bool]) -> None:
        with self._lock:
            self._of(catalogue.STEPS_RAISED).replace(_by_one_label(is_raised))

    def members_muted(self, is_muted: Mapping[str, bool]) -> None:
        with self._lock:
            self._of(catalogue.MEMBER_MUTED).replace(_by_one_label(is_muted))

    def state(self, rows: Mapping[str, int], size_bytes: int) -> None:
        with self._lock:
            self._of(catalogue.STATE_ROWS).replace(_by_one_label(rows))
            self._of(catalogue.STATE_BYTES).set(size_bytes)

    def state_limits(self, rows: Mapping[str, int]) -> None:
        with self._lock:
            self._of(catalogue.STATE_LIMIT).replace(_by_one_label(rows))

    def rolled_back(self, reason: str) -> None:
        self._add_reason(catalogue.ROLLBACKS, catalogue.ROLLBACK_REASONS, reason)

    def rebalanced(self) -> None:
        with self._lock:
            self._of(catalogue.REBALANCES).add(1)

    def loop_moved(self, now_s: float) -> None:
        self.health.moved(now_s)

    def ready(self, is_ready: bool) -> None:
        self.health.set_ready(is_ready)

    def figures(self) -> Figures:
        """What people are shown of all this, as of one moment."""
        with self._lock:
            return Figures(
                n_learned=int(self._of(catalogue.BATCH_EVENTS).total()),
                outcomes={outcome: int(n) for outcome, n in self._by_label(catalogue.EVENTS).items()},
                to_update=self._live_ages(catalogue.EVENT_TO_UPDATE),
                to_publish=self._live_ages(catalogue.EVENT_TO_PUBLISH),
                lag_s=self._of(catalogue.LAG_SECONDS).total(),
                published_at_s=self._published_at_s,
                rows_waiting=int(self._of(catalogue.ROWS_WAITING).total()),
                publish_failures=int(self._of(catalogue.PUBLISH_FAILED).total()),
                is_stalled=self._of(catalogue.PUBLISH_STALLED).total() > 0,
                muted=self._those_at_one(catalogue.MEMBER_MUTED),
                longer_steps=self._those_at_one(catalogue.STEPS_RAISED),
                drift_alarms={loss: int(n) for loss, n in self._by_label(catalogue.DRIFT_ALARMS).items()},
                state_rows={kind: int(n) for kind, n in self._by_label(catalogue.STATE_ROWS).items()},
                state_bytes=int(self._of(catalogue.STATE_BYTES).total()),
                replay=self._replay(),
            )

    def _replay(self) -> Replay | None:
        share, event_time_s, rate, left_s = (
            self._of(metric).copy().get(())
            for metric in (
                catalogue.REPLAY_SHARE, catalogue.REPLAY_EVENT_TIME, catalogue.REPLAY_RATE, catalogue.REPLAY_LEFT,
            )
        )  # fmt: skip
        if share is None:
            return None
        return Replay(share, None if event_time_s is None else timestamp(event_time_s), rate or 0.0, left_s)

    def _live_ages(self, metric: catalogue.Metric) -> Ages:
        return Ages(metric.buckets, self._histograms[metric.name].copy()["live",].cumulative)

    def _by_label(self, metric: catalogue.Metric) -> dict[str, float]:
        return {label: value for (label,), value in self._of(metric).copy().items()}

    def _those_at_one(self, metric: catalogue.Metric) -> tuple[str, ...]:
        return tuple(label for label, value in self._by_label(metric).items() if value)

    def collect(self) -> Iterator[Metric]:
        """Every metric of the catalogue that has a value, all as of one moment."""
        with self._lock:
            self._set_what_time_changes()
            values = {name: series.copy() for name, series in self._series.items()}
            histograms = {name: histogram.copy() for name, histogram in self._histograms.items()}
        for metric in catalogue.CATALOGUE:
            if metric.kind == "histogram":
                yield _histogram_family(metric, histograms[metric.name])
            elif metric.kind == "info":
                yield InfoMetricFamily(metric.name.removesuffix("_info"), metric.help, value=self._build)
            else:
                yield _family(metric, values[metric.name])

    def _set_what_time_changes(self) -> None:
        now_s = self._clock.wall_s()
        for metric, at_s in (
            (catalogue.SNAPSHOT_AGE, self._published_at_s),
            (catalogue.CHECKPOINT_AGE, self._saved_at_s),
        ):
            if at_s is not None:
                self._of(metric).set(max(0.0, now_s - at_s))
        self._of(catalogue.LOOP_AGE).set(self.health.liveness().silent_s)
        self._of(catalogue.READY).set(float(self.health.is_ready))

    def _of(self, metric: catalogue.Metric) -> Series:
        return self._series[metric.name]

    def _add_each(self, metric: catalogue.Metric, counts: Mapping[str, int]) -> None:
        with self._lock:
            for value, n in counts.items():
                self._of(metric).add(n, value)

    def _add_reason(self, metric: catalogue.Metric, known: Iterable[str], reason: str) -> None:
        # a failure is no moment to raise another one over its name
        with self._lock:
            self._of(metric).add(1, reason if reason in known else catalogue.OTHER)

    def _observe(self, metric: catalogue.Metric, seconds: float) -> None:
        histogram = self._histograms[metric.name]
        tally = histogram.tally((seconds,))
        with self._lock:
            histogram.add(tally)

    def _add_ages(
        self, metric: catalogue.Metric, stage: str, ages_s: Sequence[float] | Float64Array, is_live: bool
    ) -> None:
        histogram = self._histograms[metric.name]
        tally = histogram.tally(ages_s)
        with self._lock:
            histogram.add(tally, "live" if is_live else "catch_up")
            self._of(catalogue.CLOCK_SKEW).add(tally.n_below_zero, stage)


def _by_one_label(values: Mapping[str, float]) -> Values:
    return {(label,): float(value) for label, value in values.items()}


def _unit(metric: catalogue.Metric) -> str:
    """The unit if the name says it; prometheus_client would otherwise change the name."""
    return metric.unit if metric.name.endswith(f"_{metric.unit}") else ""


def _family(metric: catalogue.Metric, values: Values) -> Metric:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.label_names, unit=_unit(metric))
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram_family(metric: catalogue.Metric, values: Mapping[LabelValues, HistogramValue]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.label_names, unit=_unit(metric))
    bounds = [*map(str, metric.buckets), "+Inf"]
    for labels, value in values.items():
        buckets = list(zip(bounds, map(float, value.cumulative), strict=True))
        family.add_metric(labels, buckets, value.total)
    return family
