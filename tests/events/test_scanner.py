"""The scanner takes the records that it is there for, and its number and time kernels are exact."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.byte_column import PADDING
from consumer.events.plain_values import NO_TIME, decimal_number, epoch_ms, rfc3339_ms
from consumer.events.scanner import LEFT_TO_REFERENCE
from consumer.messages import Outcome
from consumer.settings import Input
from tests.events.batches import batch_of, event_json, scanner_outcomes
from tests.events.test_hashing import writable

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def outcome_of(value: bytes, **settings: object) -> int:
    return scanner_outcomes(Input.model_validate(settings), batch_of([value]))[0]


@pytest.mark.parametrize(
    "value",
    [
        event_json(),
        event_json(event_id=..., session_id=..., value=...),
        event_json(event_id=None, session_id=None, value=None, features=None),
        event_json(user_id=17, item_id="Größe ✓ 🛒"),
        event_json(features={"price": 1e-05, "brand": "né", "path": 'a"b\\'}),
        event_json(url="http://x/\n", is_new=True, none=None, score=-1e5),
        json.dumps(json.loads(event_json()), indent=2).encode(),
        event_json(event_time="2026-11-23T10:15:00.123456789+02:00"),
    ],
)
def test_ordinary_records_are_decoded_by_the_scanner(value: bytes) -> None:
    assert outcome_of(value) == Outcome.ADMITTED


def test_types_that_are_not_listed_need_no_reference() -> None:
    assert outcome_of(event_json(event_type="search")) == Outcome.IGNORED_TYPE


@pytest.mark.parametrize("number", [1_795_421_700, 1_795_421_700.25])
def test_epoch_times_need_no_reference(number: float) -> None:
    assert outcome_of(event_json(event_time=number), time_format="epoch_seconds") == Outcome.ADMITTED


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        event_json()[:-1],
        event_json() + b"x",
        b'{"item_id": "i-1", ' + event_json()[1:],
        event_json().replace(b"i-1", rb"i\u002d1"),
        event_json(context={"nested": 1}),
        event_json(item_id=2**63),
        event_json(item_id=""),
        event_json(event_time="soon"),
        event_json(value="x"),
        event_json(item_id="\x7f").replace(b"\x7f", b"\xc0\x80"),
    ],
)
def test_whatever_is_unusual_or_wrong_is_left_to_the_reference(value: bytes) -> None:
    assert outcome_of(value) == LEFT_TO_REFERENCE


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_decimal_numbers_are_the_nearest_double(number: object) -> None:
    text = f"{number:f}"
    found = decimal_number(writable(text.encode() + bytes(PADDING)), 0, len(text))
    assert np.isnan(found) or np.float64(found).tobytes() == np.float64(float(text)).tobytes()


@pytest.mark.parametrize("text", ["0", "12.5", "-0.1", "9007199254740992", "0.3", "123456.789012345"])
def test_decimal_numbers_of_ordinary_length_are_plain(text: str) -> None:
    assert decimal_number(writable(text.encode() + bytes(PADDING)), 0, len(text)) == float(text)


@given(
    time=st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)),  # noqa: DTZ001  # the offset comes with the next line
    offset_min=st.integers(-1439, 1439),
)
def test_rfc3339_times_agree_with_the_calendar(time: dt.datetime, offset_min: int) -> None:
    aware = time.replace(tzinfo=dt.timezone(dt.timedelta(minutes=offset_min)))
    text = aware.isoformat().encode()
    assert rfc3339_ms(writable(text + bytes(PADDING)), 0, len(text)) == (aware - EPOCH) // dt.timedelta(milliseconds=1)


@given(year=st.integers(0, 9999), month=st.integers(0, 99), day=st.integers(0, 99))
def test_only_days_of_the_calendar_are_plain(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}T00:00:00Z".encode()
    try:
        expected = (dt.datetime(year, month, day, tzinfo=dt.UTC) - EPOCH) // dt.timedelta(milliseconds=1)
    except ValueError:
        expected = NO_TIME
    assert rfc3339_ms(writable(text + bytes(PADDING)), 0, len(text)) == expected


@given(whole=st.integers(0, 10**15 - 1), fraction=st.text("0123456789", min_size=1, max_size=12))
def test_epoch_seconds_are_cut_to_milliseconds(whole: int, fraction: str) -> None:
    text = f"{whole}.{fraction}"
    expected = whole * 1000 + int((fraction + "00")[:3])
    assert epoch_ms(writable(text.encode() + bytes(PADDING)), 0, len(text), True) == expected
    assert epoch_ms(writable(text.encode() + bytes(PADDING)), 0, len(text), False) == whole
