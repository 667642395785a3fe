"""From a copy to the live topic: what both hold is learned once, and a seam that cannot be crossed is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consumer.errors import Fatal
from consumer.events.admission import GREATEST_MS
from consumer.events.codec import JsonCodec
from consumer.events.id_window import N_FORGOTTEN_EARLY
from consumer.replay import seam
from consumer.replay.merged_reader import EndOfRange, MergedReader
from consumer.replay.ranges import FoundRange, Peek
from consumer.settings import Settings
from consumer.tables import Array
from consumer.term import new_state
from tests.replay.partitions import FakePartitions
from tests.replay.worlds import ReplayWorld
from tests.worker.world import START_S, event, settings

N = 600
STEP_S = 5
OF_ITEMS = ("items.", "popularity.", "users.")


def chosen(**changes: Any) -> Settings:
    return settings(catalogue={"max_items": 300}, evaluation={"sample_one_in": 1_000_000}, **changes)


def at_ms(k: float) -> int:
    """Event time of the k-th event."""
    return int((START_S + STEP_S * k) * 1000)


def stream() -> list[bytes]:
    return [event(k, f"user-{k % 17}", f"item-{k % 23}", at_s=STEP_S * k) for k in range(N)]


def of_copy(directory: Path, n: int, of: Settings) -> dict[str, Array]:
    """The state of a replay of the first n events, all in one partition."""
    world = ReplayWorld(of, {0: stream()[:n]}, directory)
    world.live()
    return dict(world.newest_checkpoint())


def learned_on(arrays: dict[str, Array], partitions: dict[int, list[bytes | None]], of: Settings) -> dict[str, Any]:
    """What is learned on top of a state; the live topic's partitions, merged."""
    state = new_state(of)
    state.restore("crossed", arrays)
    codec = JsonCodec(of.input)
    reader = MergedReader(FakePartitions(partitions), codec.decode, 25)
    counts: Counter[str] = Counter()
    while True:
        try:
            decoded = reader.next()
        except EndOfRange:
            break
        if decoded is not None:
            batch = state.admission.admit(decoded.events)
            state.trainer.learn(batch)
            counts.update(batch.counts())
    tables = {
        f"{table}.{name}": array[: of_table.n_rows].copy()
        for table, of_table in state.model.tables().items()
        for name, array in of_table.arrays.items()
    }
    return {"counts": counts, "state": {**tables, **state.model.small()}}


def whole(of: Settings) -> dict[str, Any]:
    """All events once, in their order."""
    return learned_on({**empty(of)}, {0: list(stream())}, of)


def empty(of: Settings) -> dict[str, Array]:
    state = new_state(of)
    arrays = {
        f"{table}.{name}": array[: of_table.n_rows]
        for table, of_table in state.tables().items()
        for name, array in of_table.arrays.items()
    }
    return {**arrays, **state.small()}


@pytest.mark.parametrize("overlap", [1, 60, 120])
def test_what_both_hold_is_learned_once_whatever_the_live_topic_still_has_from_before(
    tmp_path: Path, overlap: int
) -> None:
    """The copy ends at event 400; the live topic has everything, in two partitions, also what came before the seam."""
    of = chosen()
    from_ms = at_ms(400 - overlap)
    arrays = of_copy(tmp_path, 400, of)
    seam.require_possible("copy", arrays, of, from_ms)
    live: dict[int, list[bytes | None]] = {0: list(stream()[::2]), 1: list(stream()[1::2])}
    found = learned_on(seam.crossed(arrays, from_ms, 2, of), live, of)
    assert found["counts"]["admitted"] == N - 400
    assert found["counts"]["duplicate"] + found["counts"]["late"] == 400
    once = whole(of)["state"]
    for name in once:
        if name.startswith(OF_ITEMS):
            assert found["state"][name].tobytes() == once[name].tobytes(), name


def test_a_seam_that_loses_or_doubles_events_is_refused(tmp_path: Path) -> None:
    of = chosen(input={"dedupe": {"window_s": 600.0}})
    arrays = of_copy(tmp_path, 400, of)
    end_ms = int(arrays["admission.clock"][GREATEST_MS])
    assert end_ms == at_ms(399)
    seam.require_possible("copy", arrays, of, end_ms - 600_000)
    with pytest.raises(Fatal, match=r"lies behind the end of copy.*learned by nobody"):
        seam.require_possible("copy", arrays, of, end_ms + 1)
    with pytest.raises(Fatal, match=r"lies 601 s before the end.*remembered for 600 s.*learned twice"):
        seam.require_possible("copy", arrays, of, end_ms - 601_000)


def test_ids_that_were_forgotten_early_are_missed(tmp_path: Path) -> None:
    of = chosen(input={"dedupe": {"max_entries": 50}})
    arrays = of_copy(tmp_path, 400, of)
    assert arrays["admission.clock"][N_FORGOTTEN_EARLY] > 0
    seam.require_possible("copy", arrays, of, at_ms(360))
    with pytest.raises(Fatal, match=r"forgotten event ids early.*input\.dedupe\.max_entries"):
        seam.require_possible("copy", arrays, of, at_ms(340))


def test_a_live_topic_that_begins_behind_the_seam_has_a_gap() -> None:
    def found(held: int, first_ms: int) -> FoundRange:
        return FoundRange(0, (held, 100), (held, 100), held, 100, Peek(held, first_ms), None, None)

    seam.require_no_gap("events", [found(0, at_ms(10)), found(40, at_ms(1))], at_ms(5))
    with pytest.raises(Fatal, match=r"events \[0\] begins at .* retention has deleted what came in"):
        seam.require_no_gap("events", [found(40, at_ms(10))], at_ms(5))


def test_events_without_ids_of_their_own_are_refused_and_bad_ones_are_no_matter() -> None:
    good = event(1, "ann", "lamp", at_s=0)
    seam.require_ids("copy", [good, None, b"{broken", b"[]"], "event_id")
    with pytest.raises(Fatal, match="copy: events without 'event_id' get their ids from where they lie"):
        seam.require_ids("copy", [good, b'{"user_id": "ann"}'], "event_id")


def test_the_crossed_state_leaves_the_replays_own_as_it_was(tmp_path: Path) -> None:
    of = chosen()
    arrays = of_copy(tmp_path, 100, of)
    before = {name: array.copy() for name, array in arrays.items()}
    seam.crossed(arrays, at_ms(90), 4, of)
    assert all(np.array_equal(arrays[name], before[name], equal_nan=arrays[name].dtype.kind == "f") for name in before)
