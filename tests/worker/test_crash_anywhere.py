"""Crash at every call of a port, before it and after it took effect; what comes out is as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Sequence
from functools import cache

import pytest

from consumer.snapshots.formats import Manifest
from tests.fakes.calls import Calls, Crash
from tests.worker.world import World, event, settings

EFFECTS = frozenset(
    (
        "open", "begin", "write", "flush", "commit", "abort", "commit_offsets", "start_reading", "poll",
        "begin_checkpoint", "write_rows", "write_array", "commit_checkpoint", "remove_checkpoint",
    )
)  # fmt: skip
"""Calls that change something; a crash at any other call is one just after the last of these."""


def stream() -> list[bytes | None]:
    """Visits of a few shoppers to more items than the model holds, with everything in between that isn't learned."""
    rng = random.Random(7)
    values: list[bytes | None] = []
    for n in range(400):
        user, item = f"user-{rng.randrange(40)}", f"item-{rng.randrange(1 + n // 2)}"
        values.append(
            event(n, user, item, at_s=3 * n, event_type=rng.choice(["view", "view", "cart", "remove_from_cart"]))
        )
        if n % 37 == 5:
            values.append(b"{broken")
        if n % 53 == 7:
            values.append(event(n, user, item, at_s=3 * n))  # a duplicate
        if n % 61 == 9:
            values.append(None)
        if n % 71 == 11:
            values.append(event(10_000 + n, user, item, at_s=-10_000))  # late
    return values


def new_world() -> World:
    world = World(settings())
    world.produce(stream())
    return world


class CrashAt:
    """Hooks that end the process at the k-th moment before or after a call that changes something."""

    def __init__(self, k: int | None) -> None:
        self.moments: list[str] = []
        self._k = k
        self.calls = Calls(
            before_call=lambda name: self._pass("before", name), after_call=lambda name: self._pass("after", name)
        )

    def _pass(self, when: str, name: str) -> None:
        if name not in EFFECTS:
            return
        self.moments.append(f"{when} {name}")
        if self._k is not None and len(self.moments) == self._k + 1:
            raise Crash(self.moments[-1])


@cache
def undisturbed() -> tuple[World, Sequence[str]]:
    """A run that never crashes, and its moments."""
    world, hooks = new_world(), CrashAt(None)
    world.live(hooks.calls)
    return world, tuple(hooks.moments)


def moments_worth_crashing_at() -> list[int]:
    """All but the rows in the middle of a checkpoint, which are all alike to whoever comes after."""
    _, moments = undisturbed()
    chosen = []
    for k, moment in enumerate(moments):
        is_row = moment.endswith(("write_rows", "write_array"))
        follows_its_like = k > 0 and moments[k - 1].endswith(("write_rows", "write_array"))
        if not (is_row and follows_its_like) or k % 97 == 0:
            chosen.append(k)
    return chosen


def crash_and_recover(k: int, second_crash: int | None = None) -> World:
    world = new_world()
    with pytest.raises(Crash):
        world.live(CrashAt(k).calls)
    if second_crash is not None:
        with contextlib.suppress(Crash):
            world.live(CrashAt(second_crash).calls)
    world.live()
    return world


def assert_as_if_nothing_had_happened(world: World, moment: str) -> None:
    reference, _ = undisturbed()
    assert world.dead_letter_coordinates() == reference.dead_letter_coordinates(), moment
    ours, theirs = world.learned_state(), reference.learned_state()
    assert [name for name in theirs if ours[name] != theirs[name]] == [], moment
    manifests = world.manifests()
    assert [m.version for m in manifests] == list(range(1, len(manifests) + 1)), moment
    assert_never_back_in_time(manifests, moment)
    assert [m.version for m in manifests if world.checksum_of(m) != m.checksum] == [], moment
    assert_shows_the_state(world, manifests[-1], moment)


def assert_never_back_in_time(manifests: Sequence[Manifest], moment: str) -> None:
    learned = [m.input_positions["behaviour-events"]["0"] for m in manifests]
    assert learned == sorted(learned), moment


def assert_shows_the_state(world: World, manifest: Manifest, moment: str) -> None:
    """The last version has exactly the live items, and its scores are those of the undisturbed run."""
    reference, _ = undisturbed()
    expected = reference.rows_of(reference.manifests()[-1])
    rows = world.rows_of(manifest)
    waiting = sum(manifest.rows_waiting.values()) + sum(reference.manifests()[-1].rows_waiting.values())
    assert waiting == 0, moment
    for topic in ("item-scores", "item-related"):
        assert rows[topic].keys() == expected[topic].keys(), moment
    for key, value in rows["item-scores"].items():
        score, wanted = json.loads(value)["score"], json.loads(expected["item-scores"][key])["score"]
        assert abs(score - wanted) <= 2 * max(0.02 * max(score, wanted), 0.01 / 100), moment


def test_the_undisturbed_run_does_everything_that_crashes_are_tried_on() -> None:
    world, moments = undisturbed()
    assert {moment.split()[1] for moment in moments} >= EFFECTS - {"abort"}
    assert any(m.rows["item-scores"].tombstones for m in world.manifests() if "item-scores" in m.rows)
    assert len(world.dead_letter_coordinates()) == 11
    assert len(moments_worth_crashing_at()) > 100


@pytest.mark.parametrize("part", range(12))
def test_a_crash_at_any_call_loses_and_doubles_nothing(part: int) -> None:
    _, moments = undisturbed()
    for k in moments_worth_crashing_at()[part::12]:
        assert_as_if_nothing_had_happened(crash_and_recover(k), f"crashed {moments[k]} (moment {k})")


@pytest.mark.parametrize("seed", range(30))
def test_a_crash_while_recovering_from_a_crash_loses_and_doubles_nothing(seed: int) -> None:
    rng = random.Random(seed)
    k, second = rng.choice(moments_worth_crashing_at()), rng.randrange(120)
    assert_as_if_nothing_had_happened(crash_and_recover(k, second), f"crashed at moments {k} and {second}")
