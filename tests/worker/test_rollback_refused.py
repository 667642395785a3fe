"""Rollbacks that cannot be done: the worker says so, takes the request away and goes on as it was."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from consumer.tables import Array
from consumer.worker import Ended
from tests.fakes.calls import Calls
from tests.worker.test_gate import turns
from tests.worker.test_rollback import TOPIC, ask, good_version, held_world, world_with_a_bad_day

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
