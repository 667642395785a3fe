"""Checks are independent: one that fails or hangs says so, and the others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from consumer.doctor import examine as examination
from consumer.doctor.examine import Check, examine
from consumer.doctor.facts import Facts
from consumer.doctor.findings import Finding, ok
from consumer.doctor.once import Once
from consumer.errors import Retryable
from consumer.settings import Settings


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Set at the end, so that what hangs goes on."""
    event = threading.Event()
    yield event
    event.set()


def told(monkeypatch: pytest.MonkeyPatch, checks: dict[str, Callable[[Facts], list[Finding]]]) -> list[str]:
    made = tuple(Check(name, run, is_local=name == "local") for name, run in checks.items())
    monkeypatch.setattr(examination, "CHECKS", made)
    return [
        f"{c.finding.severity.value} {c.check}: {c.finding.saw}" for c in examine(Facts(Settings(), 10), patience_s=0.2)
    ]


def fine(_: Facts) -> list[Finding]:
    return [ok("fine")]


def failing(_: Facts) -> list[Finding]:
    raise Retryable("nobody answers")


def broken(_: Facts) -> list[Finding]:
    raise ValueError("a bug")


def test_a_check_that_fails_says_so_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, release: threading.Event
) -> None:
    def hanging(_: Facts) -> list[Finding]:
        release.wait(60)
        return []

    assert told(monkeypatch, {"brokers": fine, "a": failing, "b": broken, "c": hanging, "d": fine}) == [
        "ok brokers: fine",
        "warning a: could not be checked: nobody answers",
        "warning b: could not be checked: unexpected ValueError: a bug",
        "warning c: could not be checked: no answer within 200 ms",
        "ok d: fine",
    ]


def test_without_brokers_only_what_needs_none_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, {"brokers": failing, "topics": fine, "local": fine}) == [
        "problem brokers: nobody answers",
        "ok local: fine",
        "warning not checked: topics",
    ]


def test_a_fact_is_found_out_once_and_a_failure_too() -> None:
    asked: list[str] = []

    def find_out() -> str:
        asked.append("asked")
        if len(asked) == 1:
            return "a fact"
        raise Retryable("nobody answers")

    fact, failure = Once(find_out), Once(find_out)
    assert (fact(), fact()) == ("a fact", "a fact")
    for _ in range(2):
        with pytest.raises(Retryable):
            failure()
    assert len(asked) == 2
