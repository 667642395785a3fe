"""What a replay was asked to read, what a topic holds of it, and what has to be said about that beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from consumer.errors import BadRequest


@dataclass(frozen=True, slots=True)
class AskedRange:
    """From the first record at or after `from_ms` to before the first one at or after `to_ms`, by the records' own
    timestamps; offsets win over times. Nothing given: the whole topic as it is now."""

    from_ms: int | None = None
    to_ms: int | None = None
    from_offsets: Mapping[int, int] = field(default_factory=dict)
    to_offsets: Mapping[int, int] = field(default_factory=dict)


class Peek(NamedTuple):
    """One record, by its own timestamp."""

    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class FoundRange:
    """Of one partition: `start` … `end` - 1 is to be read."""

    partition: int
    wished: tuple[int, int]
    """Where the range would begin and end."""
    held: tuple[int, int]
    """First offset that still exists, and the end of the log."""
    start: int
    end: int
    first: Peek | None
    """The first and the last record of the range; None: it has none."""
    last: Peek | None
    newest: Peek | None
    """The last record of the partition."""

    @property
    def n_offsets(self) -> int:
        """No fewer than its records: compaction and transactions leave offsets without one."""
        return self.end - self.start


def require_sensible(asked: AskedRange) -> None:
    """Raises BadRequest for what no topic could give."""
    if asked.from_ms is not None and asked.to_ms is not None and asked.from_ms >= asked.to_ms:
        raise BadRequest(
            f"time runs forward: --from {time_text(asked.from_ms)} is not before --to {time_text(asked.to_ms)}"
        )
    for partition, start in asked.from_offsets.items():
        end = asked.to_offsets.get(partition)
        if end is not None and start >= end:
            raise BadRequest(f"partition {partition}: --from-offsets {start} is not before --to-offsets {end}")


def require_something(topic: str, asked: AskedRange, found: Sequence[FoundRange]) -> None:
    """Raises BadRequest where nothing can be read of what was asked, and says why."""
    there = {one.partition for one in found}
    unknown = sorted({*asked.from_offsets, *asked.to_offsets} - there)
    if unknown:
        raise BadRequest(f"{topic} has no partition {_listed(unknown)}; it has {_listed(sorted(there))}")
    for one in found:
        if one.partition in asked.from_offsets and one.wished[0] > one.held[1]:
            raise BadRequest(
                f"{topic} [{one.partition}]: --from-offsets {one.wished[0]} lies past the end, which is {one.held[1]}"
            )
    if any(one.last is not None for one in found):
        return
    newest = max((one.newest.timestamp_ms for one in found if one.newest is not None), default=None)
    if newest is None:
        raise BadRequest(f"{topic} holds no record: there is nothing to replay")
    if asked.from_ms is not None and newest < asked.from_ms:
        raise BadRequest(
            f"{topic}: --from {time_text(asked.from_ms)} lies past the end; the newest record is of {time_text(newest)}"
        )
    gone = [one for one in found if one.held[0] > 0]
    why = "; older ones were deleted (retention)" if gone else ""
    raise BadRequest(f"{topic} holds no record in this range{why}; the newest one is of {time_text(newest)}")


def remarks(topic: str, asked: AskedRange, found: Sequence[FoundRange], *, is_compacted: bool) -> list[str]:
    """What an operator has to know before the range is read, one sentence each."""
    said = []
    if is_compacted:
        said.append(
            f"{topic} is compacted: of records with the same key only the newest remain, and only those are learned"
        )
    for one in found:
        said += [f"{topic} [{one.partition}]: {text}" for text in _remarks(asked, one)]
    return said


def _remarks(asked: AskedRange, one: FoundRange) -> list[str]:
    said = []
    first_held, end_held = one.held
    if one.wished[0] < first_held:
        said.append(f"retention has deleted offsets {one.wished[0]} to {first_held - 1}; what is left begins behind")
    elif first_held > 0 and one.start == first_held and one.partition not in asked.from_offsets:
        since = f", at {time_text(one.first.timestamp_ms)}" if one.first else ""
        said.append(f"retention has deleted the first {first_held} records; what is left begins at {first_held}{since}")
    if one.wished[1] > end_held:
        said.append(f"the topic is shorter than asked: it ends at {end_held}, not at {one.wished[1]}")
    if one.wished[0] > one.wished[1]:
        said.append(
            "time runs backwards: the first record of --to lies in front of that of --from (timestamps are out of "
            "order); nothing of it is read"
        )
    elif one.last is None:
        said.append("no record in this range")
    if one.first is not None and one.last is not None and one.first.timestamp_ms > one.last.timestamp_ms:
        said.append(
            f"time runs backwards: the first record is of {time_text(one.first.timestamp_ms)}, the last one of "
            f"{time_text(one.last.timestamp_ms)}"
        )
    return said


def time_text(time_ms: int) -> str:
    """RFC 3339 in UTC, to the second."""
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _listed(partitions: Sequence[int]) -> str:
    return ", ".join(map(str, partitions)) or "none"
