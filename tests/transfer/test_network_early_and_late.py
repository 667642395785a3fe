"""A network that begins with vectors is ahead of a cold one early and not behind it late, on recorded sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import islice

import numpy as np
import pytest

from consumer.learning.quality import MEMBERS, OFF
from consumer.models.knowledge import Knowledge
from consumer.models.seeding import seed, undate
from consumer.settings import Settings
from consumer.transfer.from_checkpoint import learned_by
from consumer.transfer.vectors import ItemVectors
from tests.learning.states import World
from tests.streams import Event, admitted
from tests.transfer.deployments import PLAIN, started
from tests.transfer.test_early_and_late import AT_ONCE, Hits, diginetica, margin

pytestmark = [pytest.mark.neural, pytest.mark.timeout(900)]

N_EVENTS = 40_000
N_EARLY, N_LATE = 1_000, 3_000
NEURAL = MEMBERS.index("neural")


def settings(**network: object) -> Settings:
    return Settings.model_validate(
        {
            "evaluation": {"sample_one_in": 4},
            "models": {
                "neural": {
                    "enabled": True,
                    "queries_per_thousand": 300,
                    "replay_examples": 50_000,
                    "negatives": 256,
                    **network,
                }
            },
        }
    )


@cache
def weeks() -> tuple[list[Event], list[Event]]:
    """So many views, and so many that followed."""
    events = list(islice(diginetica(range(4)), 2 * N_EVENTS))
    return events[:N_EVENTS], events[N_EVENTS:]


def learn(world: World, events: Sequence[Event]) -> Hits:
    """For each sample, whether what followed was among the network's 20."""
    quality, found = world.trainer.quality, []
    for start in range(0, len(events), AT_ONCE):
        before = int(quality.n_samples[0])
        world.learn(admitted(events[start : start + AT_ONCE]))
        places = np.arange(before, int(quality.n_samples[0])) % len(quality.ranks)
        ranks = quality.ranks[places, NEURAL]
        found.append(((ranks > 0) & (ranks != OFF)).astype(np.float64))
    return np.concatenate(found)


@cache
def elsewhere() -> Knowledge:
    world = World(settings())
    learn(world, weeks()[0])
    return learned_by(world.model)


@cache
def cold() -> Hits:
    return learn(World(settings()), weeks()[1])


def assert_ahead_early_and_not_behind_late(warm: Hits) -> None:
    assert len(warm) == len(cold()) > N_EARLY + N_LATE
    gained = warm - cold()
    early, width = margin(gained[:N_EARLY])
    late, late_width = margin(gained[-N_LATE:])
    print(f"early +{early:.4f} ± {width:.4f} of {cold()[:N_EARLY].mean():.4f}")  # noqa: T201 - shown by -s
    print(f"late {late:+.4f} ± {late_width:.4f} of {cold()[-N_LATE:].mean():.4f}")  # noqa: T201 - shown by -s
    assert early - width > 0.05
    assert late > -0.003


def test_with_the_network_of_another_checkpoint() -> None:
    world = World(settings())
    seed(world.model, elsewhere().only({"neural"}), 0.1)
    undate(world.model)
    assert_ahead_early_and_not_behind_late(learn(world, weeks()[1]))


@pytest.mark.parametrize("network", [{}, {"frozen_steps": 200, "transferred_rate": 0.3}], ids=["free", "frozen first"])
def test_with_vectors_of_a_file_of_other_dimensions(network: dict[str, object]) -> None:
    knowledge = elsewhere()
    assert knowledge.neural is not None
    turned = knowledge.neural.vector @ np.random.default_rng(1).normal(size=(96, 160)).astype(np.float32)
    file = ItemVectors(knowledge.ids, turned)
    plan = replace(PLAIN, members=("neural",), dated_ms=int(knowledge.as_of_ms))
    state = started(None, file, plan=plan, chosen=settings(**network)).state
    world = World(settings(**network))
    world.model, world.trainer = state.model, state.trainer
    assert_ahead_early_and_not_behind_late(learn(world, weeks()[1]))
