from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from consumer.telemetry.logs import MAX_TEXT, Format, JsonFormatter, TextFormatter, configure, log_event

logger = logging.getLogger("consumer.tests")
FORMATS: tuple[Format, ...] = ("text", "json")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("consumer", "producer_tools"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def text() -> io.StringIO:
    stream = io.StringIO()
    configure("info", "text", stream)
    return stream


@pytest.fixture
def objects() -> io.StringIO:
    stream = io.StringIO()
    configure("info", "json", stream)
    return stream


def parsed(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_text_line_has_time_level_event_and_values(text: io.StringIO) -> None:
    log_event(logger, "checkpoint saved", version=417, seconds=0.0312345678)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO checkpoint saved version=417 seconds=0\.0312346\n",
        text.getvalue(),
    )


def test_a_json_line_is_one_object_with_the_values_beside_the_event(objects: io.StringIO) -> None:
    log_event(logger, "checkpoint saved", version=417, seconds=0.03)
    line = parsed(objects)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "consumer.tests",
        "event": "checkpoint saved",
        "version": 417,
        "seconds": 0.03,
    }


def test_a_room_may_log_with_the_standard_library_alone(objects: io.StringIO) -> None:
    logger.warning("checkpoint %s skipped", "c-7", extra={"reason": "checksum"})
    line = parsed(objects)
    assert (line["event"], line["reason"], line["level"]) == ("checkpoint c-7 skipped", "checksum", "warning")


def test_a_percent_sign_in_an_event_is_just_that(text: io.StringIO) -> None:
    log_event(logger, "100 % learned")
    assert "100 % learned" in text.getvalue()


def test_a_value_with_spaces_is_quoted(text: io.StringIO) -> None:
    log_event(logger, "refused", why='topic "a" is gone')
    assert text.getvalue().endswith('why="topic \\"a\\" is gone"\n')


def test_a_field_named_like_a_member_of_the_line_does_not_hide_it(objects: io.StringIO) -> None:
    log_event(logger, "seen", time=5, name="x", args=1)
    line = parsed(objects)
    assert (line["event"], line["time_"], line["name"], line["args"]) == ("seen", 5, "x", 1)


@pytest.mark.parametrize("format", FORMATS)
def test_a_secret_is_never_shown(format: Format) -> None:
    stream = io.StringIO()
    configure("info", format, stream)
    log_event(
        logger,
        "client configured",
        key=SecretStr("hunter2"),
        password="hunter2",
        properties={"sasl.password": "hunter2", "client.id": "w1"},
        several=[SecretStr("hunter2")],
    )
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") == 4
    assert "w1" in stream.getvalue()


def test_values_json_does_not_know_are_shown_all_the_same(objects: io.StringIO) -> None:
    log_event(logger, "odd", ratio=float("nan"), count=np.int64(3), share=np.float32(0.5), raw=b"\xff", where={1})
    line = parsed(objects)
    assert (line["ratio"], line["count"], line["share"], line["raw"], line["where"]) == ("nan", 3, 0.5, r"b'\xff'", [1])


@pytest.mark.parametrize("format", FORMATS)
def test_an_exception_is_one_line_with_what_and_where(format: Format) -> None:
    stream = io.StringIO()
    configure("info", format, stream)
    try:
        raise OSError("no\nspace")
    except OSError:
        logger.exception("checkpoint failed")
    (line,) = stream.getvalue().splitlines()
    assert "OSError: no\\nspace" in line
    assert "test_logs.py" in line


def test_a_very_long_value_is_cut(objects: io.StringIO) -> None:
    log_event(logger, "long", value="x" * 10_000)
    assert len(parsed(objects)["value"]) == MAX_TEXT + 1


def test_below_the_level_nothing_is_written(text: io.StringIO) -> None:
    log_event(logger, "detail", level=logging.DEBUG)
    assert text.getvalue() == ""


def test_debug_shows_this_package_and_not_others() -> None:
    stream = io.StringIO()
    configure("debug", "text", stream)
    logger.debug("ours")
    logging.getLogger("elsewhere").info("theirs")
    logging.getLogger("elsewhere").warning("their trouble")
    assert [line.split(maxsplit=2)[2] for line in stream.getvalue().splitlines()] == ["ours", "their trouble"]


def test_configuring_again_replaces_the_output(text: io.StringIO) -> None:
    again = io.StringIO()
    configure("info", "text", again)
    log_event(logger, "once")
    assert (text.getvalue(), again.getvalue().count("once")) == ("", 1)


@given(event=st.text(), value=st.text(), name=st.sampled_from(["item", "event", "time"]))
def test_whatever_the_text_a_line_stays_one_line(event: str, value: str, name: str) -> None:
    record = logger.makeRecord("consumer", 20, "f", 1, "%s", (event,), None, extra={name: value})
    as_json = JsonFormatter().format(record)
    assert len(TextFormatter().format(record).splitlines()) == 1
    assert len(as_json.splitlines()) == 1
    assert json.loads(as_json)["event"] == event
