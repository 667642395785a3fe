"""What a worker's metrics say of its model."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.learning.quality import WINDOW
from consumer.learning.trainer import Trainer
from consumer.model_report import (
    ITEM,
    JUDGE_FEATURES,
    LEFT_OUT,
    PROPOSER_FEATURES,
    NeuralReport,
    ensemble_weights,
    learning_rates,
    n_samples,
    row_limits,
)
from consumer.models import logit
from consumer.models.neural import LOSS, N_DROPPED, N_LEFT_OUT, N_OVER_BUDGET, N_STEPS, N_UNASKED
from consumer.models.popularity import MIXTURE_STEP
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.snapshots.description import describe
from tests.fakes.telemetry import RecordingTelemetry
from tests.worker.test_gate import learned_world
from tests.worker.world import World

EVERY_MEMBER = {"session_knn": {"enabled": True}, "linear": {"enabled": True}}


@pytest.fixture(scope="module")
def world() -> World:
    return learned_world()


@pytest.mark.parametrize(("models", "name"), [({}, "fusion.logit"), (EVERY_MEMBER, "fusion.wide_logit")])
def test_the_weights_told_are_those_of_the_manifest(models: dict[str, dict[str, bool]], name: str) -> None:
    model = ModelState(Settings.model_validate({"models": models}))
    model.logit.weights[:] = np.arange(logit.N_FEATURES)
    model.wide_logit.weights[:] = 100 + np.arange(logit.N_FEATURES)
    of_item = (described := describe(model, 0, {}, {})["weights"][name]).pop("item")
    told = ensemble_weights(model)
    assert {feature: told[ITEM, feature] for feature in logit.ITEM_FEATURES} == of_item
    for member, weights in described.items():
        features = JUDGE_FEATURES if member in logit.JUDGES else PROPOSER_FEATURES
        assert [told[member, feature] for feature in features] == weights
    assert len(told) == len(of_item) + sum(map(len, described.values()))


def test_a_worker_tells_weights_mixture_and_rates(world: World) -> None:
    assert world.telemetry.weights["item_to_item", "log_score"] != 1.0
    assert list(world.telemetry.mixture) == ["3600", "86400", "604800"]
    assert sum(world.telemetry.mixture.values()) == pytest.approx(1.0)
    assert set(world.telemetry.rates) == {"popularity", "repeat", "ensemble"}


def test_what_published_scores_gain_adds_up_to_all_of_it_at_first(world: World) -> None:
    first, *later = world.telemetry.versions
    assert first.moved == pytest.approx(1.0, abs=0.01)
    assert all(0.0 <= version.moved < 1.0 for version in later)


def test_samples_are_counted_up_to_the_window(world: World) -> None:
    assert 0 < world.telemetry.n_quality_samples < 1_000
    trainer = Trainer(Settings(), ModelState(Settings()))
    trainer.quality.n_samples[0] = 3 * WINDOW
    assert n_samples(trainer) == WINDOW


def test_the_limits_are_those_of_the_settings(world: World) -> None:
    settings = Settings.model_validate({"catalogue": {"max_items": 700}, "users": {"max_users": 800}})
    assert row_limits(settings) == {"items": 700, "users": 800, "event_ids": 2_000_000}
    assert set(world.telemetry.row_limits) <= set(world.telemetry.state_rows)


def test_a_member_that_is_off_has_neither_weights_nor_a_rate() -> None:
    on = ModelState(Settings.model_validate({"models": EVERY_MEMBER}))
    off = ModelState(Settings())
    assert {member for member, _ in ensemble_weights(on)} == {"item_to_item", "session_knn", "linear", ITEM}
    assert set(learning_rates(on, Trainer(on.settings, on))) == {"popularity", "repeat", "ensemble", "linear"}
    assert set(learning_rates(off, Trainer(off.settings, off))) == {"popularity", "repeat", "ensemble"}


def test_a_network_tells_its_steps_and_what_it_left_out_since_it_was_told_last() -> None:
    model = ModelState(Settings.model_validate({"models": {"neural": {"enabled": True, "replay_examples": 2}}}))
    model.neural.counts[[N_STEPS, N_DROPPED, N_LEFT_OUT, N_OVER_BUDGET, N_UNASKED]] = 50, 2, 10, 20, 30
    report, telemetry = NeuralReport(model), RecordingTelemetry()
    model.neural.counts[[N_STEPS, N_DROPPED, N_LEFT_OUT, N_OVER_BUDGET, N_UNASKED]] += [7, 1, 3, 4, 5]
    model.neural.figures[LOSS] = 6.5
    for _ in range(2):
        report.tell(telemetry)
    assert telemetry.neural_steps == {"taken": 6, "dropped": 1}
    assert telemetry.neural_left_out == dict(zip(LEFT_OUT, (3, 4, 5), strict=True))
    assert telemetry.neural_loss == 6.5
    trainer = Trainer(model.settings, model)
    rates = learning_rates(model, trainer)
    assert rates["neural"] == pytest.approx(0.01 * 58 / 200)
    assert rates["ensemble"] == logit.NETWORK_STEP
    assert [feature for member, feature in ensemble_weights(model) if member == "neural"] == list(PROPOSER_FEATURES)


def test_a_network_that_is_off_has_done_nothing(world: World) -> None:
    told = world.telemetry
    assert "neural_learned" in told.journal
    assert (sum(told.neural_steps.values()), sum(told.neural_left_out.values()), told.neural_loss) == (0, 0, 0.0)


def test_rates_are_longer_while_drift_has_raised_them() -> None:
    model = ModelState(Settings())
    trainer = Trainer(model.settings, model)
    model.logit.n_learned[0] = model.repeat.n_events[:] = 1_000_000
    usual = dict(learning_rates(model, trainer))
    trainer.drift.factor[:] = 10.0
    raised = learning_rates(model, trainer)
    assert usual == {"popularity": MIXTURE_STEP, "repeat": 0.001, "ensemble": logit.STEP}
    assert {name: raised[name] / usual[name] for name in usual} == pytest.approx(dict.fromkeys(usual, 10.0))
