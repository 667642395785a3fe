"""Events flow and no version changes: noticed once, and over with the next version."""

from __future__ import annotations

import logging

import pytest

from consumer.stall_watch import StallWatch


def test_events_without_a_version_are_a_stall_after_a_while() -> None:
    watch = StallWatch(60.0, now_s=0.0)
    watch.learned(10)
    assert [watch.is_stalled(at) for at in (0.0, 59.9, 60.0)] == [False, False, True]


def test_silence_is_no_stall() -> None:
    assert not StallWatch(60.0, now_s=0.0).is_stalled(1_000.0)


def test_a_version_ends_it() -> None:
    watch = StallWatch(60.0, now_s=0.0)
    watch.learned(10)
    assert watch.is_stalled(100.0)
    watch.published(100.0)
    assert not watch.is_stalled(200.0)


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    watch = StallWatch(60.0, now_s=0.0)
    watch.learned(10)
    with caplog.at_level(logging.ERROR):
        for at in (100.0, 101.0, 102.0):
            watch.is_stalled(at)
    assert [record.message for record in caplog.records] == ["no version goes out"]
