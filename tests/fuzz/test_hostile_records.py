"""Records that nobody in their right mind would send: the verdict of each, and neighbours that stay as they are."""

from __future__ import annotations

import time

import pytest

from consumer.messages import Outcome
from tests.events.batches import NOW_MS, event_json
from tests.fuzz.codec import SETTINGS, Reading, reading, require_right

MB = 1 << 20


def with_text(member: str, text: bytes) -> bytes:
    """An event whose member is this JSON text."""
    return event_json(**{member: "?"}).replace(b'"?"', text)


RECORDS: dict[str, tuple[bytes, Outcome]] = {
    "empty": (b"", Outcome.UNDECODABLE),
    "a space": (b" ", Outcome.UNDECODABLE),
    "nested without end": (b"[" * MB, Outcome.UNDECODABLE),
    "a member nested deep": (with_text("note", b"[" * 100_000 + b"]" * 100_000), Outcome.UNDECODABLE),
    "a member nested 100 deep with the event": (with_text("note", b"[" * 99 + b"]" * 99), Outcome.ADMITTED),
    "a member nested 101 deep with the event": (with_text("note", b"[" * 100 + b"]" * 100), Outcome.UNDECODABLE),
    "10 MB of text": (event_json(note="x" * 10 * MB), Outcome.ADMITTED),
    "10 MB of escapes": (with_text("note", b'"' + rb"\n" * 5 * MB + b'"'), Outcome.ADMITTED),
    "1 MB of lists": (with_text("note", b"[" + b"[]," * (MB // 3) + b"1]"), Outcome.ADMITTED),
    "10 MB of digits": (with_text("value", b"1" * 10 * MB), Outcome.NOT_FINITE),
    "10 MB of digits behind the point": (with_text("value", b"0." + b"1" * 10 * MB), Outcome.ADMITTED),
    "10 MB of spaces": (b" " * 10 * MB + event_json(), Outcome.ADMITTED),
    "10 MB of quotes": (b'{"' + b'"' * 10 * MB, Outcome.UNDECODABLE),
    "10 MB of zeros": (bytes(10 * MB), Outcome.UNDECODABLE),
    "a name twice": (b'{"item_id": "first",' + event_json()[1:], Outcome.ADMITTED),
    "a name twice, the last one bad": (event_json()[:-1] + b',"item_id":""}', Outcome.EMPTY_ID),
    "invalid UTF-8": (with_text("item_id", b'"\xff"'), Outcome.UNDECODABLE),
    "UTF-8 of a surrogate": (with_text("item_id", b'"\xed\xa0\x80"'), Outcome.UNDECODABLE),
    "UTF-8 too long": (with_text("item_id", b'"\xc0\xaf"'), Outcome.UNDECODABLE),
    "half a character": (event_json(note="€")[:-3] + b'"}', Outcome.UNDECODABLE),
    "a byte order mark": (b"\xef\xbb\xbf" + event_json(), Outcome.UNDECODABLE),
    "UTF-16": (event_json().decode().encode("utf-16"), Outcome.UNDECODABLE),
    "NUL in a text": (with_text("item_id", b'"\0"'), Outcome.UNDECODABLE),
    "NUL as an escape": (with_text("item_id", rb'"a\u0000b"'), Outcome.ADMITTED),
    "NUL behind the record": (event_json() + b"\0", Outcome.UNDECODABLE),
    "a lone surrogate": (with_text("item_id", rb'"\ud800"'), Outcome.UNDECODABLE),
    "a lone surrogate in what nobody reads": (with_text("note", rb'{"a": "\udc00"}'), Outcome.UNDECODABLE),
    "surrogates the wrong way round": (with_text("item_id", rb'"\ude00\ud83d"'), Outcome.UNDECODABLE),
    "1e400": (with_text("value", b"1e400"), Outcome.NOT_FINITE),
    "-1e400": (with_text("value", b"-1e400"), Outcome.NOT_FINITE),
    "1e400 as a feature": (with_text("features", b'{"a": 1e400}'), Outcome.NOT_FINITE),
    "1e-400": (with_text("value", b"1e-400"), Outcome.ADMITTED),
    "an exponent without end": (with_text("value", b"1e" + b"9" * MB), Outcome.NOT_FINITE),
    "NaN": (with_text("value", b"NaN"), Outcome.UNDECODABLE),
    "Infinity": (with_text("value", b"Infinity"), Outcome.UNDECODABLE),
    "-0": (with_text("value", b"-0"), Outcome.ADMITTED),
    "-0 as an id": (with_text("item_id", b"-0"), Outcome.ADMITTED),
    "an id of 2^63": (with_text("item_id", b"9223372036854775808"), Outcome.WRONG_TYPE),
    "an id of -2^63": (with_text("item_id", b"-9223372036854775808"), Outcome.ADMITTED),
    "an id of a million digits": (with_text("item_id", b"7" * MB), Outcome.WRONG_TYPE),
    "an id of 1 MB": (event_json(item_id="x" * MB), Outcome.ID_TOO_LONG),
    "an id of 1 MB in escapes": (with_text("user_id", b'"' + rb"\u0061" * MB + b'"'), Outcome.ID_TOO_LONG),
    "a type of 1 MB": (event_json(event_type="x" * MB), Outcome.IGNORED_TYPE),
    "a name of 1 MB": (event_json(**{"x" * MB: 1}), Outcome.ADMITTED),
    "30,000 members": (event_json(**{f"m-{n}": n for n in range(30_000)}), Outcome.ADMITTED),
    "30,000 features": (event_json(features={f"m-{n}": n for n in range(30_000)}), Outcome.ADMITTED),
    "year 0": (event_json(event_time="0000-01-01T00:00:00Z"), Outcome.WRONG_TYPE),
    "year 1 in the east": (event_json(event_time="0001-01-01T00:00:00+23:59"), Outcome.TIME_OUT_OF_RANGE),
    "year 9999": (event_json(event_time="9999-12-31T23:59:59.999999999Z"), Outcome.TIME_OUT_OF_RANGE),
    "year 10000": (event_json(event_time="10000-01-01T00:00:00Z"), Outcome.WRONG_TYPE),
    "30 February": (event_json(event_time="2026-02-30T00:00:00Z"), Outcome.WRONG_TYPE),
    "a time of 1 MB": (event_json(event_time="2026-11-23T08:15:00." + "1" * MB + "Z"), Outcome.ADMITTED),
}
LIMIT_S = 20.0
"""For a record and the two slow readings of it, on a busy machine; a quadratic loop over 10 MB would take hours."""


@pytest.fixture(scope="module", params=[0, 1], ids=["features ignored", "features kept"])
def how(request: pytest.FixtureRequest) -> Reading:
    given, keeps = SETTINGS[request.param]
    return reading(given, keeps_features=keeps)


@pytest.mark.parametrize("name", RECORDS)
def test_the_codec_the_reference_and_json_agree_on_it_and_its_neighbours_are_what_they_are(
    how: Reading, name: str
) -> None:
    value, outcome = RECORDS[name]
    started_s = time.monotonic()
    assert how.by_oracle(value, 0)[0] == outcome
    require_right(how, [value])
    assert time.monotonic() - started_s < LIMIT_S


def test_all_of_the_smaller_ones_in_one_batch(how: Reading) -> None:
    require_right(how, [value for value, _ in RECORDS.values() if len(value) < MB])


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        ("1e400", Outcome.NOT_FINITE), ("1e300", Outcome.TIME_OUT_OF_RANGE), ("-1e18", Outcome.TIME_OUT_OF_RANGE),
        ("9223372036854775807", Outcome.TIME_OUT_OF_RANGE), ("-0", Outcome.TIME_OUT_OF_RANGE),
        ("0." + "1" * MB, Outcome.TIME_OUT_OF_RANGE), ("1" + "0" * 300_000 + "e-299991", Outcome.ADMITTED),
        ("1795421700." + "9" * MB, Outcome.ADMITTED), ("NaN", Outcome.UNDECODABLE), ("true", Outcome.WRONG_TYPE),
        (str(NOW_MS), Outcome.TIME_OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_a_time_that_is_a_number_may_be_any(number: str, outcome: Outcome) -> None:
    in_seconds = reading({"time_format": "epoch_seconds"}, keeps_features=False)
    value = with_text("event_time", number.encode())
    assert in_seconds.by_oracle(value, 0)[0] == outcome
    require_right(in_seconds, [value])
