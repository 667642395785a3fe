"""`freshrank dead-letters`: what it refuses before it asks a broker. What it does: tests/end_to_end/test_redrive.py."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Freshrank


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHRANK__KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("list", "--reason", "late"), "--reason late: expected one of undecodable, missing_field"),
        (("list", "--since", "yesterday"), "--since yesterday: expected now, a date such as"),
        (("redrive", "--until", "2026-01-31T10:15:00"), "--until 2026-01-31T10:15:00: say in which zone"),
        (("redrive", "--letter", "17"), "'17': expected PARTITION:OFFSET"),
        (("show", "0:x"), "'0:x': expected PARTITION:OFFSET"),
        (("redrive", "--limit", "0"), "'--limit'"),
    ],
)
def test_wrong_usage_is_told_with_the_value(freshrank: Freshrank, words: tuple[str, ...], said: str) -> None:
    ended = freshrank("dead-letters", *words)
    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err


@pytest.mark.parametrize("name", ["list", "show", "redrive"])
def test_the_help_has_the_exit_codes(freshrank: Freshrank, name: str) -> None:
    ended = freshrank("dead-letters", name, "--help")
    assert ended.code == 0
    assert "Exit codes: 0 done" in ended.out
