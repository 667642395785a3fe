"""A world for each test of this room: topics of its own, on the fake or on a real broker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.broker import Broker
from tests.kafka.worlds import FakeWorld, RealWorld, World


@pytest.fixture
def real(kafka: Broker, topic_prefix: str) -> Iterator[RealWorld]:
    """A model of its own on the real broker; its clients are closed afterwards."""
    world = RealWorld(kafka.bootstrap_servers, topic_prefix)
    yield world
    world.close()


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.broker)])
def world(request: pytest.FixtureRequest) -> World:
    """The same on both: what holds for one must hold for the other."""
    if request.param == "fake":
        return FakeWorld()
    real_world: RealWorld = request.getfixturevalue("real")
    return real_world
