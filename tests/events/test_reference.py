"""The reference, line by line: which record is what, and how the complaint reads."""

from __future__ import annotations

import math

import pytest

from consumer.errors import MalformedEvent
from consumer.events.reference import MAX_DEPTH, DecodedEvent, ReferenceDecoder
from consumer.messages import Outcome
from consumer.settings import Input
from tests.events.batches import NOW_MS, event_json

LONG_TEXT = "é" * 1000


def decoded(value: bytes, timestamp_ms: int = NOW_MS, **settings: object) -> DecodedEvent:
    return ReferenceDecoder(Input.model_validate(settings)).decode(value, timestamp_ms)


def complaint(value: bytes, **settings: object) -> tuple[Outcome, str]:
    with pytest.raises(MalformedEvent) as caught:
        decoded(value, NOW_MS, **settings)
    assert len(caught.value.detail) <= 200
    return Outcome(caught.value.reason), caught.value.detail


def test_a_plain_event_is_decoded() -> None:
    event = decoded(event_json())
    assert event == DecodedEvent(b"e-1", b"u-1", b"i-1", 0, 1_795_421_700_123, b"s-1", 12.5)


def test_optional_members_may_be_absent_or_null() -> None:
    absent = decoded(event_json(event_id=..., session_id=..., value=...))
    null = decoded(event_json(event_id=None, session_id=None, value=None, features=None))
    assert (absent.event_id, absent.session_id, math.isnan(absent.value)) == (None, None, True)
    assert (null.event_id, null.session_id, math.isnan(null.value)) == (None, None, True)


@pytest.mark.parametrize(("given", "text"), [(7, b"7"), (-(2**63), b"-9223372036854775808"), ("é\n", "é\n".encode())])
def test_ids_are_strings_or_integers(given: object, text: bytes) -> None:
    assert decoded(event_json(item_id=given)).item_id == text


def test_an_escaped_id_is_the_same_id() -> None:
    assert decoded(event_json().replace(b"i-1", rb"i\u002d1")).item_id == b"i-1"


def test_the_last_of_two_equal_names_counts() -> None:
    assert decoded(b'{"item_id": "first",' + event_json()[1:]).item_id == b"i-1"


def test_names_may_be_any_text() -> None:
    fields = {"item_id": 'вещь "\\'}
    assert decoded(event_json(item_id=..., **{'вещь "\\': "x"}), fields=fields).item_id == b"x"


def test_members_that_are_not_known_may_be_anything() -> None:
    assert decoded(event_json(context={"a": [1, {"b": None}]}, features={"price": 1.5, "brand": "x"})).value == 12.5


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (b"", "the record has no bytes"),
        (b"{", "Input data was truncated"),
        (b"[]", "Expected `object`, got `array`"),
        (event_json() + b"x", "JSON is malformed: trailing characters"),
        (b'{"x": "\xff"}', "byte 7 is not UTF-8"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper than 100"),
        (rb'{"x": "\ud800"}', "Input data was truncated"),
    ],
)
def test_what_is_no_json_object_is_undecodable(value: bytes, detail: str) -> None:
    reason, text = complaint(value)
    assert (reason, detail in text) == (Outcome.UNDECODABLE, True), text


@pytest.mark.parametrize("name", ["user_id", "item_id", "event_type", "event_time"])
@pytest.mark.parametrize("given", [..., None])
def test_a_required_member_that_is_missing(name: str, given: object) -> None:
    assert complaint(event_json(**{name: given})) == (Outcome.MISSING_FIELD, f"{name}: missing")


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"user_id": True}, Outcome.WRONG_TYPE, "user_id: true is not a string or an integer of 64 bits"),
        ({"user_id": 1.0}, Outcome.WRONG_TYPE, "user_id: 1.0 is not a string or an integer of 64 bits"),
        ({"event_id": 2**63}, Outcome.WRONG_TYPE, "event_id: 9223372036854775808 is not a string or an integer"),
        ({"item_id": ""}, Outcome.EMPTY_ID, 'item_id: "" is empty'),
        ({"session_id": ""}, Outcome.EMPTY_ID, 'session_id: "" is empty'),
        ({"item_id": LONG_TEXT}, Outcome.ID_TOO_LONG, "… has 2000 bytes, more than max_id_bytes (256)"),
        ({"event_type": 1}, Outcome.WRONG_TYPE, "event_type: 1 is not a string"),
        ({"event_time": "soon"}, Outcome.WRONG_TYPE, 'event_time: "soon" is not RFC 3339'),
        ({"event_time": 1_795_421_700}, Outcome.WRONG_TYPE, "event_time: 1795421700 is not RFC 3339"),
        ({"event_time": "2026-11-23T08:15:00"}, Outcome.WRONG_TYPE, "it has no offset from UTC"),
        ({"event_time": "1999-12-31T23:59:59Z"}, Outcome.TIME_OUT_OF_RANGE, "is earlier than earliest_event_time_ms"),
        ({"event_time": "2026-11-24T00:00:00Z"}, Outcome.TIME_OUT_OF_RANGE, "is more than max_future_s ahead"),
        ({"value": "1"}, Outcome.WRONG_TYPE, 'value: "1" is not a number'),
        ({"value": True}, Outcome.WRONG_TYPE, "value: true is not a number"),
        ({"features": [1]}, Outcome.WRONG_TYPE, "features: [1] is not an object of numbers and strings"),
        ({"features": {"a": {}}}, Outcome.WRONG_TYPE, "features.a: {} is not a number or a string"),
        ({"features": {"a": None}}, Outcome.WRONG_TYPE, "features.a: null is not a number or a string"),
    ],
)
def test_the_complaint_names_member_and_value(changes: dict[str, object], reason: Outcome, detail: str) -> None:
    found, text = complaint(event_json(**changes))
    assert (found, detail in text) == (reason, True), text


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 400])
def test_numbers_beyond_a_double_are_not_finite(number: str) -> None:
    huge = number.encode()
    assert complaint(event_json(value=5).replace(b": 5", b": " + huge))[0] == Outcome.NOT_FINITE
    assert complaint(event_json(features={"a": 5}).replace(b": 5", b": " + huge))[0] == Outcome.NOT_FINITE
    timed = event_json(event_time=5).replace(b": 5", b": " + huge)
    assert complaint(timed, time_format="epoch_seconds")[0] == Outcome.NOT_FINITE


def test_the_first_member_at_fault_gives_the_reason() -> None:
    assert complaint(event_json(user_id="", event_time="soon", value="x"))[0] == Outcome.EMPTY_ID
    assert complaint(event_json(event_time="soon", value="x"))[1].startswith("event_time")


def test_a_type_that_is_not_listed_is_ignored_only_in_a_good_record() -> None:
    assert decoded(event_json(event_type="search")).event_type is None
    assert complaint(event_json(event_type="search", value="x"))[0] == Outcome.WRONG_TYPE


def test_the_default_type_stands_in_for_a_missing_one() -> None:
    assert decoded(event_json(event_type=...), default_event_type="cart").event_type == 1
    assert decoded(event_json(event_type="view"), default_event_type="cart").event_type == 0


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("2026-11-23T08:15:00Z", 1_795_421_700_000),
        ("2026-11-23T10:15:00+02:00", 1_795_421_700_000),
        ("2026-11-23T08:15:00.9999999Z", 1_795_421_700_999),
        ("2026-11-23t08:15:00.0009z", 1_795_421_700_000),
    ],
)
def test_rfc3339_times_are_rounded_down(text: str, time_ms: int) -> None:
    assert decoded(event_json(event_time=text)).event_time_ms == time_ms


@pytest.mark.parametrize(
    ("number", "time_ms"),
    [
        ("1795421700", 1_795_421_700_000),
        ("1795421700.1239", 1_795_421_700_123),
        ("1.7954217001239e9", 1_795_421_700_123),
        ("-0.0001", -1),
        ("0.0000000000000001", 0),
        ("1e-99999999999999999999", 0),
        ("0." + "0" * 5000 + "1", 0),
    ],
)
def test_epoch_seconds_are_rounded_down_exactly(number: str, time_ms: int) -> None:
    record = event_json(event_time=5).replace(b": 5", b": " + number.encode())
    event = decoded(record, time_format="epoch_seconds", earliest_event_time_ms=-(10**30))
    assert event.event_time_ms == time_ms


def test_epoch_milliseconds_may_have_a_fraction() -> None:
    assert decoded(event_json(event_time=1_795_421_700_123.9), time_format="epoch_milliseconds").event_time_ms == (
        1_795_421_700_123
    )


def test_a_text_is_no_epoch_time() -> None:
    assert complaint(event_json(event_time="1795421700"), time_format="epoch_seconds") == (
        Outcome.WRONG_TYPE,
        'event_time: "1795421700" is not a number of seconds',
    )


def test_no_time_leaves_64_bits() -> None:
    settings: dict[str, object] = {
        "time_format": "epoch_milliseconds",
        "earliest_event_time_ms": -(10**30),
        "max_future_s": 1e300,
    }
    for number in (10**18 * 9, 2**63, -(10**25), 10**40):
        assert complaint(event_json(event_time=number), **settings)[0] == Outcome.TIME_OUT_OF_RANGE


def test_a_missing_time_falls_back_to_the_records_own_if_configured() -> None:
    record = event_json(event_time=...)
    assert decoded(record, missing_event_time="record_timestamp").event_time_ms == NOW_MS
    with pytest.raises(MalformedEvent, match="event_time: -1, the record's timestamp, is earlier") as caught:
        decoded(record, timestamp_ms=-1, missing_event_time="record_timestamp")
    assert caught.value.reason == Outcome.TIME_OUT_OF_RANGE


def nested(n: int) -> bytes:
    """An event with a member that is nested so deep, the event itself counted; its strings are full of brackets."""
    opened, closed = b'{"[":[' * ((n - 1) // 2) + b"[" * ((n - 1) % 2), b"]" * ((n - 1) % 2) + b"]}" * ((n - 1) // 2)
    return event_json(note='\\"[{')[:-1] + b', "context": ' + opened + closed + b"}"


def on_a_deeper_stack(n: int, value: bytes) -> DecodedEvent:
    return on_a_deeper_stack(n - 1, value) if n else decoded(value)


@pytest.mark.parametrize("n_frames", [0, 800])
def test_how_deep_a_record_may_be_nested_does_not_depend_on_who_decodes_it(n_frames: int) -> None:
    assert on_a_deeper_stack(n_frames, nested(MAX_DEPTH)).item_id == b"i-1"
    for depth in (MAX_DEPTH + 1, 200, 950, 100_000):
        with pytest.raises(MalformedEvent, match="nested deeper than 100") as caught:
            on_a_deeper_stack(n_frames, nested(depth))
        assert caught.value.reason == Outcome.UNDECODABLE


def test_brackets_in_strings_nest_nothing() -> None:
    assert decoded(event_json(note="[{" * 1_000 + '"\\[')).item_id == b"i-1"
    assert decoded(event_json(context=[[]] * 1_000)).item_id == b"i-1"
