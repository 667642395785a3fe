"""What commands say where no broker answers."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Freshrank

NOBODY = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there, so waiting for an answer is in vain."""
    monkeypatch.setenv("FRESHRANK__KAFKA__BOOTSTRAP_SERVERS", NOBODY)
    monkeypatch.setenv("FRESHRANK__TELEMETRY__PORT", "0")
    for room in ("topic_admin", "log", "tail"):
        monkeypatch.setattr(f"consumer.kafka.{room}.ANSWER_TIMEOUT_S", 0.5)


@pytest.mark.parametrize(
    "command",
    [
        ("topics",),
        ("top",),
        ("related", "item-1"),
        ("recommend", "--history", "item-1"),
        ("run",),
        ("dead-letters", "list"),
        ("dead-letters", "show", "0:1"),
        ("dead-letters", "redrive"),
    ],
)
def test_a_broker_that_does_not_answer_is_a_fault_in_plain_words(
    freshrank: Freshrank, command: tuple[str, ...]
) -> None:
    ended = freshrank(*command)
    assert ended.code == 1
    assert "Is the broker running, and is kafka.bootstrap_servers its address?" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["topics", "top"])
def test_a_command_that_only_asks_says_nothing_but_its_error(freshrank: Freshrank, command: str) -> None:
    ended = freshrank(command)
    assert ended.out == ""
    assert len(ended.err.splitlines()) == 2
    assert ended.err.startswith("error: ")
