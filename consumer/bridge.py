"""Builds the bridge from a replay of files, or of a copy, to the live topic; see `consumer.replay.seam`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from consumer.checkpoints.local_store import LocalStore
from consumer.checkpoints.lock import locked
from consumer.clock import SystemClock
from consumer.errors import Fatal
from consumer.kafka.range_reader import values_in
from consumer.kafka.ranges import found_ranges
from consumer.read_ahead import SWITCH_INTERVAL_S
from consumer.replay import beginning, seam
from consumer.replay.beginning import Begun
from consumer.replay.finished import Finished
from consumer.replay.plan import ReplayPlan, replay_settings, write_plan
from consumer.replay.ranges import AskedRange
from consumer.replay.replayer import OnProgress, Replayed
from consumer.replay_app import ReplayProcess, ReplayRequest
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.term import new_state

N_SAMPLED: Final = 200
"""Events of each partition that are looked at for ids of their own."""


def build(
    live: Settings,
    store: LocalStore,
    finished: Finished,
    from_ms: int,
    should_stop: Callable[[], bool],
    on_progress: OnProgress,
) -> tuple[str, Replayed]:
    """Name and outcome of a replay that goes on from the finished one in the live topic, from that time to its end as
    it is now. It always begins anew. Raises Fatal where the seam would lose or double events."""
    name = f"{finished.name}-to-live"
    settings, asked = replay_settings(live, name), AskedRange(from_ms=from_ms)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    topic, directory = settings.input.topic, Path(settings.checkpoints.directory)
    arrays = store.replay(finished.name).arrays(finished.checkpoint)
    seam.require_possible(finished.name, arrays, settings, from_ms)
    found = found_ranges(settings, asked)
    seam.require_no_gap(topic, found, from_ms)
    starts = {one.partition: (one.start, min(one.end, one.start + N_SAMPLED)) for one in found}
    _require_ids(settings, topic, starts)
    _require_ids_of_replay(live, finished)
    with locked(directory, name):
        own = LocalStore(directory)
        beginning.forget(settings, own)
        state = new_state(settings)
        state.restore(finished.checkpoint, seam.crossed(arrays, from_ms, len(found), settings))
        plan = ReplayPlan(
            topic=topic,
            ranges={one.partition: (one.start, one.end) for one in found},
            asked=f"{finished.name} and the live topic behind it",
            begun_at=formats.timestamp(SystemClock().wall_s()),
        )
        write_plan(directory, plan)
        begun = Begun(plan, {one.partition: one.start for one in found}, None, finished.notes.forgotten)
        process = ReplayProcess(settings, live, ReplayRequest(name, asked, plan.asked))
        return name, process.run(begun, own, state, should_stop, on_progress)


def _require_ids(settings: Settings, where: str, ranges: Mapping[int, tuple[int, int]]) -> None:
    seam.require_ids(where, values_in(settings, ranges), settings.input.fields.event_id)


def _require_ids_of_replay(live: Settings, finished: Finished) -> None:
    for mark in finished.plan.files:
        if not mark.has_event_ids:
            raise Fatal(
                f"{mark.place}: rows without an event id were given one by their number, which the live topic doesn't "
                "know, so an overlap would be learned twice"
            )
    if not finished.plan.files:
        settings = replay_settings(live, finished.name, finished.plan.topic)
        tails = {p: (max(start, end - N_SAMPLED), end) for p, (start, end) in finished.plan.ranges.items()}
        _require_ids(settings, finished.plan.topic, tails)
