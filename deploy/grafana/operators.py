"""For who runs it: is it fresh, is it keeping up, is it healthy?"""

from __future__ import annotations

from deploy.grafana.panels import (
    GREEN,
    HELD,
    INSTANCE,
    JOB,
    RED,
    ROLLED_BACK,
    STARTED,
    TAKEN_OVER,
    YELLOW,
    Dashboard,
    Panel,
    Query,
    Row,
    Step,
    at_most,
)

YES_IS_BAD = ((0, "no", GREEN), (1, "yes", RED))


def _quantiles(metric: str) -> list[Query]:
    buckets = f'sum by (le) (rate({metric}_bucket{{@, phase="live"}}[$__rate_interval]))'
    return [Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)]


FRESH = Row(
    "Is it fresh?",
    [
        Panel(
            "Within a second",
            "Share of the events of the last 5 minutes that were published within a second. The objective is 99 %.",
            [Query('1 - freshrank:event_to_publish_late:ratio_rate5m{job="$job"}', "share")],
            "percentunit", "stat", 5, [Step(0.95, YELLOW), Step(0.99, GREEN)], RED,
        ),
        Panel(
            "Age of the last version",
            "With nothing to publish an empty version still goes out every 5 s (publish.heartbeat_s).",
            [Query("min(freshrank_snapshot_age_seconds{@})", "age")], "s", "stat", 5, at_most(warn=15, bad=60),
        ),
        Panel(
            "Held",
            "Whether the gate holds new versions back; readers keep the last good one.",
            [Query("max(freshrank_publish_held{@})", "held")], "short", "stat", 4, [Step(1, RED)], values=YES_IS_BAD,
        ),
        Panel(
            "Stalled",
            "Whether events are learned and no version goes out.",
            [Query("max(freshrank_publish_stalled{@})", "stalled")], "short", "stat", 5, [Step(1, RED)],
            values=YES_IS_BAD,
        ),
        Panel(
            "Workers at work",
            "One holds the lease; the others of the same model stand by and do not count here.",
            [Query("sum(freshrank_ready{@})", "ready")], "short", "stat", 5, [Step(1, GREEN), Step(2, RED)], RED,
        ),
        Panel(
            "Event to publish",
            "From a record's timestamp until a version that covers it was committed. Live events only.",
            _quantiles("freshrank_event_to_publish_seconds"), "s", steps=[Step(1, RED)],
        ),
        Panel(
            "Event to update",
            "From a record's timestamp until it was learned. What lies between this and publishing is the interval.",
            _quantiles("freshrank_event_to_update_seconds"), "s", steps=[Step(1, RED)],
        ),
        Panel(
            "Budget burnt",
            "How many times faster than the objective allows. At 1 the budget of 30 days lasts 30 days; 14.4 over an "
            "hour and 5 minutes calls somebody. From the recording rules.",
            [
                Query(f'freshrank:event_to_publish_late:ratio_rate{window}{{job="$job"}} / 0.01', window)
                for window in ("5m", "1h", "6h", "3d")
            ],
            steps=[Step(1, YELLOW), Step(14.4, RED)],
        ),
    ],
)  # fmt: skip

KEEPING_UP = Row(
    "Is it keeping up?",
    [
        Panel(
            "Records read",
            "By what became of them; `admitted` are learned. README.md says what the others are.",
            [Query("sum by (outcome) (rate(freshrank_events_total{@}[$__rate_interval])) > 0", "{{outcome}}")],
            "reqps", is_stacked=True,
        ),
        Panel(
            "Lag in records",
            "Records still to be read. A steady level is a batch under way; a rising one is too little speed.",
            [Query("sum by (topic, partition) (freshrank_consumer_lag_records{@})", "{{topic}} {{partition}}")],
        ),
        Panel(
            "Lag in time",
            "How far behind, in the time of the input.",
            [Query("max by (instance) (freshrank_consumer_lag_seconds{@})", "{{instance}}")],
            "s", steps=at_most(warn=10, bad=60),
        ),
        Panel(
            "Time spent learning and publishing",
            "Share of the loop's time. Near 1 together, there is no speed left.",
            [
                Query("sum by (instance) (rate(freshrank_batch_update_seconds_sum{@}[$__rate_interval]))",
                      "{{instance}} learning"),
                Query("sum by (instance) (rate(freshrank_publish_seconds_sum{@}[$__rate_interval]))",
                      "{{instance}} publishing"),
            ],
            "percentunit", steps=at_most(warn=0.8, bad=0.95),
        ),
        Panel(
            "Committing a version",
            "Writing and committing one transaction.",
            [
                Query(f"histogram_quantile({q}, sum by (le) (rate(freshrank_publish_seconds_bucket{{@}}"
                      "[$__rate_interval])))", f"p{q * 100:g}")
                for q in (0.5, 0.99)
            ],
            "s",
        ),
        Panel(
            "Rows published and waiting",
            "Rows a second, and changed rows that wait for a later version.",
            [
                Query("sum by (topic, kind) (rate(freshrank_snapshot_rows_total{@}[$__rate_interval]))",
                      "{{topic}} {{kind}} a second"),
                Query("sum by (topic) (freshrank_rows_waiting{@})", "{{topic}} waiting"),
            ],
        ),
    ],
)  # fmt: skip

HEALTHY = Row(
    "Is it healthy?",
    [
        Panel(
            "Dead letters",
            "Share of the records read that can never be learned. Beyond input.dead_letters the worker stops.",
            [
                Query("sum by (reason) (rate(freshrank_dead_letters_total{@}[$__rate_interval])) / ignoring(reason) "
                      "group_left sum(rate(freshrank_events_total{@}[$__rate_interval]))", "{{reason}}"),
            ],
            "percentunit", steps=at_most(warn=0.01, bad=0.1), is_stacked=True,
        ),
        Panel(
            "Versions held",
            "Why the gate holds versions, over time.",
            [Query("max by (reason) (freshrank_publish_held{@})", "{{reason}}")],
            kind="state-timeline", steps=[Step(1, RED)], values=YES_IS_BAD,
        ),
        Panel(
            "Failures",
            "Versions that could not be committed and checkpoints that could not be saved, in 5 minutes.",
            [
                Query("sum by (reason) (increase(freshrank_publish_failures_total{@}[5m]))", "publish: {{reason}}"),
                Query("sum by (reason) (increase(freshrank_checkpoint_failures_total{@}[5m]))",
                      "checkpoint: {{reason}}"),
            ],
        ),
        Panel(
            "Age of the checkpoint",
            "What a crash would have to read again. Grows while nothing is learned, which is no fault.",
            [Query("max by (instance) (freshrank_checkpoint_age_seconds{@})", "{{instance}}")],
            "s", steps=at_most(warn=120, bad=300),
        ),
        Panel(
            "Saving a checkpoint",
            "Mean of copying and writing one.",
            [
                Query("sum by (instance) (rate(freshrank_checkpoint_seconds_sum{@}[5m])) / "
                      "sum by (instance) (rate(freshrank_checkpoint_seconds_count{@}[5m]))", "{{instance}}"),
            ],
            "s",
        ),
        Panel(
            "Memory",
            "The process, its limit (freshrank:memory_limit_bytes, a recording rule to be set), the state's arrays.",
            [
                Query("process_resident_memory_bytes{@}", "{{instance}} process"),
                Query("freshrank:memory_limit_bytes{@}", "{{instance}} limit"),
                Query("freshrank_state_bytes{@}", "{{instance}} state"),
                Query("freshrank_checkpoint_bytes{@}", "{{instance}} checkpoint"),
            ],
            "bytes",
        ),
        Panel(
            "Processor",
            "Cores in use.",
            [Query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}")],
        ),
        Panel(
            "Lease and loop",
            "Times the lease was given or taken in 5 minutes; seconds since the loop moved (30 make it unhealthy).",
            [
                Query("increase(freshrank_rebalances_total{@}[5m])", "{{instance}} rebalances"),
                Query("freshrank_loop_age_seconds{@}", "{{instance}} loop age, s"),
            ],
            steps=[Step(30, RED)],
        ),
        Panel(
            "Oddities of the input",
            "Events from the future, ids forgotten early because the dedupe window was full, events counted in part "
            "because their user had weighed enough that day; a second.",
            [
                Query("sum(rate(freshrank_clock_skewed_events_total{@}[$__rate_interval]))", "clock skew"),
                Query("sum(rate(freshrank_dedupe_overflow_total{@}[$__rate_interval]))", "dedupe overflow"),
                Query("sum(rate(freshrank_lost_records_total{@}[$__rate_interval])) or vector(0)", "lost records"),
                Query("sum(rate(freshrank_capped_events_total{@}[$__rate_interval]))", "capped"),
            ],
            "reqps",
        ),
        Panel(
            "Version number",
            "Of the snapshot committed last, by the release that is running.",
            [Query("freshrank_snapshot_version{@} * on (instance) group_left (version, python) "
                   "freshrank_build_info{@}", "{{instance}}, freshrank {{version}}")],
            kind="stat", width=24,
        ),
    ],
)  # fmt: skip

DASHBOARD = Dashboard(
    "freshrank-operators",
    "freshrank: operators",
    "Is it fresh, is it keeping up, is it healthy? Made by `make dashboards` from deploy/grafana/operators.py.",
    [FRESH, KEEPING_UP, HEALTHY],
    [JOB, INSTANCE],
    [STARTED, TAKEN_OVER, ROLLED_BACK, HELD],
)
