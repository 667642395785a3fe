"""Every metric of the worker, as data.

The list is closed: what isn't here is never exposed. Names carry the prefix `freshrank_` and a base unit, counters end
in `_total`. Label values come from closed lists or from the configuration (topics, partitions, names of models), never
from users, items or exceptions, so the number of series doesn't depend on the traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

from consumer.learning.drift import LOSSES
from consumer.learning.gate import REASONS
from consumer.learning.quality import MEMBERS
from consumer.messages import Outcome
from consumer.model_report import ITEM, JUDGE_FEATURES, LEFT_OUT, PROPOSER_FEATURES, STEP_OUTCOMES
from consumer.models import logit

Kind = Literal["counter", "gauge", "histogram", "info"]

OUTCOMES = tuple(outcome.name.lower() for outcome in Outcome)
DEAD_LETTER_REASONS = tuple(outcome.name.lower() for outcome in Outcome if outcome.is_dead_letter)
PHASES = ("live", "catch_up")
ROW_KINDS = ("upsert", "tombstone")
STAGES = ("update", "publish")
OTHER = "other"
"""Stands for a reason that isn't in its closed list."""
PUBLISH_FAILURES = ("retryable", "fenced", "fatal", "timeout", OTHER)
CHECKPOINT_FAILURES = ("no_space", "io", "superseded", "timeout", OTHER)
ROLLBACK_REASONS = ("operator", "held", OTHER)

AGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""5 ms … 60 s, finest around the objective of one second."""
WORK_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Label:
    """A label and, where the list is closed, its only values; `()` where they come from the configuration."""

    name: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family as Prometheus sees it."""

    name: str
    kind: Kind
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, ascending, inclusive; +Inf is understood."""
    unit: str = ""

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    def known_label_values(self) -> tuple[tuple[str, ...], ...]:
        """Every combination of label values, in the order of the labels; empty where one label's list is open."""
        return tuple(product(*(label.values for label in self.labels)))


_TOPIC = Label("topic")
_PARTITION = Label("partition")
_MODEL = Label("model")
_PHASE = Label("phase", PHASES)
_LOSS = Label("loss", LOSSES)

EVENT_TO_UPDATE = Metric(
    "freshrank_event_to_update_seconds",
    "histogram",
    "From a record's Kafka timestamp until its event was learned.",
    (_PHASE,),
    AGE_BUCKETS_S,
    "seconds",
)
EVENT_TO_PUBLISH = Metric(
    "freshrank_event_to_publish_seconds",
    "histogram",
    "From a record's Kafka timestamp until the first version whose input positions cover it was committed.",
    (_PHASE,),
    AGE_BUCKETS_S,
    "seconds",
)
CLOCK_SKEW = Metric(
    "freshrank_clock_skewed_events_total",
    "counter",
    "Events younger than zero because the clocks of producer or broker run ahead; their age was taken as zero.",
    (Label("stage", STAGES),),
)
BATCH_UPDATE = Metric(
    "freshrank_batch_update_seconds",
    "histogram",
    "Learning one mini-batch.",
    buckets=WORK_BUCKETS_S,
    unit="seconds",
)
BATCH_EVENTS = Metric("freshrank_batch_events_total", "counter", "Events learned in mini-batches.")
EVENTS = Metric(
    "freshrank_events_total",
    "counter",
    "Records read, by what became of them.",
    (Label("outcome", OUTCOMES),),
)
DEAD_LETTERS = Metric(
    "freshrank_dead_letters_total",
    "counter",
    "Records that can never be learned, by reason.",
    (Label("reason", DEAD_LETTER_REASONS),),
)
DEDUPE_OVERFLOW = Metric(
    "freshrank_dedupe_overflow_total",
    "counter",
    "Event ids forgotten before their time because the dedupe window was full.",
)
LOST_RECORDS = Metric(
    "freshrank_lost_records_total",
    "counter",
    "Records that were deleted from the input before they were read, where input.on_lost_records is skip.",
    (_TOPIC, _PARTITION),
)
LAG_RECORDS = Metric(
    "freshrank_consumer_lag_records",
    "gauge",
    "Records between the position of this worker and the end of the partition.",
    (_TOPIC, _PARTITION),
    unit="records",
)
LAG_SECONDS = Metric(
    "freshrank_consumer_lag_seconds",
    "gauge",
    "How far the worker is behind, in the time of its input.",
    unit="seconds",
)
PUBLISH = Metric(
    "freshrank_publish_seconds",
    "histogram",
    "Writing and committing one version.",
    buckets=WORK_BUCKETS_S,
    unit="seconds",
)
PUBLISH_FAILED = Metric(
    "freshrank_publish_failures_total",
    "counter",
    "Versions that could not be committed, by reason.",
    (Label("reason", PUBLISH_FAILURES),),
)
PUBLISH_HELD = Metric(
    "freshrank_publish_held",
    "gauge",
    "1 while new versions are held back for this reason, else 0; readers keep the last good one.",
    (Label("reason", REASONS),),
)
PUBLISH_STALLED = Metric(
    "freshrank_publish_stalled", "gauge", "1 while events are learned and no new version goes out, else 0."
)
EVENTS_CAPPED = Metric(
    "freshrank_capped_events_total",
    "counter",
    "Events counted in part or not at all, because their user had weighed enough on their item that day.",
)
SNAPSHOT_VERSION = Metric("freshrank_snapshot_version", "gauge", "Version committed last.")
SNAPSHOT_AGE = Metric(
    "freshrank_snapshot_age_seconds",
    "gauge",
    "Since the last version was committed; absent until this process has committed one.",
    unit="seconds",
)
SNAPSHOT_ROWS = Metric(
    "freshrank_snapshot_rows_total",
    "counter",
    "Rows published.",
    (_TOPIC, Label("kind", ROW_KINDS)),
)
SNAPSHOT_MOVED = Metric(
    "freshrank_snapshot_moved_ratio_total",
    "counter",
    "Share of expected interactions that published scores have given to other items, added up over versions.",
    unit="ratio",
)
ROLLBACKS = Metric(
    "freshrank_rollbacks_total",
    "counter",
    "Times that learned state returned to an earlier checkpoint, by what asked for it.",
    (Label("reason", ROLLBACK_REASONS),),
)
ROWS_WAITING = Metric(
    "freshrank_rows_waiting", "gauge", "Changed rows that wait for a later version.", (_TOPIC,), unit="rows"
)
CHECKPOINT = Metric(
    "freshrank_checkpoint_seconds",
    "histogram",
    "Copying and writing one checkpoint.",
    buckets=WORK_BUCKETS_S,
    unit="seconds",
)
CHECKPOINT_FAILED = Metric(
    "freshrank_checkpoint_failures_total",
    "counter",
    "Checkpoints that could not be saved, by reason.",
    (Label("reason", CHECKPOINT_FAILURES),),
)
CHECKPOINT_AGE = Metric(
    "freshrank_checkpoint_age_seconds",
    "gauge",
    "Since the last checkpoint was saved; absent until this process has saved one.",
    unit="seconds",
)
CHECKPOINT_BYTES = Metric("freshrank_checkpoint_bytes", "gauge", "Size of the checkpoint saved last.", unit="bytes")
REPLAY_SHARE = Metric(
    "freshrank_replay_done_ratio", "gauge", "Share of a replay's range that is learned.", unit="ratio"
)
REPLAY_EVENT_TIME = Metric(
    "freshrank_replay_event_time_seconds",
    "gauge",
    "Greatest event time that a replay has learned, since 1970-01-01 UTC.",
    unit="seconds",
)
REPLAY_RATE = Metric(
    "freshrank_replay_records_per_second", "gauge", "Records that a replay takes in a second, over the last 15."
)
REPLAY_LEFT = Metric("freshrank_replay_left_seconds", "gauge", "Until a replay is done, at this rate.", unit="seconds")
HIT_RATIO = Metric(
    "freshrank_quality_hit_ratio",
    "gauge",
    "Share of sampled events whose item was among those recommended just before it was learned.",
    (_MODEL,),
    unit="ratio",
)
MRR = Metric(
    "freshrank_quality_mrr",
    "gauge",
    "Mean reciprocal rank of the sampled events' items just before they were learned.",
    (_MODEL,),
)
QUALITY_SAMPLES = Metric(
    "freshrank_quality_samples", "gauge", "Sampled events that the figures of quality are taken over."
)
ENSEMBLE_WEIGHT = Metric(
    "freshrank_ensemble_weight",
    "gauge",
    "Weight of one feature of a member, or of the item itself, in the logit that orders the worker's lists.",
    (
        Label("model", (*logit.MEMBERS, *logit.JUDGES, ITEM)),
        Label("feature", (*PROPOSER_FEATURES, *JUDGE_FEATURES, *logit.ITEM_FEATURES)),
    ),
)
POPULARITY_WEIGHT = Metric(
    "freshrank_popularity_weight",
    "gauge",
    "Weight of one half-life of popularity in the mixture that is the score; they add up to 1.",
    (Label("half_life_s"),),
    unit="ratio",
)
LEARNING_RATE = Metric(
    "freshrank_learning_rate",
    "gauge",
    "Learning rate of the next step, longer ones after a drift included, by what takes the step.",
    (Label("model", MEMBERS),),
)
NEURAL_STEPS = Metric(
    "freshrank_neural_steps_total",
    "counter",
    "Steps of the neural member; a dropped one would have made something not finite.",
    (Label("outcome", STEP_OUTCOMES),),
)
NEURAL_LEFT_OUT = Metric(
    "freshrank_neural_left_out_total",
    "counter",
    "What the neural member did not learn or answer, to stay within its budget.",
    (Label("reason", LEFT_OUT),),
)
NEURAL_LOSS = Metric(
    "freshrank_neural_loss",
    "gauge",
    "Mean loss of the neural member's latest steps, in nats; 0 before the first.",
)
DRIFT_ALARMS = Metric(
    "freshrank_drift_alarms_total",
    "counter",
    "Times that the stream was found to be no longer what the models' steps were made for, by the loss that told.",
    (_LOSS,),
)
STEPS_RAISED = Metric(
    "freshrank_drift_steps_raised",
    "gauge",
    "1 while the steps that this loss stands for are longer than usual after an alarm, else 0.",
    (_LOSS,),
)
MEMBER_MUTED = Metric(
    "freshrank_member_muted",
    "gauge",
    "1 while a member is not heard because a list of it was nonsense, else 0.",
    (Label("model", (*logit.MEMBERS, *logit.JUDGES)),),
)
STATE_ROWS = Metric("freshrank_state_rows", "gauge", "Rows of the state.", (Label("kind"),), unit="rows")
STATE_LIMIT = Metric(
    "freshrank_state_limit_rows", "gauge", "Most rows that the state may have.", (Label("kind"),), unit="rows"
)
STATE_BYTES = Metric("freshrank_state_bytes", "gauge", "Memory that the state's arrays take.", unit="bytes")
REBALANCES = Metric("freshrank_rebalances_total", "counter", "Times the consumer group gave or took the lease.")
LOOP_AGE = Metric(
    "freshrank_loop_age_seconds", "gauge", "Since the loop moved last, or since the start.", unit="seconds"
)
READY = Metric("freshrank_ready", "gauge", "1 while the worker is recovered and assigned, else 0.")
BUILD_INFO = Metric(
    "freshrank_build_info",
    "info",
    "What is running.",
    (Label("version"), Label("python"), Label("codec")),
)

CATALOGUE: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""Every metric above, in its order."""

PROCESS_METRICS = (
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_virtual_memory_bytes",
)
"""What the Prometheus client adds by itself about the worker's process."""
