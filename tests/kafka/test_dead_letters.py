"""Dead letters: the original untouched, headers in both conventions, coordinates that can be read back."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.dead_letters import (
    HEADERS_DROPPED,
    KEY_BYTES,
    REASON,
    VALUE_BYTES,
    coordinates,
    dead_letter_record,
)
from consumer.messages import (
    REDRIVEN_HEADER,
    DeadLetter,
    Headers,
    InputRecord,
    Outcome,
    OutputRecord,
    StoredRecord,
    is_redriven,
)

PLENTY = 1 << 20


def letter(
    key: bytes | None = b"user-1",
    value: bytes | None = b"{broken",
    headers: Headers = (("trace", b"abc"),),
    detail: str = "not JSON",
) -> DeadLetter:
    record = InputRecord("events", 3, 1_234_567_890_123, 1_700_000_000_000, key, value, headers)
    return DeadLetter(record, Outcome.UNDECODABLE, detail)


def stored(written: OutputRecord) -> StoredRecord:
    return StoredRecord(written.topic, 0, 0, written.key, written.value, written.headers)


def size(written: OutputRecord) -> int:
    headers = sum(len(name.encode()) + len(value or b"") for name, value in written.headers)
    return len(written.key or b"") + len(written.value or b"") + headers


def test_key_value_and_headers_are_untouched() -> None:
    written = dead_letter_record(letter(), "dead", max_bytes=PLENTY)
    assert (written.topic, written.key, written.value) == ("dead", b"user-1", b"{broken")
    assert written.headers[0] == ("trace", b"abc")


def test_headers_follow_the_convention_of_kafka_connect() -> None:
    headers = dict(dead_letter_record(letter(), "dead", max_bytes=PLENTY).headers)
    assert headers["__connect.errors.topic"] == b"events"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"1234567890123"
    assert headers["__connect.errors.exception.class.name"] == b"consumer.errors.MalformedEvent"
    assert headers["__connect.errors.exception.message"] == b"undecodable: not JSON"


def test_headers_follow_the_convention_of_spring() -> None:
    headers = dict(dead_letter_record(letter(), "dead", max_bytes=PLENTY).headers)
    assert headers["kafka_dlt-original-topic"] == b"events"
    assert headers["kafka_dlt-original-partition"] == struct.pack(">i", 3)
    assert headers["kafka_dlt-original-offset"] == struct.pack(">q", 1_234_567_890_123)
    assert headers["kafka_dlt-original-timestamp"] == struct.pack(">q", 1_700_000_000_000)
    assert headers["kafka_dlt-original-timestamp-type"] == b"CreateTime"
    assert headers["kafka_dlt-exception-fqcn"] == b"consumer.errors.MalformedEvent"
    assert headers["kafka_dlt-exception-message"] == b"undecodable: not JSON"


def test_the_reason_is_a_word_of_the_closed_list() -> None:
    assert dict(dead_letter_record(letter(), "dead", max_bytes=PLENTY).headers)[REASON] == b"undecodable"


def test_coordinates_are_those_of_the_newest_death() -> None:
    earlier = (("__connect.errors.topic", b"elsewhere"), ("__connect.errors.partition", b"9"))
    written = dead_letter_record(letter(headers=earlier), "dead", max_bytes=PLENTY)
    assert coordinates(stored(written)) == ("events", 3, 1_234_567_890_123)


def test_a_record_of_somebody_else_has_no_coordinates() -> None:
    assert coordinates(StoredRecord("dead", 0, 0, None, b"v", ())) is None
    odd: Headers = (
        ("__connect.errors.topic", b"t"),
        ("__connect.errors.partition", b"x"),
        ("__connect.errors.offset", b"1"),
    )
    assert coordinates(StoredRecord("dead", 0, 0, None, b"v", odd)) is None


def test_a_redriven_record_is_known_by_its_header() -> None:
    assert is_redriven(((REDRIVEN_HEADER, b"1"),))
    assert not is_redriven((("other", b"1"),))


def test_a_null_value_stays_null() -> None:
    assert dead_letter_record(letter(value=None), "dead", max_bytes=PLENTY).value is None


def test_a_record_too_large_has_its_value_cut_and_says_so() -> None:
    value = bytes(range(256)) * 100
    written = dead_letter_record(letter(value=value), "dead", max_bytes=10_000)
    assert written.value
    assert value.startswith(written.value)
    assert dict(written.headers)[VALUE_BYTES] == b"25600"
    assert written.key == b"user-1"
    assert ("trace", b"abc") in written.headers


def test_where_cutting_the_value_is_not_enough_headers_and_key_give_way() -> None:
    headers: Headers = (("big", b"x" * 50_000), ("trace", b"abc"))
    written = dead_letter_record(letter(key=b"k" * 20_000, headers=headers), "dead", max_bytes=10_000)
    told = dict(written.headers)
    assert (told[HEADERS_DROPPED], told[KEY_BYTES]) == (b"2", b"20000")
    assert coordinates(stored(written)) == ("events", 3, 1_234_567_890_123)
    assert size(written) <= 10_000


@given(
    key=st.none() | st.binary(max_size=3000),
    value=st.none() | st.binary(max_size=3000),
    headers=st.lists(st.tuples(st.text(max_size=50), st.none() | st.binary(max_size=500)), max_size=8),
    detail=st.text(max_size=3000),
    room=st.integers(min_value=8_000, max_value=12_000),
)
def test_any_record_fits_and_keeps_its_coordinates(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
    detail: str,
    room: int,
) -> None:
    written = dead_letter_record(letter(key, value, headers, detail), "dead", max_bytes=room)
    assert size(written) <= room
    assert coordinates(stored(written)) == ("events", 3, 1_234_567_890_123)
    if VALUE_BYTES not in dict(written.headers):
        assert (written.key, written.value) == (key, value)
        assert tuple(written.headers[: len(headers)]) == tuple(headers)
