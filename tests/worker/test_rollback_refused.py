"""Rollbacks that cannot be done: the worker says so, takes the request away and goes on as it was."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consumer.tables import Array
from tests.worker.test_gate import turns
from tests.worker.test_rollback import TOPIC, ask, good_version, world_with_a_bad_day

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
