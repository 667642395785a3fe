"""What is held against a quicker twin, what an alarm does to steps, and how it ends."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.kernels import kernel
from consumer.learning import drift
from consumer.learning.adwin import AdwinArrays
from consumer.learning.drift import BLOCK, NEXT, SCORE, UNLINKED, DriftArrays, DriftPolicy
from consumer.messages import Float64Array
from consumer.models.repeat import length_of, step_after
from consumer.settings import Settings
from tests.learning.states import World, differences
from tests.quality import changes
from tests.streams import Event, admitted, part_of_admitted, small_settings

POLICY = DriftPolicy(is_on=True, factor=10.0, period=5_000.0)
OFF = {"enabled": False}
N_BEFORE = changes.N_BEFORE // changes.BATCH
"""Batches before the change."""


@kernel
def _see(arrays: DriftArrays, detectors: AdwinArrays, policy: DriftPolicy, n_history: int, kind: int, n: int) -> None:
    for _ in range(n):
        drift.note_next(arrays, n_history, kind)
        drift.react(arrays, detectors, policy)


@kernel
def _see_positive(
    arrays: DriftArrays, detectors: AdwinArrays, policy: DriftPolicy, likely: Float64Array, chance: float, n: int
) -> None:
    for _ in range(n):
        drift.note_positive(arrays, likely, chance, 1.0)
        drift.react(arrays, detectors, policy)


class Watch:
    """The losses alone, without models."""

    def __init__(self, policy: DriftPolicy = POLICY) -> None:
        self.arrays = drift.allocate(2)
        self.detectors = drift.allocate_detectors()
        self.policy = policy

    def see(self, kind: int, n: int, n_history: int = 9) -> Watch:
        _see(self.arrays, self.detectors, self.policy, n_history, kind, n)
        return self

    def see_positive(self, likely: tuple[float, float], chance: float, n: int) -> Watch:
        """The live mixture gave it this chance."""
        _see_positive(self.arrays, self.detectors, self.policy, np.array(likely), chance, n)
        return self

    @property
    def n_alarms(self) -> list[int]:
        return list(self.arrays.n_alarms.tolist())

    @property
    def factors(self) -> list[float]:
        return list(self.arrays.factor.tolist())


def test_a_change_in_what_comes_next_raises_the_steps_of_that_loss_only() -> None:
    watch = Watch().see(UNLINKED, 10_000)
    assert (watch.n_alarms, watch.factors) == ([0, 0], [1.0, 1.0])
    watch.see(1, 600)
    assert watch.n_alarms == [0, 1]
    assert watch.factors[SCORE] == 1.0
    assert 5.0 < watch.factors[NEXT] <= 10.0


def test_a_change_in_what_foretells_best_raises_the_steps_of_the_mixture_only() -> None:
    watch = Watch().see_positive((0.1, 0.1), 0.1, 5_000)
    watch.see_positive((0.2, 0.05), 0.125, 600)  # a mixture that stays at even weights
    assert watch.n_alarms == [1, 0]
    assert watch.factors[SCORE] > 5.0
    assert watch.factors[NEXT] == 1.0


def test_what_the_quicker_twin_foretells_no_better_alarms_nobody() -> None:
    watch = Watch().see_positive((0.1, 0.1), 0.1, 5_000)
    watch.see_positive((0.0001, 0.0001), 0.0001, 5_000)  # a thousand times less likely, to both alike
    assert watch.n_alarms == [0, 0]


def test_getting_better_alarms_nobody() -> None:
    worse_than_the_twin = Watch().see_positive((0.1, 0.1), 0.05, 5_000)
    worse_than_the_twin.see_positive((0.1, 0.1), 0.1, 5_000)
    assert worse_than_the_twin.n_alarms == [0, 0]


def test_a_rise_to_below_the_twin_alarms_nobody() -> None:
    watch = Watch().see_positive((0.1, 0.1), 0.8, 5_000).see_positive((0.1, 0.1), 0.2, 5_000)
    assert watch.n_alarms == [0, 0]


def test_raised_steps_come_down_like_those_of_a_running_mean_and_are_back_after_the_period() -> None:
    watch = Watch()
    watch.arrays.factor[NEXT] = 10.0
    seen = []
    for _ in range(5_000 // 1_000):
        watch.see(UNLINKED, 1_000)
        seen.append(watch.factors[NEXT])
    n_whole = 1_000 // BLOCK * BLOCK
    assert seen[0] == pytest.approx(10.0 / (1.0 + 9.0 * n_whole / 5_000))
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == pytest.approx(1.0, abs=0.01)
    assert watch.see(UNLINKED, BLOCK).factors[NEXT] == 1.0


def test_another_alarm_begins_the_reaction_anew() -> None:
    watch = Watch(DriftPolicy(True, 10.0, 100_000.0)).see(UNLINKED, 10_000).see(1, 3_000)
    since = int(watch.arrays.since[NEXT])
    assert since > 1_000
    watch.see(5, 1_000)
    assert watch.n_alarms == [0, 2]
    assert watch.arrays.since[NEXT] < since


def test_means_with_growing_weights_are_running_means() -> None:
    rng = np.random.default_rng(3)
    watch, mean, length = Watch(), 0.05, length_of(9)
    for n, kind in enumerate(rng.choice((UNLINKED, 1), size=3_000, p=(0.7, 0.3)).tolist()):
        mean += step_after(n, 1.0) * (float(kind == 1) - mean)
        watch.see(kind, 1)
    live = watch.arrays.seen[drift.LIVE, length, 1] / watch.arrays.seen_total[drift.LIVE, length]
    assert live == pytest.approx(mean)


def test_weights_that_have_grown_large_are_told_in_new_units() -> None:
    watch = Watch().see(UNLINKED, 60_000)  # 0.99^-60,000 has 261 digits
    assert watch.arrays.seen_total.max() <= drift.MOST
    shares = watch.arrays.seen.sum(axis=2) / watch.arrays.seen_total
    assert shares == pytest.approx(np.ones_like(shares))


def test_raised_steps_are_never_longer_than_the_first_one() -> None:
    assert step_after(950, 10.0) == pytest.approx(0.01)
    assert step_after(0, 10.0) == step_after(0, 1.0) == 0.02


def test_an_alarm_samples_more_and_what_is_more_is_no_test() -> None:
    world, steady = (World(small_settings(evaluation={"sample_one_in": 40})) for _ in range(2))
    world.trainer.drift.factor[NEXT] = 10.0
    rows = [Event(f"item-{i * 37 % 101}", f"user-{i % 5}", at_s=float(i)) for i in range(2_000)]
    for each in (world, steady):
        each.learn(admitted(rows))
    assert world.model.fusion.n_samples.sum() > 5 * steady.model.fusion.n_samples.sum() > 0
    assert world.trainer.cases.n_cases[0] == steady.trainer.cases.n_cases[0]
    assert world.trainer.quality.n_samples[0] == steady.trainer.quality.n_samples[0]


def test_raised_steps_are_those_of_the_mixture_the_tables_and_the_logit() -> None:
    rows = [Event(f"item-{i * 37 % 101 if i % 2 else i * i % 11}", f"user-{i % 3}", at_s=60.0 * i) for i in range(300)]
    world = World(small_settings()).learn(admitted(rows[:200]))
    raised = World(small_settings()).learn(admitted(rows[:200]))
    before = (world.model.popularity.mixture.copy(), world.model.repeat.chance.copy(), world.model.fusion.chance.copy())
    raised.trainer.drift.factor[:] = 10.0
    for each in (world, raised):
        each.learn(part_of_admitted(admitted(rows), 200, 210))
    for name, was in zip(("mixture", "repeat", "fusion"), before, strict=True):
        now, then = (
            {"mixture": w.model.popularity.mixture, "repeat": w.model.repeat.chance, "fusion": w.model.fusion.chance}[
                name
            ]
            for w in (raised, world)
        )
        assert np.abs(now - was).max() > 2.0 * np.abs(then - was).max() > 0.0, name


def test_where_it_is_off_nothing_is_watched_and_nothing_raised() -> None:
    world = World(Settings.model_validate({"drift": OFF}))
    for batch in list(changes.batches("other items follow", seed=1))[: N_BEFORE + 2]:
        world.learn(batch)
    assert not any(world.trainer.n_alarms.values())
    assert world.trainer.detectors.width.tolist() == [0, 0]


def test_switching_it_off_ends_what_is_raised() -> None:
    world = World(small_settings())
    world.trainer.drift.factor[:] = 10.0
    restored = World(small_settings(drift=OFF)).restore(world.saved())
    assert restored.trainer.is_raised == {"score": False, "next": False}
    assert World(small_settings()).restore(world.saved()).trainer.is_raised == {"score": True, "next": True}


def test_batches_and_stops_around_an_alarm_change_nothing() -> None:
    batches = list(changes.batches("other items follow", seed=1))
    whole = World(Settings())
    for batch in batches[: N_BEFORE + 1]:
        whole.learn(batch)
    assert whole.trainer.n_alarms["next"] == 1
    assert whole.trainer.is_raised["next"]
    pieces = World(Settings())
    for batch in batches[:N_BEFORE]:
        pieces.learn(batch, range(0, changes.BATCH, 777))
    for start in range(0, changes.BATCH, 333):
        pieces = World(Settings()).restore(pieces.saved())
        pieces.learn(part_of_admitted(batches[N_BEFORE], start, min(start + 333, changes.BATCH)))
    assert differences(whole, pieces) == []
