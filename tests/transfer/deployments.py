"""Deployments on fakes: one that has learned, one that is to start from it, and what the new one knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from consumer.events.hashing import hash_text
from consumer.models import item_to_item
from consumer.models.item_to_item import LANDMARK_MS
from consumer.models.knowledge import Knowledge
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.transfer.first_checkpoint import Deployment
from consumer.transfer.from_checkpoint import knowledge_of
from consumer.transfer.vectors import ItemVectors
from consumer.transfer.warm_start import Plan, WarmStarted, started_with
from tests.fakes.checkpoints import FakeStore
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import FakeLog, FakeOutput
from tests.worker.world import START_S, World, event, settings

PLAIN = Plan(sources=())
PAIRS = [("tea", "cup"), ("pen", "ink"), ("tea", "cup"), ("tea", "jam"), ("pen", "ink"), ("tea", "cup")]


def shop(*, at_s: float = 0.0, first: int = 0, pairs: Sequence[tuple[str, str]] = PAIRS) -> list[bytes]:
    """Each pair is one user's session."""
    return [
        event(first + 2 * n + place, f"user-{first + n}", item, at_s + 60.0 * n + place)
        for n, pair in enumerate(pairs)
        for place, item in enumerate(pair)
    ]


def taught(**changes: Any) -> World:
    """A deployment that has learned the small shop, published and saved."""
    world = World(settings(**changes))
    world.produce(shop())
    world.live()
    return world


def known_to(world: World) -> Knowledge:
    store = FakeStore(world.disk)
    return knowledge_of(store, store.names()[-1])


def deployment(world: World) -> Deployment:
    return Deployment(
        world.settings, FakeOutput(world.cluster), FakeLog(world.cluster), FakeStore(world.disk), FakeClock()
    )


def started(
    knowledge: Knowledge | None, *files: ItemVectors, plan: Plan = PLAIN, chosen: Settings | None = None
) -> WarmStarted:
    return started_with(chosen or settings(), knowledge, files, plan, float(START_S))


def scores(model: ModelState) -> dict[str, float]:
    values = model.scores()
    return {model.item_id(row).decode(): values[row] for row in np.flatnonzero(~np.isnan(values)).tolist()}


def entries(model: ModelState, item: str) -> dict[str, float]:
    """The item's row of `item_to_item`, by id, in units of one event at its landmark."""
    row = model.find_item(hash_text(item.encode()))
    arrays = model.item_to_item
    places = range(arrays.size[row])
    return {model.item_id(arrays.neighbour[row, e]).decode(): float(arrays.weight[row, e]) for e in places}


def fresh(model: ModelState, at_ms: float) -> float:
    """Turns landmark units into units of one event at this time."""
    arrays = model.item_to_item
    return 1.0 if np.isnan(arrays.totals[LANDMARK_MS]) else 1.0 / item_to_item.gain(arrays, at_ms)
