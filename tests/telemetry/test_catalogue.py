from __future__ import annotations

import re

import pytest

from consumer.messages import Outcome
from consumer.telemetry.catalogue import CATALOGUE, DEAD_LETTER_REASONS, OUTCOMES, Metric

NAMED_BY_THE_SPECIFICATION = {
    "freshrank_event_to_update_seconds": ("phase",),
    "freshrank_event_to_publish_seconds": ("phase",),
    "freshrank_batch_update_seconds": (),
    "freshrank_publish_seconds": (),
    "freshrank_checkpoint_seconds": (),
    "freshrank_events_total": ("outcome",),
    "freshrank_dead_letters_total": ("reason",),
    "freshrank_consumer_lag_records": ("topic", "partition"),
    "freshrank_consumer_lag_seconds": (),
    "freshrank_snapshot_version": (),
    "freshrank_snapshot_age_seconds": (),
    "freshrank_snapshot_rows_total": ("topic", "kind"),
    "freshrank_rows_waiting": ("topic",),
    "freshrank_quality_hit_ratio": ("model",),
    "freshrank_quality_mrr": ("model",),
    "freshrank_state_rows": ("kind",),
    "freshrank_state_bytes": (),
    "freshrank_rebalances_total": (),
    "freshrank_build_info": ("version", "python", "codec"),
}

every_metric = pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)


@pytest.mark.parametrize("name", NAMED_BY_THE_SPECIFICATION)
def test_a_promised_metric_is_in_the_catalogue_with_its_labels(name: str) -> None:
    labels = {metric.name: metric.label_names for metric in CATALOGUE}
    assert labels[name] == NAMED_BY_THE_SPECIFICATION[name]


def test_no_two_metrics_share_a_name() -> None:
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)


@every_metric
def test_a_name_has_the_prefix_and_only_small_words(metric: Metric) -> None:
    assert re.fullmatch(r"freshrank(_[a-z]+)+", metric.name)


@every_metric
def test_exactly_the_counters_end_in_total(metric: Metric) -> None:
    assert metric.name.endswith("_total") == (metric.kind == "counter")


@every_metric
def test_a_unit_is_a_base_unit_and_time_and_size_are_named_by_it(metric: Metric) -> None:
    assert metric.unit in ("", "seconds", "bytes", "ratio", "records", "rows")
    if metric.unit in ("seconds", "bytes"):
        assert metric.name.endswith(f"_{metric.unit}")


@every_metric
def test_help_is_one_sentence(metric: Metric) -> None:
    assert metric.help.endswith(".")
    assert "\n" not in metric.help


@every_metric
def test_no_label_is_about_a_user_an_item_or_an_exception(metric: Metric) -> None:
    allowed = {"phase", "stage", "outcome", "reason", "topic", "partition", "kind", "model", "loss", "feature"}
    assert set(metric.label_names) <= allowed | {"half_life_s", "version", "python", "codec"}


@every_metric
def test_buckets_ascend_and_belong_to_histograms_alone(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("name", ["freshrank_event_to_update_seconds", "freshrank_event_to_publish_seconds"])
def test_freshness_is_counted_from_5_ms_to_60_s_with_a_bound_at_the_objective(name: str) -> None:
    buckets = next(metric.buckets for metric in CATALOGUE if metric.name == name)
    assert (buckets[0], buckets[-1]) == (0.005, 60.0)
    assert 1.0 in buckets


@every_metric
def test_a_reason_comes_from_a_closed_list(metric: Metric) -> None:
    closed = {label.name: label.values for label in metric.labels if label.name in ("reason", "outcome", "phase")}
    assert all(closed.values())


def test_outcomes_and_dead_letter_reasons_are_those_of_the_messages() -> None:
    assert set(OUTCOMES) == {outcome.name.lower() for outcome in Outcome}
    assert "admitted" not in DEAD_LETTER_REASONS
    assert "undecodable" in DEAD_LETTER_REASONS
    assert "late" not in DEAD_LETTER_REASONS
