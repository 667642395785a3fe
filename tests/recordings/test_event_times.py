"""Times as files write them."""

from __future__ import annotations

import pytest

from consumer.errors import BadRequest
from consumer.recordings.event_times import time_parser


@pytest.mark.parametrize(
    ("time_format", "text"),
    [
        ("rfc3339", "2017-11-26T01:00:00.250Z"),
        ("rfc3339", "2017-11-26T02:00:00.25+01:00"),
        ("epoch_seconds", "1511658000.25"),
        ("epoch_milliseconds", "1511658000250"),
        ("%Y-%m-%d %H:%M:%S.%f UTC", "2017-11-26 01:00:00.250 UTC"),
        ("%d/%m/%Y %H:%M:%S.%f %z", "26/11/2017 03:00:00.250 +0200"),
    ],
)
def test_every_format_gives_the_same_moment(time_format: str, text: str) -> None:
    assert time_parser(time_format)(text) == (1_511_658_000_250, "2017-11-26T01:00:00.250Z")


@pytest.mark.parametrize(
    ("time_format", "text", "problem"),
    [
        ("rfc3339", "2017-11-26T01:00:00", "no offset"),
        ("rfc3339", "yesterday", "Invalid isoformat"),
        ("rfc3339", "1969-12-31T23:59:59Z", "before 1970"),
        ("epoch_seconds", "1511658000250", "after the year 9999"),
        ("epoch_seconds", "nan", "after the year 9999"),
        ("epoch_milliseconds", "soon", "could not convert"),
        ("%Y-%m-%d", "2017-11-26T01", "unconverted data"),
    ],
)
def test_a_text_that_is_no_time_is_refused(time_format: str, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        time_parser(time_format)(text)


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match="epoch_milliseconds"):
        time_parser("unix")
