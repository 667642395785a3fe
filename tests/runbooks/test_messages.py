"""Each message that an operator can meet has one section in a runbook page, and each section a message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from consumer.cli.exit_codes import EXPLAINED
from tests.runbooks.messages import ROOT, messages

PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deploy/runbooks").glob("messages-*.md")}
SECTION = re.compile(r"^## (`+)([^\n]+)\1\n\n(.*?)\n(?=\n## |\Z)", re.MULTILINE | re.DOTALL)
SECTIONS = [(page, title, body) for page, text in PAGES.items() for _, title, body in SECTION.findall(text)]
CODES = (ROOT / "deploy/runbooks/exit-codes.md").read_text(encoding="utf-8")


def is_about(title: str, message: str) -> bool:
    """A title that ends in `…` behind a space or a full stop may leave out the rest of its message."""
    return message == title or (
        len(title) > 2 and title[-2:] in (" …", ".…") and message.startswith(title[:-1].rstrip())
    )


@pytest.mark.parametrize("message", sorted(messages()))
def test_every_message_has_one_section(message: str) -> None:
    titles = [title for _, title, _ in SECTIONS if title == message]
    titles = titles or [title for _, title, _ in SECTIONS if is_about(title, message)]
    assert len(titles) == 1, f"said in {messages()[message]}; sections about it: {titles}"


@pytest.mark.parametrize(("page", "title"), [(page, title) for page, title, _ in SECTIONS])
def test_every_section_has_a_message(page: str, title: str) -> None:
    assert any(is_about(title, message) for message in messages())


@pytest.mark.parametrize(("title", "text"), [(title, text) for _, title, text in SECTIONS])
def test_a_section_says_what_it_means_what_happens_and_what_to_do(title: str, text: str) -> None:
    assert re.fullmatch(r"\*\*Means\.\*\* \S.*\*\*By itself\.\*\* \S.*\*\*Do\.\*\* \S.*", " ".join(text.split()))


def test_the_pages_have_nothing_but_sections() -> None:
    assert sum(text.count("\n## ") for text in PAGES.values()) == len(SECTIONS)


def test_every_exit_code_has_a_section() -> None:
    assert re.findall(r"^## `(\d+)`$", CODES, re.MULTILINE) == re.findall(r"(\d+) ", EXPLAINED.partition(".")[0])


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "deploy/runbooks").glob("*.md")))
def test_every_link_of_a_page_leads_to_another(page: str) -> None:
    text = (ROOT / "deploy/runbooks" / page).read_text(encoding="utf-8")
    assert [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (ROOT / "deploy/runbooks" / link).exists()] == []


def test_the_messages_are_found_in_the_code() -> None:
    found = messages()
    for known in ("checkpoint failed", "the settings cannot be used:", "producer fenced", "drift"):
        assert known in found
    assert len(found) > 60
    assert all(Path(ROOT, where.split(":")[0].replace(".", "/") + ".py").exists() for where in found.values())
