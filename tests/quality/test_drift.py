"""The proof that the reaction to drift pays, on fewer seeds than QUALITY.md has; and what it is measured with."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.learning.trainer import Trainer
from consumer.models.state import ModelState
from consumer.settings import Settings
from tests.quality import changes, drift_pass
from tests.quality.drift import CONCERNED, LEAST_GAIN, change_in, change_in_regret, pairs_of
from tests.quality.regret import Outcome, outcome_of
from tests.streams import part_of_admitted


@pytest.mark.parametrize(
    "name", ["popularity becomes quick", "popularity becomes slow", "people begin to return", "other items follow"]
)
def test_after_a_change_the_reaction_saves_a_tenth_of_the_regret(name: str) -> None:
    pairs = pairs_of(name, range(2))
    assert change_in_regret(pairs, CONCERNED[name]).value < -LEAST_GAIN
    assert change_in_regret(pairs).value < 0.0
    assert all(reacting.n_alarms >= 1 for _, reacting in pairs)
    assert all(without.n_alarms == 0 for without, _ in pairs)


MOST_ALARMS = {"nothing changes": 0, "days and nights": 15}


@pytest.mark.parametrize("name", changes.STEADY)
def test_where_nothing_changes_nothing_is_lost(name: str) -> None:
    pairs = pairs_of(name, range(2))
    assert change_in("log_loss", pairs).value < 0.002
    assert change_in("mrr", pairs).value > -0.001
    assert all(reacting.n_alarms <= MOST_ALARMS[name] for _, reacting in pairs)


def outcome(regret: float) -> Outcome:
    return Outcome(score=regret, repeat=0.0, fusion=0.0, log_loss=1.0, mrr=0.5, n_alarms=0)


def test_the_change_in_regret_is_that_of_the_sums_over_seeds() -> None:
    pairs = [(outcome(100.0), outcome(50.0)), (outcome(300.0), outcome(310.0))]
    change = change_in_regret(pairs)
    assert change.value == pytest.approx(-0.1)
    assert change.low == pytest.approx(-0.5)
    assert change.high == pytest.approx(10 / 300)


def noted(n: int) -> drift_pass.Noted:
    return drift_pass.allocate(n, 2)._replace(context=np.zeros(n, np.int64), score=np.full(n, 0.5))


def test_parameters_that_are_best_in_hindsight_leave_no_regret() -> None:
    n = 1_000
    returns = np.arange(n) % 4 == 0
    rank_1 = np.arange(n) % 5 == 0
    found = outcome_of(
        noted(n)._replace(
            likelihoods=np.tile((0.5, 0.1), (n, 1)),
            places=np.ones(n, np.int64),
            back=returns.astype(np.int64),
            return_chance=np.where(returns, 0.25, 0.75),
            bucket=np.where(rank_1, 0, drift_pass.UNASKED),
            list_chance=np.where(rank_1, 0.2, 0.8),
        )
    )
    assert found.score == pytest.approx(0.0, abs=1e-3)
    assert (found.repeat, found.fusion) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_chances_that_are_wrong_are_regretted_by_their_divergence() -> None:
    n = 1_000
    returns = np.arange(n) % 4 == 0
    found = outcome_of(
        noted(n)._replace(
            likelihoods=np.full((n, 2), 0.5),
            places=np.ones(n, np.int64),
            back=returns.astype(np.int64),
            return_chance=np.full(n, 0.5),
            list_chance=np.ones(n),
        )
    )
    divergence = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5)
    assert found.repeat == pytest.approx(n * divergence)


def test_what_is_noted_is_what_the_live_model_gave_just_before() -> None:
    first, second, *_ = changes.batches("people cease to return", 3)
    model = ModelState(Settings())
    trainer = Trainer(Settings(), model)
    trainer.learn(first)
    n_returned = 0
    for place in range(60):
        event = part_of_admitted(second, place, place + 1)
        key = event.events.item_key[0]
        row = model.find_item((int(key[0]), int(key[1])))
        chances, score, n_items = model.repeat.chance.copy(), model.scores()[row], model.n_items
        found = drift_pass.allocate(1, 3)
        trainer.run(drift_pass.noting(found), event, 0, 1)
        if row >= 0:
            assert found.score[0] == pytest.approx(0.999 * score + 0.001 / n_items)
        if found.back[0] > 0:
            assert found.return_chance[0] == chances[found.context[0], found.back[0] - 1]
            n_returned += 1
    assert n_returned > 5


def test_a_stream_is_the_same_every_time_and_changes_where_it_says() -> None:
    one, other = (list(changes.batches("people begin to return", 7)) for _ in range(2))
    assert all((a.events.item_key == b.events.item_key).all() for a, b in zip(one, other, strict=True))
    before, after = (
        np.concatenate([batch.events.item_key[:, 0] for batch in one[part]]) for part in (slice(36, 40), slice(40, 44))
    )
    assert len(np.unique(after)) < len(np.unique(before))
