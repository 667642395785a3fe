"""What `freshrank replay` says: what it would read, how far it is, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from consumer.cli import console
from consumer.replay.progress import ReplayProgress
from consumer.replay.ranges import Peek, time_text

if TYPE_CHECKING:
    from consumer.replay.replayer import Replayed
    from consumer.replay_app import Overview


def say_overview(seen: Overview, *, as_json: bool) -> None:
    """Records are counted by offsets: there may be fewer."""
    if as_json:
        partitions = {
            name: {
                "from": one.start,
                "to": one.end,
                "records_at_most": one.n_offsets,
                "first": _time(one.first),
                "last": _time(one.last),
            }
            for name, one in zip(seen.names, seen.found, strict=True)
        }
        console.say_json({"topic": seen.topic, "partitions": partitions, "remarks": list(seen.remarks)})
        return
    console.table(
        f"{seen.topic}: {sum(one.n_offsets for one in seen.found):,} records at most",
        {
            "file" if seen.files else "partition": list(seen.names),
            "offsets": [f"{one.start} … {one.end}" for one in seen.found],
            "first": [_time(one.first) or "-" for one in seen.found],
            "last": [_time(one.last) or "-" for one in seen.found],
            "records at most": [f"{one.n_offsets:,}" for one in seen.found],
        },
    )
    for text in seen.remarks:
        console.warn(text)


@contextmanager
def progress_line(name: str) -> Iterator[Callable[[ReplayProgress], None]]:
    """A bar on stderr with share, event time, rate and time left; silent when stderr is no terminal."""
    with console.progress_bar(name, 1_000_000, "{task.fields[told]}", told="") as on_progress:

        def show(progress: ReplayProgress) -> None:
            at = "" if progress.event_time_ms is None else f" at {time_text(progress.event_time_ms)}"
            told = f"{progress.n_records:,} records{at}, {progress.records_per_s:,.0f}/s"
            on_progress(round(progress.share * 1_000_000), told=told)

        yield show


def say_replayed(name: str, replayed: Replayed, *, as_json: bool) -> None:
    reached = None if replayed.event_time_ms is None else time_text(replayed.event_time_ms)
    rate = replayed.n_records / replayed.seconds if replayed.seconds else 0.0
    if as_json:
        console.say_json(
            {
                "model": name,
                "is_complete": replayed.is_complete,
                "records": replayed.n_records,
                "outcomes": dict(replayed.outcomes),
                "seconds": round(replayed.seconds, 3),
                "records_per_s": round(rate, 1),
                "event_time": reached,
            }
        )
        return
    told = ", ".join(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in sorted(replayed.outcomes.items()))
    console.say(
        f"{replayed.n_records:,} records in {replayed.seconds:.1f} s ({rate:,.0f}/s), up to event time "
        f"{reached or 'none'}: {told or 'nothing was left to read'}"
    )
    n_late = replayed.outcomes["late"] + replayed.outcomes["late_popularity_only"]
    if n_late:
        console.warn(
            f"time runs backwards: {n_late:,} events came more than input.lateness_s behind others of their partition"
        )
    if not replayed.is_complete:
        console.say("stopped; the same command goes on from here", style="yellow")
    elif replayed.n_records and not replayed.outcomes["admitted"]:
        console.warn("not one event was learned; compare the input with input.fields, time_format and event_types")


def _time(peek: Peek | None) -> str | None:
    return None if peek is None else time_text(peek.timestamp_ms)
