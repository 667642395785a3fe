"""Losses and tenths of the score, against streams whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.settings import Settings
from tests.learning.states import World
from tests.quality.calibration import losses_of
from tests.quality.score_pass import Scored, ScorePass
from tests.streams import Event, admitted, busy_stream, cut, part_of_admitted


def scored(shares: list[list[float]], mixture: list[float]) -> Scored:
    n = len(shares)
    return Scored(
        weight=np.ones(n),
        n_live=np.full(n, 10),
        shares=np.array(shares),
        mixture=np.tile(mixture, (n, 1)),
        expected=np.zeros(10),
        followed=np.zeros(10),
        n_new=0,
        n_snapshots=0,
    )


def test_a_loss_is_the_mean_of_minus_the_log_of_the_smoothed_share() -> None:
    losses = losses_of(scored([[0.5, 0.1], [0.2, 0.4]], [0.25, 0.75]))
    smooth = 0.999 * np.array([[0.5, 0.1], [0.2, 0.4]]) + 0.001 / 10
    assert losses.single == pytest.approx((-np.log(smooth).mean(axis=0)).tolist())
    assert losses.score == pytest.approx(-np.log(smooth @ [0.25, 0.75]).mean())
    assert losses.uniform == pytest.approx(np.log(10))


def test_the_best_fixed_mixture_is_no_worse_than_any_other() -> None:
    rng = np.random.default_rng(2)
    shares = rng.random((500, 2)) * 0.2
    found = losses_of(scored(shares.tolist(), [0.5, 0.5]))
    tried = [losses_of(scored(shares.tolist(), [m, 1.0 - m])).score for m in np.linspace(0.0, 1.0, 101)]
    assert found.best_fixed <= min(tried) + 1e-9
    assert found.best_fixed == pytest.approx(min(tried), abs=1e-4)


def views() -> list[Event]:
    rows = [row for row in busy_stream(11, 3_000, 40, 20, step_s=30.0) if row.type == "view"]
    return [row._replace(at_s=30.0 * i, partition=0) for i, row in enumerate(rows)]


def test_what_is_noted_is_the_score_just_before_the_event() -> None:
    rows = views()[:200]
    batch = admitted(rows)
    found = ScorePass(Settings(), 100, 100).learn([batch])
    world, expected = World(Settings()), []
    for i, row in enumerate(rows):
        if row.item in {earlier.item for earlier in rows[:i]}:
            expected.append(world.score(row.item))
        world.learn(part_of_admitted(batch, i, i + 1))
    assert (found.shares * found.mixture).sum(axis=1).tolist() == pytest.approx(expected)
    assert found.n_new == len({row.item for row in rows})


def test_batches_do_not_matter() -> None:
    batch = admitted(views())
    whole = ScorePass(Settings(), 500, 250).learn([batch])
    n = len(batch.outcome)
    pieces = ScorePass(Settings(), 500, 250).learn(
        part_of_admitted(batch, start, stop) for start, stop in cut(n, (1, 499, 500, 777))
    )
    assert np.array_equal(whole.shares, pieces.shares)
    assert whole.expected.tolist() == pieces.expected.tolist()
    assert whole.followed.tolist() == pieces.followed.tolist()


def test_a_steady_stream_gets_in_every_tenth_what_was_expected() -> None:
    rng = np.random.default_rng(6)
    chances = np.arange(1, 31) / np.arange(1, 31).sum()
    rows = [Event(f"i{i}", f"u{n}", at_s=20.0 * n) for n, i in enumerate(rng.choice(30, 12_000, p=chances).tolist())]
    found = ScorePass(Settings(), 4_000, 500).learn([admitted(rows)])
    assert found.followed.sum() == pytest.approx(1.0)
    assert found.followed[3:].tolist() == pytest.approx(found.expected[3:].tolist(), rel=0.25)
