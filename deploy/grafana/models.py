"""For who answers for the models: how good they are, who is heard, how fast they learn, what moved."""

from __future__ import annotations

from deploy.grafana.panels import (
    DRIFTED,
    GREEN,
    HELD,
    INSTANCE,
    JOB,
    RED,
    ROLLED_BACK,
    STARTED,
    YELLOW,
    Dashboard,
    Panel,
    Query,
    Row,
    Step,
    Variable,
    at_most,
)

MODEL = Variable("model", "Model", 'label_values(freshrank_quality_hit_ratio{job="$job"}, model)')


def _against_popularity(metric: str) -> Query:
    ours, theirs = (f'max by (job) ({metric}{{@, model="{model}"}})' for model in ("ensemble", "popularity"))
    return Query(f"{ours} / {theirs}", metric.removeprefix("freshrank_quality_"))


QUALITY = Row(
    "How good is it?",
    [
        Panel(
            "Hit ratio by member",
            "Sampled events, ranked just before they were learned: was the item among the first 20? `ensemble` is what "
            "the worker would have shown.",
            [Query('max by (model) (freshrank_quality_hit_ratio{@, model=~"$model"})', "{{model}}")], "percentunit",
        ),
        Panel(
            "Mean reciprocal rank by member",
            "How far up it stood.",
            [Query('max by (model) (freshrank_quality_mrr{@, model=~"$model"})', "{{model}}")],
        ),
        Panel(
            "Ensemble over popularity",
            "How many times better than showing everybody what is popular. At 1 all else is worth nothing.",
            [_against_popularity("freshrank_quality_hit_ratio"), _against_popularity("freshrank_quality_mrr")],
            steps=[Step(1, GREEN)], base=RED,
        ),
        Panel(
            "Samples behind these figures",
            "At most 2,000, the latest ones. With few, a difference says little: of 500 a hit ratio of 30 % is ±4 %.",
            [Query("max(freshrank_quality_samples{@})", "samples")],
            kind="stat", width=8, steps=[Step(500, YELLOW), Step(2_000, GREEN)], base=RED,
        ),
        Panel(
            "Events learned",
            "A second.",
            [Query("sum(rate(freshrank_batch_events_total{@}[$__rate_interval]))", "learned")],
            "reqps", "stat", 8,
        ),
        Panel(
            "Members muted",
            "Members that are not heard because a list of theirs was nonsense.",
            [Query("sum(freshrank_member_muted{@})", "muted")],
            kind="stat", width=8, steps=[Step(1, RED)],
        ),
    ],
)  # fmt: skip

ENSEMBLE = Row(
    "Who is heard?",
    [
        Panel(
            "Ensemble weights",
            "Of the logit that orders candidates, by member and feature; `item` are features of the item itself. It "
            "starts as log_score of item_to_item alone, at 1.",
            [Query("max by (model, feature) (freshrank_ensemble_weight{@})", "{{model}} {{feature}}")], width=12,
        ),
        Panel(
            "Half-lives in the score",
            "What the score is made of, by half-life in seconds: short ones when demand moves fast.",
            [Query("max by (half_life_s) (freshrank_popularity_weight{@})", "{{half_life_s}} s")],
            "percentunit", width=12, is_stacked=True,
        ),
    ],
)  # fmt: skip

LEARNING = Row(
    "How fast does it learn?",
    [
        Panel(
            "Learning rates",
            "Of the next step, by what takes it. They fall as evidence grows, and stand higher for a while after a "
            "drift.",
            [Query("max by (model) (freshrank_learning_rate{@})", "{{model}}")], is_logarithmic=True,
        ),
        Panel(
            "Steps of neural",
            "A second; dropped ones would have made something not finite. Empty where that member is off.",
            [Query("sum by (outcome) (rate(freshrank_neural_steps_total{@}[$__rate_interval]))", "{{outcome}}")],
            width=8,
        ),
        Panel(
            "Left out by neural",
            "A second: examples of sessions that are not trained on, and what was over the budget in steps or queries "
            "(models.neural).",
            [Query("sum by (reason) (rate(freshrank_neural_left_out_total{@}[$__rate_interval]))", "{{reason}}")],
            width=8,
        ),
        Panel(
            "Loss of neural",
            "Mean of its latest steps, in nats.",
            [Query("max(freshrank_neural_loss{@})", "loss")], width=8,
        ),
        Panel(
            "Drift alarms",
            "In an hour. `score`: what is popular for how long; `next`: what people turn to after what.",
            [Query("sum by (loss) (increase(freshrank_drift_alarms_total{@}[1h]))", "{{loss}}")],
            steps=[Step(4, YELLOW)],
        ),
        Panel(
            "Longer steps",
            "Whether steps are longer after an alarm.",
            [Query("max by (loss) (freshrank_drift_steps_raised{@})", "{{loss}}")],
            kind="state-timeline", steps=[Step(1, YELLOW)], values=((0, "usual", GREEN), (1, "longer", YELLOW)),
        ),
    ],
)  # fmt: skip

CATALOGUE = Row(
    "What does it know, and what moved?",
    [
        Panel(
            "Size of the state",
            "Items, users and event ids that are known.",
            [Query("max by (kind) (freshrank_state_rows{@})", "{{kind}}")],
        ),
        Panel(
            "Room taken",
            "Share of the most that the settings allow. At 1 the least recently seen are forgotten to make room.",
            [
                Query("max by (kind) (freshrank_state_rows{@}) / on (kind) max by (kind) "
                      "(freshrank_state_limit_rows{@})", "{{kind}}"),
            ],
            "percentunit", steps=at_most(warn=0.9, bad=1),
        ),
        Panel(
            "Rows of the catalogue",
            "Published a second: upserts are new or changed items, tombstones forgotten ones.",
            [Query("sum by (topic, kind) (rate(freshrank_snapshot_rows_total{@}[$__rate_interval]))",
                   "{{topic}} {{kind}}")],
        ),
        Panel(
            "What moved",
            "Share of expected interactions that published scores gave to other items, an hour. `freshrank top` "
            "shows which items. The gate holds a version that moves too much (publish.gate.share_per_hour).",
            [Query("sum(rate(freshrank_snapshot_moved_ratio_total{@}[$__rate_interval])) * 3600", "an hour")],
            "percentunit", width=12,
        ),
        Panel(
            "Counted in part",
            "Events of users who had weighed enough on an item that day: floods and bots, a second.",
            [Query("sum(rate(freshrank_capped_events_total{@}[$__rate_interval]))", "capped")], "reqps", width=12,
        ),
    ],
)  # fmt: skip

DASHBOARD = Dashboard(
    "freshrank-models",
    "freshrank: models",
    "Quality, ensemble, drift and catalogue. Made by `make dashboards` from deploy/grafana/models.py.",
    [QUALITY, ENSEMBLE, LEARNING, CATALOGUE],
    [JOB, INSTANCE, MODEL],
    [STARTED, ROLLED_BACK, HELD, DRIFTED],
    since="now-24h",
)
