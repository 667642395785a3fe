"""Events as text: every id, number and time reads as the standard library writes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producer_tools.event_columns import EVENT_TYPES, TREND_ITEM, EventColumns, Fault
from producer_tools.event_text import rfc3339
from producer_tools.plan import SyntheticPlan, Trend
from producer_tools.records import Int64Array, RecordBlock
from producer_tools.synthetic_json import SyntheticJson

LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
PLAN = SyntheticPlan(n_users=50, n_items=700, trend=Trend('the "hot" ü\\', 0, 0.5))


def block(**columns: list[int]) -> RecordBlock:
    """Records of events with these columns; all others are 0."""
    (n,) = {len(column) for column in columns.values()}

    def column(name: str) -> Int64Array:
        return np.array(columns.get(name, [0] * n), np.int64)

    events = EventColumns(
        number=column("number"),
        user=column("user"),
        item=column("item"),
        event_type=column("event_type").astype(np.int8),
        session=column("session"),
        event_time_ms=column("event_time_ms"),
        true_time_ms=column("event_time_ms"),
        fault=column("fault").astype(np.uint8),
    )
    return SyntheticJson(PLAN).block(events)


@given(st.lists(st.integers(0, LAST_MS), min_size=1, max_size=20))
def test_times_read_as_the_standard_library_writes_them(times_ms: list[int]) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [
        f"{epoch + timedelta(milliseconds=t):%Y-%m-%dT%H:%M:%S}.{t % 1_000:03d}Z".rjust(24, "0") for t in times_ms
    ]
    assert rfc3339(np.array(times_ms, np.int64)) == expected


def test_leap_days_and_turns_of_centuries_are_right() -> None:
    days = ["1999-12-31", "2000-02-29", "2000-03-01", "2100-02-28", "2100-03-01", "2400-02-29"]
    times_ms = np.array(days, "datetime64[ms]").astype(np.int64)
    assert [text[:10] for text in rfc3339(times_ms)] == days


def test_every_kind_of_id_is_written_as_it_is_said_to_be() -> None:
    json_text = SyntheticJson(PLAN)
    users, items = [0, 49, 50, 52], [0, 699, 700, TREND_ITEM]
    found = block(user=users, item=items)
    events = [json.loads(value or b"") for value in found.values]
    assert [event["user_id"] for event in events] == [json_text.user_id(user) for user in users]
    assert [event["item_id"] for event in events] == [json_text.item_id(item) for item in items]
    assert [key and key.decode() for key in found.keys] == ["user-00", "user-49", "bot-00", "bot-02"]


@given(st.lists(st.integers(0, 10**12 - 1), min_size=1, max_size=10), st.integers(0, len(EVENT_TYPES) - 1))
def test_numbers_are_padded_with_zeros(numbers: list[int], event_type: int) -> None:
    found = block(number=numbers, session=numbers, event_type=[event_type] * len(numbers))
    for value, number in zip(found.values, numbers, strict=True):
        event = json.loads(value or b"")
        assert event["event_id"].partition("-")[2] == f"{number:012d}"
        assert event["session_id"].partition("-s")[2] == f"{number:012d}"
        assert event["event_type"] == EVENT_TYPES[event_type]


def test_a_spoilt_record_keeps_its_key_and_its_neighbours() -> None:
    plain = block(number=[1, 2, 3])
    spoilt = block(number=[1, 2, 3], fault=[0, Fault.EMPTY_ID, 0])
    assert list(spoilt.keys) == list(plain.keys)
    assert [spoilt.values[0], spoilt.values[2]] == [plain.values[0], plain.values[2]]
    assert json.loads(spoilt.values[1] or b"")["item_id"] == ""


def test_no_events_give_no_text() -> None:
    assert len(block(number=[])) == 0
