"""What is measured, as sections of QUALITY.md and rows of build/quality.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumer.evaluation.figures import Measured

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "QUALITY.md"
RESULT_FILE = ROOT / "build" / "quality.json"
PICTURES = ROOT / "docs"
INTRODUCTION = """# Quality

Measured by `make quality`; every figure on this page is what the last run found. Percent unless a unit is given; in
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


def write(sections: Sequence[Section]) -> None:
    """Both files. A section left out is missing in both."""
    RESULT_FILE.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "unit": "recall and mrr are shares from 0 to 1",
        "rows": [row for section in sections for row in section.rows],
        **{name: value for section in sections for name, value in section.figures.items()},
    }
    RESULT_FILE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    text = "\n".join(f"## {section.title}\n\n" + "\n".join(section.lines).strip() + "\n" for section in sections)
    DOCUMENT.write_text(f"{INTRODUCTION}\n{text}", encoding="utf-8")
