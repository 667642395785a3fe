"""The seam between a replay of files, or of a copy, and the live topic: where one ends the other goes on.

Positions of the one mean nothing in the other, so the seam is a time. From there on the live topic is read, and what
both hold is told by the event ids: hence these have to be the same in both, and the overlap no longer than they are
remembered. The bridge is a replay too: it reads the live topic's partitions merged in event time, so that no partition
runs ahead and makes the window forget ids that another one still brings. Behind it positions are those of the live
topic, and the promotion is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from consumer.errors import Fatal
from consumer.events.admission import GREATEST_MS, LEAST_MS
from consumer.events.id_window import HEAD, N_FORGOTTEN_EARLY, N_IDS
from consumer.replay.ranges import FoundRange, time_text
from consumer.settings import Settings
from consumer.tables import Array
from consumer.unreadable_json import UNREADABLE_JSON

Arrays = Mapping[str, Array]


def require_possible(name: str, arrays: Arrays, settings: Settings, from_ms: int) -> None:
    """Raises Fatal unless the overlap is there and no longer than ids are remembered. `arrays`: of the replay."""
    clock = arrays["admission.clock"]
    end_ms, window_s = int(clock[GREATEST_MS]), settings.input.dedupe.window_s
    if from_ms > end_ms:
        raise Fatal(
            f"--from-time {time_text(from_ms)} lies behind the end of {name}, {time_text(end_ms)}: what came in between"
            " would be learned by nobody. Name a time before that end"
        )
    if end_ms - from_ms > 1000 * window_s:
        raise Fatal(
            f"--from-time {time_text(from_ms)} lies {(end_ms - from_ms) / 1000:,.0f} s before the end of {name}, "
            f"{time_text(end_ms)}, but event ids are remembered for {window_s:g} s (input.dedupe.window_s): what came "
            "in before would be learned twice"
        )
    if clock[N_FORGOTTEN_EARLY] and _oldest_ms(arrays) > from_ms:
        raise Fatal(
            f"{name} has forgotten event ids early: those of {time_text(from_ms)} are gone. Raise "
            "input.dedupe.max_entries and replay it again"
        )


def require_no_gap(topic: str, found: Iterable[FoundRange], from_ms: int) -> None:
    """Raises Fatal where the live topic no longer holds what came in from that time on."""
    for one in found:
        if one.held[0] > 0 and one.start == one.held[0] and one.first and one.first.timestamp_ms > from_ms:
            raise Fatal(
                f"{topic} [{one.partition}] begins at {time_text(one.first.timestamp_ms)} by now: retention has "
                f"deleted what came in from {time_text(from_ms)} on"
            )


def require_ids(where: str, values: Iterable[bytes | None], member: str) -> None:
    """Raises Fatal where one of these events brings no id of its own."""
    for value in values:
        try:
            event = msgspec.json.decode(value or b"", type=dict[str, object])
        except UNREADABLE_JSON:
            continue  # a dead letter; it is learned neither here nor there
        if event.get(member) in (None, ""):
            raise Fatal(
                f"{where}: events without {member!r} get their ids from where they lie, which is somewhere else in the "
                "live topic, so an overlap would be learned twice"
            )


def crossed(arrays: Arrays, from_ms: int, n_partitions: int, settings: Settings) -> dict[str, Array]:
    """The state to go on with in the live topic, of so many partitions.

    The replay has everything up to its end, so an event from before the seam is one that it has, however late the live
    topic brings it: each partition begins so far ahead that such events are late. All ids that are remembered count as
    those of partition 0, which they stay with until its time has passed them.
    """
    reached_ms = from_ms + round(1000 * settings.input.lateness_s)
    clock = arrays["admission.clock"].copy()
    clock[GREATEST_MS] = max(int(clock[GREATEST_MS]), reached_ms)
    clock[LEAST_MS] = reached_ms
    return {
        **arrays,
        "admission.clock": clock,
        "admission.partition_ms": np.full(n_partitions, reached_ms, np.int64),
        "window.partitions": np.zeros_like(arrays["window.partitions"]),
    }


def _oldest_ms(arrays: Arrays) -> int:
    clock, times_ms = arrays["admission.clock"], arrays["window.times_ms"]
    places = (int(clock[HEAD]) + np.arange(int(clock[N_IDS]))) % max(1, len(times_ms))
    return int(times_ms[places].min(initial=np.iinfo(np.int64).max))
