"""Alerts: each with what somebody needs who is called by it, and with cases that it is held to."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from consumer.cli.application import app
from consumer.settings import Settings
from deploy.grafana.__main__ import DASHBOARDS
from tests.watching.debian_tools import path_of
from tests.watching.promql import OF_PROMETHEUS, exposed, metrics_in
from tests.watching.rules import ALERTS, CASE_FILES, DEPLOY, RECORDED, RULE_FILES

RUNBOOKS = sorted((DEPLOY / "runbooks").glob("*.md"))
SEVERITIES = {"critical", "warning", "info"}

every_alert = pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert["alert"])
every_runbook = pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
OF_ALERTS = [page for page in RUNBOOKS if not page.stem.startswith(("messages-", "exit-codes"))]
"""The others are about what a worker says: tests/runbooks."""


def promtool(*words: str | Path) -> str:
    """What it says; the test fails if it is not content."""
    done = subprocess.run(
        [path_of("promtool"), *map(str, words)], capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def page_of(alert: dict[str, Any]) -> Path:
    return DEPLOY / "runbooks" / Path(alert["annotations"]["runbook_url"]).name


def cases() -> Iterator[tuple[str, list[Any]]]:
    """Name of the alert, and what is expected of it, of every case."""
    for file in CASE_FILES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for case in group["alert_rule_test"]:
                yield case["alertname"], case["exp_alerts"]


def test_promtool_finds_nothing_to_say_about_the_rules() -> None:
    assert promtool("check", "rules", *RULE_FILES).count("SUCCESS") == len(RULE_FILES) > 0


def test_every_alert_fires_where_it_should_and_not_where_it_should_not() -> None:
    assert promtool("test", "rules", *CASE_FILES).count("SUCCESS") == len(CASE_FILES) > 0


@every_alert
def test_an_alert_has_a_case_that_fires_and_one_that_must_not(alert: dict[str, Any]) -> None:
    expected = [bool(alerts) for name, alerts in cases() if name == alert["alert"]]
    assert set(expected) == {True, False}


def test_no_case_is_about_an_alert_that_does_not_exist() -> None:
    assert {name for name, _ in cases()} == set(ALERTS)


@every_alert
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_look(alert: dict[str, Any]) -> None:
    told = alert["annotations"]
    assert set(told) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert all(told.values())
    assert alert["labels"]["severity"] in SEVERITIES
    assert re.fullmatch(r"[1-9]\d*[mh]", alert["for"])
    assert re.fullmatch(r"Freshrank([A-Z][a-z]+)+", alert["alert"])


@every_alert
def test_an_alert_links_to_a_dashboard_that_exists(alert: dict[str, Any]) -> None:
    uid = re.search(r"/d/([\w-]+)\?var-job=", alert["annotations"]["dashboard_url"])
    assert uid is not None
    assert uid[1] in {dashboard.uid for dashboard in DASHBOARDS.values()}


@every_alert
def test_an_alert_links_to_a_page_that_names_it(alert: dict[str, Any]) -> None:
    assert f"`{alert['alert']}`" in page_of(alert).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "rule", [*ALERTS.values(), *RECORDED.values()], ids=lambda rule: rule.get("alert", rule.get("record"))
)
def test_a_rule_names_only_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert metrics_in(rule["expr"]) <= exposed() | set(RECORDED) | OF_PROMETHEUS


@pytest.mark.parametrize("page", OF_ALERTS, ids=lambda page: page.stem)
def test_a_page_says_what_it_means_how_to_see_it_and_what_to_do(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parts = [text.index(f"**{part}.**") for part in ("What it means", "How to see it", "What to do")]
    assert parts == sorted(parts)
    assert page in {page_of(alert) for alert in ALERTS.values()}


@every_runbook
def test_a_page_names_only_panels_and_metrics_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    titles = {panel.title for board in DASHBOARDS.values() for row in board.rows for panel in row.panels}
    quoted = {re.sub(r"\s+", " ", words) for words in re.findall(r'"([A-Z][^"]+)"', text)}
    assert quoted <= titles
    assert set(re.findall(r"`(freshrank[_:][\w:]+)", text)) <= exposed() | set(RECORDED)


@every_runbook
def test_a_page_names_only_commands_and_options_that_exist(page: Path) -> None:
    commands: Any = typer.main.get_command(app)
    for line in re.findall(r"(?:^ +|`)(freshrank [^`#\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE):
        _, name, *words = line.split()
        assert name in commands.commands, line
        options = {option for parameter in commands.commands[name].params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, line


@every_runbook
def test_a_page_names_only_settings_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    sections = "|".join(Settings.model_fields)
    for named in re.findall(rf"`((?:{sections})(?:\.\w+)+)", text):
        section: Any = Settings()
        for part in named.split("."):
            assert hasattr(section, part), named
            section = getattr(section, part)
