from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from consumer.models.state import ModelState
from consumer.ports import Telemetry
from consumer.telemetry.catalogue import (
    CHECKPOINT_FAILURES,
    DEAD_LETTER_REASONS,
    OUTCOMES,
    PROCESS_METRICS,
    PUBLISH_FAILURES,
    ROLLBACK_REASONS,
)
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.fakes.telemetry import RecordingTelemetry
from tests.streams import WITH_ALL, WITH_KNN, WITH_LINEAR, small_settings
from tests.telemetry.scrape import ManualClock, exposed


def report_everything(telemetry: Telemetry) -> None:
    telemetry.outcomes({"admitted": 90, "late": 4, "undecodable": 6})
    telemetry.dead_letters({"undecodable": 6})
    telemetry.dedupe_overflowed(3)
    telemetry.records_lost("events", 2, 7)
    telemetry.batch_learned(90, 0.004)
    telemetry.events_updated(np.full(90, 0.15), is_live=True)
    telemetry.events_published([0.4] * 90, is_live=True)
    telemetry.version_published(7, {("item-scores", "upsert"): 12}, 0.06, {"item-related": 5}, 1_800_000_000.0, 0.03)
    telemetry.publish_failed("fenced")
    telemetry.checkpoint_saved(1.2, 4096, 1_800_000_000.0)
    telemetry.checkpoint_failed("no_space")
    telemetry.lag({("events", 0): 17}, 0.3)
    telemetry.replay_progress(0.25, 1_767_225_600.0, 300_000.0, 12.5)
    telemetry.quality({"fusion": 0.31}, {"fusion": 0.12}, 640)
    telemetry.ensemble_weights({("item_to_item", "log_score"): 1.1, ("item", "rising"): 0.2})
    telemetry.popularity_weights({"3600": 0.25, "86400": 0.75})
    telemetry.learning_rates({"ensemble": 0.03})
    telemetry.neural_learned({"taken": 5, "dropped": 1}, {"query_over_budget": 4}, 6.5)
    telemetry.drift_alarms({"next": 2})
    telemetry.steps_raised({"score": False, "next": True})
    telemetry.members_muted({"item_to_item": True})
    telemetry.state({"items": 55}, 1 << 20)
    telemetry.state_limits({"items": 1_000})
    telemetry.rolled_back("held")
    telemetry.rebalanced()
    telemetry.loop_moved(0.0)
    telemetry.ready(True)


@pytest.mark.parametrize(
    ("series", "value"),
    [
        ('freshrank_events_total{outcome="admitted"}', 90),
        ('freshrank_dead_letters_total{reason="undecodable"}', 6),
        ("freshrank_dedupe_overflow_total", 3),
        ('freshrank_lost_records_total{partition="2",topic="events"}', 7),
        ("freshrank_batch_events_total", 90),
        ("freshrank_batch_update_seconds_count", 1),
        ('freshrank_event_to_update_seconds_count{phase="live"}', 90),
        ('freshrank_event_to_update_seconds_bucket{le="0.1",phase="live"}', 0),
        ('freshrank_event_to_update_seconds_bucket{le="0.2",phase="live"}', 90),
        ('freshrank_event_to_publish_seconds_bucket{le="+Inf",phase="live"}', 90),
        ("freshrank_snapshot_version", 7),
        ('freshrank_snapshot_rows_total{kind="upsert",topic="item-scores"}', 12),
        ('freshrank_rows_waiting{topic="item-related"}', 5),
        ("freshrank_publish_seconds_count", 1),
        ('freshrank_publish_failures_total{reason="fenced"}', 1),
        ("freshrank_checkpoint_seconds_sum", 1.2),
        ("freshrank_checkpoint_bytes", 4096),
        ('freshrank_checkpoint_failures_total{reason="no_space"}', 1),
        ('freshrank_consumer_lag_records{partition="0",topic="events"}', 17),
        ("freshrank_consumer_lag_seconds", 0.3),
        ("freshrank_replay_done_ratio", 0.25),
        ("freshrank_replay_event_time_seconds", 1_767_225_600.0),
        ("freshrank_replay_records_per_second", 300_000.0),
        ("freshrank_replay_left_seconds", 12.5),
        ('freshrank_quality_hit_ratio{model="fusion"}', 0.31),
        ('freshrank_quality_mrr{model="fusion"}', 0.12),
        ("freshrank_quality_samples", 640),
        ('freshrank_ensemble_weight{feature="log_score",model="item_to_item"}', 1.1),
        ('freshrank_ensemble_weight{feature="rising",model="item"}', 0.2),
        ('freshrank_popularity_weight{half_life_s="86400"}', 0.75),
        ('freshrank_learning_rate{model="ensemble"}', 0.03),
        ("freshrank_snapshot_moved_ratio_total", 0.03),
        ('freshrank_rollbacks_total{reason="held"}', 1),
        ('freshrank_rollbacks_total{reason="operator"}', 0),
        ('freshrank_state_limit_rows{kind="items"}', 1_000),
        ('freshrank_neural_steps_total{outcome="dropped"}', 1),
        ('freshrank_neural_left_out_total{reason="query_over_budget"}', 4),
        ("freshrank_neural_loss", 6.5),
        ('freshrank_drift_alarms_total{loss="next"}', 2),
        ('freshrank_drift_alarms_total{loss="score"}', 0),
        ('freshrank_drift_steps_raised{loss="next"}', 1),
        ('freshrank_member_muted{model="item_to_item"}', 1),
        ('freshrank_state_rows{kind="items"}', 55),
        ("freshrank_state_bytes", 1 << 20),
        ("freshrank_rebalances_total", 1),
        ("freshrank_ready", 1),
        (f'freshrank_build_info{{codec="json",python="{platform.python_version()}",version="1.2.3"}}', 1),
    ],
)
def test_what_was_reported_is_exposed(telemetry: PrometheusTelemetry, series: str, value: float) -> None:
    report_everything(telemetry)
    assert exposed(telemetry)[series] == pytest.approx(value)


@pytest.mark.parametrize("models", [WITH_KNN, WITH_LINEAR, WITH_ALL], ids=["session_knn", "linear", "all"])
def test_every_member_that_a_model_may_have_can_be_told_muted(
    telemetry: PrometheusTelemetry, models: dict[str, object]
) -> None:
    is_muted = ModelState(small_settings(models=models)).is_muted
    telemetry.members_muted(is_muted)
    shown = [name for name in exposed(telemetry) if name.startswith("freshrank_member_muted")]
    assert sorted(shown) == sorted(f'freshrank_member_muted{{model="{member}"}}' for member in is_muted)


def test_the_fake_takes_every_report_the_port_has() -> None:
    fake = RecordingTelemetry()
    report_everything(fake)
    assert fake.outcome_totals == {"admitted": 90, "late": 4, "undecodable": 6}
    assert fake.journal[-4:] == ["state", "rolled_back", "rebalanced", "ready"]
    assert (fake.n_learned, fake.versions[0].version, fake.is_ready) == (90, 7, True)


@pytest.mark.parametrize(
    ("metric", "label", "values"),
    [
        ("freshrank_events_total", "outcome", OUTCOMES),
        ("freshrank_dead_letters_total", "reason", DEAD_LETTER_REASONS),
        ("freshrank_publish_failures_total", "reason", PUBLISH_FAILURES),
        ("freshrank_checkpoint_failures_total", "reason", CHECKPOINT_FAILURES),
        ("freshrank_clock_skewed_events_total", "stage", ("update", "publish")),
        ("freshrank_rollbacks_total", "reason", ROLLBACK_REASONS),
        ("freshrank_event_to_update_seconds_count", "phase", ("live", "catch_up")),
    ],
)
def test_every_closed_label_value_is_there_from_the_start(
    telemetry: PrometheusTelemetry, metric: str, label: str, values: tuple[str, ...]
) -> None:
    found = exposed(telemetry)
    assert [found[f'{metric}{{{label}="{value}"}}'] for value in values] == [0.0] * len(values)


def test_counts_add_up_over_calls(telemetry: PrometheusTelemetry) -> None:
    telemetry.outcomes({"late": 2})
    telemetry.outcomes({"late": 3})
    assert exposed(telemetry)['freshrank_events_total{outcome="late"}'] == 5


def test_negative_ages_are_clamped_and_counted_by_stage(telemetry: PrometheusTelemetry) -> None:
    telemetry.events_updated(np.array([-0.5, -0.1, 2.0]), is_live=False)
    found = exposed(telemetry)
    assert found['freshrank_clock_skewed_events_total{stage="update"}'] == 2
    assert found['freshrank_clock_skewed_events_total{stage="publish"}'] == 0
    assert found['freshrank_event_to_update_seconds_sum{phase="catch_up"}'] == 2.0


def test_an_empty_batch_of_ages_changes_nothing(telemetry: PrometheusTelemetry) -> None:
    telemetry.events_updated([], is_live=True)
    assert exposed(telemetry)['freshrank_event_to_update_seconds_count{phase="live"}'] == 0


def test_the_age_of_the_snapshot_grows_between_commits(telemetry: PrometheusTelemetry, clock: ManualClock) -> None:
    telemetry.version_published(1, {}, 0.05, {}, clock.wall_s(), 0.0)
    clock.advance(4)
    assert exposed(telemetry)["freshrank_snapshot_age_seconds"] == 4
    clock.advance(3)
    assert exposed(telemetry)["freshrank_snapshot_age_seconds"] == 7


def test_there_is_no_age_before_the_first_commit(telemetry: PrometheusTelemetry) -> None:
    found = exposed(telemetry)
    assert "freshrank_snapshot_age_seconds" not in found
    assert "freshrank_checkpoint_age_seconds" not in found


def test_a_clock_set_back_makes_no_negative_age(telemetry: PrometheusTelemetry, clock: ManualClock) -> None:
    telemetry.checkpoint_saved(1.0, 1, clock.wall_s() + 60)
    assert exposed(telemetry)["freshrank_checkpoint_age_seconds"] == 0


def test_a_partition_that_was_taken_away_has_no_lag_any_more(telemetry: PrometheusTelemetry) -> None:
    telemetry.lag({("events", 0): 5, ("events", 1): 6}, 1.0)
    telemetry.lag({("events", 1): 7}, 1.0)
    lags = {name: value for name, value in exposed(telemetry).items() if "lag_records" in name}
    assert lags == {'freshrank_consumer_lag_records{partition="1",topic="events"}': 7}


def test_a_failure_of_an_unlisted_kind_counts_as_other(telemetry: PrometheusTelemetry) -> None:
    telemetry.publish_failed("KafkaError{code=_TRANSPORT}")
    assert exposed(telemetry)['freshrank_publish_failures_total{reason="other"}'] == 1


def test_an_outcome_that_does_not_exist_is_refused_by_name(telemetry: PrometheusTelemetry) -> None:
    with pytest.raises(ValueError, match="freshrank_events_total: outcome='vanished' is none of admitted"):
        telemetry.outcomes({"vanished": 1})


def test_a_counter_never_goes_down(telemetry: PrometheusTelemetry) -> None:
    with pytest.raises(ValueError, match="only goes up"):
        telemetry.outcomes({"late": -1})


def test_two_workers_in_one_process_share_nothing(telemetry: PrometheusTelemetry, clock: ManualClock) -> None:
    other = PrometheusTelemetry(clock, telemetry.health, codec="json")
    telemetry.rebalanced()
    assert exposed(other)["freshrank_rebalances_total"] == 0


def test_memory_and_cpu_of_the_worker_are_exposed_too(telemetry: PrometheusTelemetry) -> None:
    assert exposed(telemetry)["process_resident_memory_bytes"] > 0


def test_a_scrape_during_reports_sees_counts_and_sums_of_one_moment(telemetry: PrometheusTelemetry) -> None:
    def report() -> None:
        for _ in range(300):
            telemetry.events_updated(np.full(50, 2.0), is_live=True)

    with ThreadPoolExecutor(3) as pool:
        reports = [pool.submit(report) for _ in range(2)]
        while not all(done.done() for done in reports):
            found = exposed(telemetry)
            n_events = found['freshrank_event_to_update_seconds_count{phase="live"}']
            assert found['freshrank_event_to_update_seconds_sum{phase="live"}'] == 2.0 * n_events
            assert n_events % 50 == 0
    assert exposed(telemetry)['freshrank_event_to_update_seconds_count{phase="live"}'] == 30_000


def test_the_metrics_of_the_process_are_those_that_the_catalogue_names(telemetry: PrometheusTelemetry) -> None:
    assert {name for name in exposed(telemetry) if name.startswith("process_")} == set(PROCESS_METRICS)
