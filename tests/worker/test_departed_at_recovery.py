"""Recovery knows what readers hold of items that left or came back since the last version before the checkpoint."""

from __future__ import annotations

import logging

import pytest

from tests.fakes.kafka import FakeInput
from tests.worker.world import World, event, settings


class Crash(Exception):
    """The process is gone."""


def crash_after(world: World, turns: int) -> None:
    """One life of so many turns of the loop."""
    left = iter(range(turns))

    def should_stop(_source: FakeInput) -> bool:
        if next(left, None) is None:
            raise Crash
        return False

    with pytest.raises(Crash):
        world.live(should_stop=should_stop)


def ever_new_items_and_some_that_return(n: int) -> list[bytes | None]:
    return [event(i, f"user-{i % 9}", f"item-{(i * 7) % 150 if i % 3 else i}", at_s=i) for i in range(n)]


@pytest.mark.parametrize("turns", range(12, 36, 3))
def test_rows_behind_the_checkpoint_add_up_to_the_manifest(turns: int, caplog: pytest.LogCaptureFixture) -> None:
    world = World(settings(publish={"interval_s": 0.3}, checkpoints={"interval_s": 0.2}))
    world.produce(ever_new_items_and_some_that_return(3_000))
    crash_after(world, turns)
    with caplog.at_level(logging.WARNING):
        world.live()
    assert "published rows read in full" not in caplog.text
    last = world.manifests()[-1]
    assert world.checksum_of(last) == last.checksum
