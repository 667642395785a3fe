"""Rollbacks that cannot be done: the worker says so, takes the request away and goes on as it was."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from consumer.tables import Array
from consumer.worker import Ended
from tests.fakes.calls import Calls
from tests.fakes.kafka import FakeInput
from tests.worker.test_gate import turns, walks
from tests.worker.test_rollback import TOPIC, ask, good_version, held_world, is_done, newest, world_with_a_bad_day
from tests.worker.world import World

Arrays = dict[str, Array]


def without_a_learned_array(arrays: Arrays) -> None:
    del arrays["items.keys"]


def without_what_was_published(arrays: Arrays) -> None:
    del arrays["published.related_hash"]


def with_narrower_rows(arrays: Arrays) -> None:
    arrays["published.neighbour"] = arrays["published.neighbour"][:, :4]


@pytest.mark.parametrize("change", [without_a_learned_array, without_what_was_published, with_narrower_rows])
def test_a_checkpoint_of_another_release_is_not_returned_to(change: Callable[[Arrays], None]) -> None:
    world, _ = world_with_a_bad_day()
    name = ask(world, version=good_version(world))
    change(world.disk.complete[name].arrays)
    learned, n_versions = dict(world.learned_state()), len(world.manifests())
    world.live(should_stop=turns(60))
    assert world.disk.request is None
    assert dict(world.learned_state()) == learned
    assert len(world.manifests()) > n_versions


def test_what_was_deleted_from_the_input_cannot_be_relearned() -> None:
    world, _ = world_with_a_bad_day()
    ask(world, version=good_version(world), relearn=True)
    world.cluster.logs(TOPIC)[0].first = 1_200
    learned, n_versions = dict(world.learned_state()), len(world.manifests())
    world.live(should_stop=turns(60))
    assert world.disk.request is None
    assert dict(world.learned_state()) == learned
    assert len(world.manifests()) > n_versions


class FailingOnce:
    """The medium refuses the first of these calls."""

    def __init__(self, name: str) -> None:
        self._name: str | None = name
        self.calls = Calls(before_call=self._refuse)

    def _refuse(self, name: str) -> None:
        if name == self._name:
            self._name = None
            raise OSError(errno.ENOSPC, "no space left on device")


def test_a_rollback_due_by_itself_waits_for_a_disk_that_is_full() -> None:
    world = held_world(rollback_after_s=3.0)
    last = world.manifests()[-1].version
    assert world.live(FailingOnce("put_request").calls, should_stop=turns(600)) is Ended.STOPPED
    assert world.manifests()[-1].version > last
    assert len(world.manifests()[-1].discarded) == 1


class Sleeper:
    """A writer that is suspended just before it writes its request, and wakes when its successor has mended all."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._source: FakeInput | None = None
        self.calls = Calls(before_call=self._sleep)

    def goes_on(self, source: FakeInput) -> bool:
        self._source = source
        return False

    def _sleep(self, name: str) -> None:
        if name != "put_request" or self._source is None:
            return
        world, source, self._source = self._world, self._source, None
        world.cluster.leave(source.group, source)
        world.live(should_stop=turns(400), instance="successor")
        assert len(newest(world).discarded) == 1
        world.produce(walks(200, start=1_200))
        world.live(should_stop=is_done(world), instance="successor")
        assert world.telemetry.judgements[-1] is None


def test_a_writer_that_was_succeeded_meanwhile_rolls_nothing_back() -> None:
    world = held_world(rollback_after_s=3.0)
    world.settings = world.settings.model_copy(
        update={"checkpoints": world.settings.checkpoints.model_copy(update={"keep": 100})}
    )
    sleeper = Sleeper(world)
    assert world.live(sleeper.calls, should_stop=sleeper.goes_on) is Ended.LEASE_LOST
    assert world.disk.request is not None
    learned, discarded = dict(world.learned_state()), newest(world).discarded
    world.live(should_stop=turns(60), instance="successor")
    assert world.disk.request is None
    assert newest(world).discarded == discarded
    assert dict(world.learned_state()) == learned
