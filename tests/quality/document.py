"""What is measured, as sections of QUALITY.md and rows of build/quality.json."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from consumer.evaluation.figures import Measured

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs"
INTRODUCTION = """# Quality

Measured by `make quality`; every figure on this page is what it found last. Percent unless a unit is given; in
brackets 95 % intervals by bootstrap over sessions.
"""


@dataclass(slots=True)
class Section:
    """One measurement: its text, and what goes into the file for programs."""

    title: str
    lines: list[str]
    rows: list[dict[str, Any]] = field(default_factory=list)  # of the common table
    figures: dict[str, Any] = field(default_factory=dict)  # everything else, by name


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; the first column is text."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return ["", *("| " + " | ".join(row) + " |" for row in (headings, rule, *rows)), ""]


def percent(measured: Measured) -> str:
    return f"{100 * measured.value:.2f} ({100 * measured.low:.2f}–{100 * measured.high:.2f})"


class Page:
    """What has been measured so far; `put` writes both files anew, so that an interrupted run keeps what it has.

    `order` names all sections there can be. A page that `continues` keeps those of earlier runs that are not measured
    again.
    """

    def __init__(self, folder: Path, order: Sequence[str], *, continues: bool) -> None:
        self._document = folder / "QUALITY.md"
        self._result_file = folder / "build" / "quality.json"
        self._parts = folder / "build" / "quality-sections.json"
        self._order = order
        self._sections: dict[str, dict[str, Any]] = {}
        if continues and self._parts.exists():
            self._sections = json.loads(self._parts.read_text(encoding="utf-8"))

    def put(self, name: str, section: Section) -> None:
        """Add or replace a section."""
        self._sections[name] = asdict(section)
        shown = [self._sections[known] for known in self._order if known in self._sections]
        content = {
            "unit": "recall and mrr are shares from 0 to 1",
            "rows": [row for one in shown for row in one["rows"]],
            **{key: value for one in shown for key, value in one["figures"].items()},
        }
        text = "\n".join(f"## {one['title']}\n\n{_tidy(one['lines'])}\n" for one in shown)
        self._parts.parent.mkdir(parents=True, exist_ok=True)
        self._parts.write_text(json.dumps(self._sections, indent=2) + "\n", encoding="utf-8")
        self._result_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self._document.write_text(f"{INTRODUCTION}\n{text}", encoding="utf-8")


def _tidy(lines: Sequence[str]) -> str:
    """One blank line at most between two others."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
