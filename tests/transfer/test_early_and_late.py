"""A warm-started model is ahead of a cold one early and not behind it late, on the same events."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from consumer.models.knowledge import Knowledge
from consumer.models.seeding import seed, undate
from consumer.settings import Settings
from consumer.transfer.from_checkpoint import learned_by
from tests.learning.states import World
from tests.streams import Event, admitted

DATA = Path(__file__).parents[3] / "shared" / "data" / "diginetica.csv.gz"
AT_ONCE = 1_000  # events, fewer than the samples that are kept
Hits = NDArray[np.float64]
SETTINGS = Settings.model_validate({"evaluation": {"sample_one_in": 1}})
N_EARLY, N_LATE = 3_000, 10_000


def warm(knowledge: Knowledge, discount: float) -> World:
    world = World(SETTINGS)
    seed(world.model, knowledge, discount)
    undate(world.model)
    return world


def hits(world: World, events: Sequence[Event]) -> Hits:
    """For each sample, whether what followed was among those recommended just before it was learned."""
    quality, found = world.trainer.quality, []
    for start in range(0, len(events), AT_ONCE):
        before = int(quality.n_samples[0])
        world.learn(admitted(events[start : start + AT_ONCE]))
        places = np.arange(before, int(quality.n_samples[0])) % len(quality.ranks)
        found.append(quality.ranks[places, 0] > 0)
    return np.concatenate(found).astype(np.float64)


def knowledge_from(events: Sequence[Event]) -> Knowledge:
    world = World(SETTINGS)
    for start in range(0, len(events), AT_ONCE):
        world.learn(admitted(events[start : start + AT_ONCE]))
    return learned_by(world.model)


def two_shops(seed_number: int) -> tuple[list[Event], list[Event]]:
    """The same kind of goods, but a third of what follows what differs in the second shop, which has new goods too."""
    rng = np.random.default_rng(seed_number)
    n_items, n_next = 2_000, 12
    first = rng.integers(n_items, size=(n_items, n_next))
    second = first.copy()
    changed = rng.random(n_items) < 1 / 3
    second[changed] = rng.integers(n_items + 400, size=(int(changed.sum()), n_next))
    second = np.concatenate((second, rng.integers(n_items + 400, size=(400, n_next))))
    return sessions(rng, first, 4_000, 0.0), sessions(rng, second, 8_000, 30 * 86_400.0)


def sessions(rng: np.random.Generator, following: NDArray[np.int64], n: int, at_s: float) -> list[Event]:
    """Each walks from item to item for eight events."""
    events = []
    for session in range(n):
        item = int(min(rng.pareto(1.0) * len(following) / 50, len(following) - 1))
        for place in range(8):
            events.append(Event(f"item-{item}", f"user-{at_s}-{session}", at_s + 60.0 * session + place))
            item = int(following[item, rng.integers(following.shape[1])])
    return events


def diginetica(periods: range) -> Iterator[Event]:
    """Views of these weeks, in the order of the stream, their times spread evenly."""
    if not DATA.exists():
        pytest.skip(f"needs {DATA}")
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if int(row["period"]) in periods]
    n_in = np.bincount([int(row["period"]) for row in rows])
    seen = np.zeros_like(n_in)
    for row in rows:
        period = int(row["period"])
        at_s = (period + seen[period] / n_in[period]) * 7 * 86_400.0
        seen[period] += 1
        yield Event(row["item_id"], row["session_id"], at_s)


def margin(gained: Hits) -> tuple[float, float]:
    """Mean and half-width of the 95 % interval of paired differences."""
    return float(gained.mean()), float(1.96 * gained.std() / np.sqrt(len(gained)))


def assert_ahead_early_and_not_behind_late(one: Hits, other: Hits, least_early: float) -> None:
    """`one` warm, `other` cold, paired."""
    assert len(one) == len(other) > N_EARLY + N_LATE
    gained = one - other
    early, early_width = margin(gained[:N_EARLY])
    late, _ = margin(gained[-N_LATE:])
    print(f"early +{early:.4f} ± {early_width:.4f} of {other[:N_EARLY].mean():.4f}")  # noqa: T201 - shown by -s
    print(f"late {late:+.4f} of {other[-N_LATE:].mean():.4f}; all {gained.mean():+.4f}")  # noqa: T201 - shown by -s
    assert early - early_width > least_early
    assert late > -0.003


@pytest.mark.parametrize("seed_number", [1, 2])
def test_on_a_shop_that_differs_in_a_third(seed_number: int) -> None:
    old, new = two_shops(seed_number)
    knowledge = knowledge_from(old)
    assert_ahead_early_and_not_behind_late(hits(warm(knowledge, 0.1), new), hits(World(SETTINGS), new), 0.1)


def test_on_recorded_sessions_of_the_weeks_that_follow() -> None:
    old, new = list(diginetica(range(2))), list(diginetica(range(2, 4)))
    knowledge = knowledge_from(old)
    assert_ahead_early_and_not_behind_late(hits(warm(knowledge, 0.1), new), hits(World(SETTINGS), new), 0.1)


def test_knowledge_of_an_unrelated_shop_is_soon_outweighed() -> None:
    old, new = two_shops(3)
    strangers = [event._replace(item=f"item-{(int(event.item[5:]) * 7 + 3) % 2_000}") for event in old]
    misled, cold = hits(warm(knowledge_from(strangers), 0.1), new), hits(World(SETTINGS), new)
    assert margin(misled[-N_LATE:] - cold[-N_LATE:])[0] > -0.01
