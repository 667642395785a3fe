"""`check-config`, `show-config`, and what every command does with its options and settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer import __version__, settings_loading
from tests.cli.conftest import Freshrank

COMMANDS = ("run", "demo", "check-config", "show-config", "topics", "doctor", "top", "related", "recommend")


@pytest.fixture
def bad_file(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("modle: shop\npublish: {interval_s: -1}\nkafka: {session_timeout_s: 1}\n")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_its_exit_codes(freshrank: Freshrank, command: str) -> None:
    ended = freshrank(command, "--help")
    assert ended.code == 0
    assert "Exit codes: 0 done" in ended.out


def test_without_a_command_the_help_is_shown(freshrank: Freshrank) -> None:
    ended = freshrank()
    assert all(command in ended.out + ended.err for command in COMMANDS)


def test_the_version_is_told(freshrank: Freshrank) -> None:
    assert freshrank("--version") == (0, f"freshrank {__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("check-config",),
        ("show-config",),
        ("topics",),
        ("doctor",),
        ("top",),
        ("recommend", "--history", "a"),
    ],
)
def test_bad_settings_are_listed_all_at_once_with_exit_code_2(
    freshrank: Freshrank, bad_file: Path, command: tuple[str, ...]
) -> None:
    ended = freshrank(*command, "--config", bad_file)
    assert ended.code == 2
    assert "Traceback" not in ended.err
    for key in ("modle", "publish.interval_s", "kafka.session_timeout_s"):
        assert key in ended.err


def test_a_property_that_the_client_refuses_is_a_bad_setting(
    freshrank: Freshrank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRESHRANK__KAFKA__CONSUMER", "{fetch.mim.bytes: 1}")
    ended = freshrank("check-config")
    assert ended.code == 2
    assert 'kafka.consumer.fetch.mim.bytes: No such configuration property: "fetch.mim.bytes"' in ended.err


def test_good_settings_are_called_good(freshrank: Freshrank) -> None:
    ended = freshrank("check-config")
    assert (ended.code, ended.err) == (0, "")
    assert "the settings are good: model 'default' learns from behaviour-events" in ended.out


def test_shown_settings_hide_secrets(freshrank: Freshrank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHRANK__KAFKA__SASL__USERNAME", "shop")
    monkeypatch.setenv("FRESHRANK__KAFKA__SASL__PASSWORD", "hunter2")
    ended = freshrank("show-config")
    assert "password: '***'" in ended.out
    assert "hunter2" not in ended.out + ended.err


def test_later_files_win_and_the_environment_wins_over_them(
    freshrank: Freshrank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text("model: a\ninput: {topic: from-a}\nbatch: {read_ahead: 7}\n")
    (tmp_path / "b.yaml").write_text("model: b\ninput: {topic: from-b}\n")
    monkeypatch.setenv("FRESHRANK__MODEL", "c")
    shown = freshrank("show-config", "-c", tmp_path / "a.yaml", "-c", tmp_path / "b.yaml").out
    assert "model: c" in shown
    assert "topic: from-b" in shown
    assert "read_ahead: 7" in shown


def test_files_may_be_listed_in_the_environment(
    freshrank: Freshrank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"model: {name}\n")
    monkeypatch.setenv("FRESHRANK_CONFIG", f"{tmp_path / 'a.yaml'}:{tmp_path / 'b.yaml'}")
    assert "model: b" in freshrank("show-config").out
    assert "model: a" in freshrank("show-config", "--config", tmp_path / "a.yaml").out


def test_no_file_is_read_unasked(freshrank: Freshrank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "freshrank.yaml").write_text("model: surprise\n")
    monkeypatch.chdir(tmp_path)
    assert "model: default" in freshrank("show-config").out


@pytest.mark.parametrize(
    "arguments", [("walk",), ("top", "-n", "0"), ("recommend",), ("related",), ("demo", "--seconds", "1")]
)
def test_wrong_usage_ends_with_2(freshrank: Freshrank, arguments: tuple[str, ...]) -> None:
    ended = freshrank(*arguments)
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_bug_is_one_message_and_its_traceback_only_on_demand(
    freshrank: Freshrank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(settings_loading, "load", broken)
    ended = freshrank("show-config")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("error: unexpected ZeroDivisionError: a bug\nFRESHRANK_DEBUG=1 shows")
    monkeypatch.setenv("FRESHRANK_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        freshrank("show-config")
