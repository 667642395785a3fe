"""README.md and docs/ say what there is: a new metric, outcome, section or command has to be in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from consumer.cli.application import COMMANDS, app
from consumer.doctor.disk import bytes_a_row
from consumer.messages import Outcome
from consumer.settings import Settings
from consumer.telemetry.catalogue import CATALOGUE
from producer_tools.cli import app as tools
from tests.docs.blocks import PAGES, README, ROOT, commands_of

ALL = {"README.md": README, **PAGES}


@pytest.mark.parametrize("name", [metric.name.removeprefix("freshrank_") for metric in CATALOGUE])
def test_every_metric_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in PAGES["metrics.md"]


@pytest.mark.parametrize("name", [outcome.name.lower() for outcome in Outcome])
def test_every_outcome_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_section_of_the_settings_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in README


NAMES = [command.__name__.replace("_", "-") for command in COMMANDS if command.__name__ != "demo"]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_in_a_block_or_a_sentence(name: str) -> None:
    assert any(f"freshrank {name}" in " ".join(text.split()) for text in ALL.values())


@pytest.mark.parametrize("page", list(ALL))
def test_every_link_leads_somewhere(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    links = re.findall(r"\]\(([^)]+)\)", ALL[page])
    assert [link for link in links if not _leads_somewhere(folder / link.partition("#")[0], link)] == []


def _leads_somewhere(path: Path, link: str) -> bool:
    _, _, anchor = link.partition("#")
    if not anchor:
        return path.exists()
    text = path.read_text(encoding="utf-8") if path.is_file() else README
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return anchor in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_reached_from_the_readme() -> None:
    assert [page for page in PAGES if f"docs/{page}" not in README] == []


@pytest.mark.parametrize(
    "command", [c for text in PAGES.values() for c in commands_of(text) if c.startswith("freshrank")]
)
def test_commands_of_the_pages_have_options_that_there_are(command: str) -> None:
    """Those of README run (`test_commands.py`); these are only understood."""
    program, name, *arguments = shlex.split(command)
    known: Any = typer.main.get_command(tools if program == "freshrank-tools" else app)
    assert name in known.commands, f"there is no {program} {name}"
    found = known.commands[name]
    found.make_parser(found.context_class(found)).parse_args(arguments)  # raises where there is no such option


def test_what_a_row_takes_is_what_the_table_of_sizes_says() -> None:
    a_row = bytes_a_row(Settings())
    told = (
        f"{a_row['items']:,.0f} bytes an item, {a_row['users']:.0f} a user, {a_row['event_ids']:.0f} a remembered "
        f"event id and {a_row['pairs']:.0f} a pair"
    )
    assert told in " ".join(README.split())
