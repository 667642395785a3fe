"""What is said about a range before it is read."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.errors import BadRequest
from consumer.replay.ranges import AskedRange, FoundRange, Peek, remarks, require_sensible, require_something

HOUR_MS = 3_600_000
NEW_YEAR_MS = 1_767_225_600_000  # 2026-01-01


def found(partition: int = 0, **changes: Any) -> FoundRange:
    """A partition of a hundred records, one an hour, asked for as it is."""
    usual: dict[str, Any] = {
        "wished": (0, 100),
        "held": (0, 100),
        "start": 0,
        "end": 100,
        "first": Peek(0, NEW_YEAR_MS),
        "last": Peek(99, NEW_YEAR_MS + 99 * HOUR_MS),
    }
    usual |= changes
    return FoundRange(partition, **{"newest": usual["last"], **usual})


def said(asked: AskedRange, *ranges: FoundRange, is_compacted: bool = False) -> list[str]:
    return remarks("events", asked, ranges, is_compacted=is_compacted)


def test_nothing_is_said_about_a_range_that_is_there_as_asked() -> None:
    assert said(AskedRange(), found()) == []


def test_what_retention_deleted_of_the_whole_topic_is_said_with_the_time_of_what_is_left() -> None:
    ranges = found(wished=(40, 100), held=(40, 100), start=40, first=Peek(40, NEW_YEAR_MS))
    assert said(AskedRange(), ranges) == [
        "events [0]: retention has deleted the first 40 records; what is left begins at 40, at 2026-01-01T00:00:00Z"
    ]


def test_what_retention_deleted_of_the_offsets_asked_for_is_said() -> None:
    asked = AskedRange(from_offsets={0: 10})
    ranges = found(wished=(10, 100), held=(40, 100), start=40)
    assert said(asked, ranges) == ["events [0]: retention has deleted offsets 10 to 39; what is left begins behind"]


def test_a_topic_that_is_shorter_than_asked_a_compacted_one_and_an_empty_partition_are_told() -> None:
    asked = AskedRange(to_offsets={0: 500})
    ranges = (found(wished=(0, 500)), found(1, start=100, first=None, last=None))
    assert said(asked, *ranges, is_compacted=True) == [
        "events is compacted: of records with the same key only the newest remain, and only those are learned",
        "events [0]: the topic is shorter than asked: it ends at 100, not at 500",
        "events [1]: no record in this range",
    ]


def test_time_that_runs_backwards_is_told() -> None:
    asked = AskedRange(from_ms=NEW_YEAR_MS, to_ms=NEW_YEAR_MS + HOUR_MS)
    out_of_order = found(wished=(70, 20), start=70, end=70, first=None, last=None)
    falling = found(1, first=Peek(0, NEW_YEAR_MS + HOUR_MS), last=Peek(99, NEW_YEAR_MS))
    assert said(asked, out_of_order, falling) == [
        "events [0]: time runs backwards: the first record of --to lies in front of that of --from (timestamps are out "
        "of order); nothing of it is read",
        "events [1]: time runs backwards: the first record is of 2026-01-01T01:00:00Z, the last one of "
        "2026-01-01T00:00:00Z",
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (AskedRange(from_ms=HOUR_MS, to_ms=HOUR_MS), "time runs forward: --from 1970-01-01T01:00:00Z is not before"),
        (
            AskedRange(from_offsets={2: 7}, to_offsets={2: 7}),
            "partition 2: --from-offsets 7 is not before --to-offsets 7",
        ),
    ],
)
def test_a_range_that_ends_before_it_begins_is_refused(asked: AskedRange, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        require_sensible(asked)


def test_a_range_is_refused_only_where_no_partition_has_a_record_of_it() -> None:
    empty = found(1, start=100, first=None, last=None, newest=Peek(99, NEW_YEAR_MS))
    require_something("events", AskedRange(), [found(), empty])
    with pytest.raises(BadRequest, match="no record in this range; the newest one is of 2026-01-01"):
        require_something("events", AskedRange(), [empty])


def test_a_range_that_retention_has_deleted_is_refused_with_that_reason() -> None:
    gone = found(held=(40, 100), start=40, end=40, first=None, last=None, newest=Peek(99, NEW_YEAR_MS))
    with pytest.raises(BadRequest, match=r"older ones were deleted \(retention\)"):
        require_something("events", AskedRange(to_ms=NEW_YEAR_MS), [gone])
