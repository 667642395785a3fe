"""A replay among fakes: the worker's own state for one partition, and nothing lost or doubled by a crash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from consumer.errors import BadRequest, Fatal
from tests.fakes.calls import Calls, Crash
from tests.replay.worlds import ReplayWorld
from tests.worker.test_crash_anywhere import stream
from tests.worker.world import World, event, settings

Values = Mapping[int, Sequence[bytes | None]]
WRITING = frozenset({"begin_checkpoint", "write_array", "commit_checkpoint", "remove_checkpoint"})


def over_partitions() -> Values:
    """Three partitions at the same times, one of which has less to say, and one nothing at all."""
    return {
        p: [event(1_000 * p + n, f"user-{p}-{n % 9}", f"item-{n % (11 + p)}", at_s=step * n) for n in range(n_events)]
        for p, (n_events, step) in enumerate(((300, 3), (200, 5), (40, 20), (0, 1)))
    }


def new_world(values: Values, tmp_path: Path, **changes: dict[str, object]) -> ReplayWorld:
    return ReplayWorld(settings(**changes), values, tmp_path)


def test_one_partition_gives_the_state_of_the_live_worker(tmp_path: Path) -> None:
    worker = World(settings())
    worker.produce(stream())
    worker.live()
    replay = new_world({0: stream()}, tmp_path)
    replayed = replay.live()
    assert replayed.is_complete
    assert replayed.n_records == len(stream())
    ours, theirs = replay.learned_state(), worker.learned_state()
    assert [name for name in theirs if ours[name] != theirs[name]] == []


def test_what_was_learned_of_several_partitions_does_not_depend_on_when_they_were_fetched(tmp_path: Path) -> None:
    states = []
    for seed in range(5):
        world = new_world(over_partitions(), tmp_path / str(seed))
        world.live(seed=seed)
        states.append(world.learned_state())
    assert all(state == states[0] for state in states)


class CrashAt:
    """Ends the process at the k-th moment before or after a call that writes."""

    def __init__(self, k: int | None = None) -> None:
        self.n_moments = 0
        self._k = k
        self.calls = Calls(before_call=self._pass, after_call=self._pass)

    def _pass(self, name: str) -> None:
        if name in WRITING:
            self.n_moments += 1
            if self._k is not None and self.n_moments == self._k + 1:
                raise Crash(name)


@cache
def undisturbed() -> tuple[Mapping[str, bytes], int]:
    world, hooks = new_world(over_partitions(), Path("nowhere")), CrashAt()
    world.live(hooks.calls)
    return world.learned_state(), hooks.n_moments


@pytest.fixture
def no_plan_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # where the plan of a world without a directory of its own goes


@pytest.mark.usefixtures("no_plan_files")
def test_a_crash_at_any_writing_call_loses_and_doubles_nothing(tmp_path: Path) -> None:
    expected, n_moments = undisturbed()
    assert n_moments > 200
    for k in range(0, n_moments, 7):
        world = new_world(over_partitions(), tmp_path / str(k))
        with pytest.raises(Crash):
            world.live(CrashAt(k).calls, seed=1)
        world.live(seed=2)
        assert world.learned_state() == expected, f"moment {k}"


def test_a_stop_saves_what_was_learned_and_the_next_process_goes_on_from_there(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    stopped = world.live(should_stop=lambda: bool(world.shares) and world.shares[-1] > 0.4)
    assert not stopped.is_complete
    assert 0 < stopped.n_records < len(stream())
    finished = world.live()
    assert finished.is_complete
    assert stopped.n_records + finished.n_records == len(stream())
    assert world.shares == sorted(world.shares)
    assert world.shares[-1] == 1.0
    whole = new_world({0: stream()}, tmp_path / "whole")
    whole.live()
    assert world.learned_state() == whole.learned_state()


def test_a_replay_that_is_done_stays_as_it_is(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    world.live()
    before = dict(world.disk.complete)
    assert world.live().n_records == 0
    assert dict(world.disk.complete) == before


def test_a_lost_checkpoint_costs_what_was_learned_since_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    world.live()
    learned = world.learned_state()
    del world.disk.complete[max(world.disk.complete)]
    assert 0 < world.live().n_records < len(stream())
    assert world.learned_state() == learned


def test_another_range_under_the_same_name_is_refused(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    world.live()
    with pytest.raises(BadRequest, match="was begun for the whole topic, not for --from 2026-01-01"):
        world.live(asked="--from 2026-01-01")


def test_checkpoints_that_nobody_knows_the_range_of_are_refused(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    world.live()
    (Path(world.settings.checkpoints.directory) / "replay.json").unlink()
    with pytest.raises(Fatal, match=r"checkpoints but no replay\.json"):
        world.live()


def test_too_many_bad_records_stop_it_in_front_of_the_first_not_taken_however_often_it_is_started(
    tmp_path: Path,
) -> None:
    values = [*stream()[:30], *[b"{broken"] * 9, *stream()[30:60]]
    world = new_world({0: values}, tmp_path, input={"dead_letters": {"max_in_a_row": 5}})
    for _ in range(3):
        with pytest.raises(Fatal, match=r"more than 5 in a row.*partition 0 offset 35, which is undecodable"):
            world.live()
    assert world.telemetry.dead_letter_totals["undecodable"] == 5 + 1  # one of the stream's own
    assert world.telemetry.n_learned == 35


def test_what_was_taken_is_saved_before_a_fault_of_reading_is_raised(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    with pytest.raises(Fatal, match="the log ends here"):
        world.live(fails_after=100)
    assert world.telemetry.n_learned == 100
    assert world.live().n_records == len(stream()) - 100


def test_a_full_disk_is_told_and_ends_the_replay_only_where_nothing_more_can_be_saved(tmp_path: Path) -> None:
    world = new_world({0: stream()}, tmp_path)
    world.disk.is_full = True
    with pytest.raises(Fatal, match="no checkpoint could be saved"):
        world.live()
    assert set(world.telemetry.checkpoint_failures) == {"no_space"}
    world.disk.is_full = False
    assert world.live().n_records == len(stream())
