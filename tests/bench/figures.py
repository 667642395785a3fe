"""What a measurement comes to, the targets, the table and the file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULT_FILE = Path(__file__).parents[2] / "build" / "bench.json"
GIB = 1 << 30

Details = Mapping[str, object]


class BenchFailed(Exception):
    """Something could not be measured; the message says what and why."""


class LeftOut(Exception):
    """Something is not measured here, for want of something optional; the message says what."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `name` is its key in the file."""

    name: str
    meaning: str
    value: float
    shown: str
    target: str
    is_met: bool
    details: Details


def at_least(name: str, meaning: str, value: float, bound: float, details: Details) -> Figure:
    return Figure(name, meaning, value, f"{value:.2f}", f"at least {bound:g}", value >= bound, details)


def at_most(name: str, meaning: str, value: float, bound: float, details: Details, unit: str = "") -> Figure:
    return Figure(name, meaning, value, f"{value:.2f}{unit}", f"at most {bound:g}{unit}", value <= bound, details)


def bytes_at_most(name: str, meaning: str, value: int, bound: int, details: Details) -> Figure:
    shown, target = f"{value / GIB:.2f} GiB", f"at most {bound / GIB:g} GiB"
    return Figure(name, meaning, value, shown, target, value <= bound, details)


def print_table(console: Console, figures: Sequence[Figure]) -> None:
    table = Table("figure", "measured", "target", "", "how", title="freshrank bench", title_justify="left")
    for figure in figures:
        verdict = "[green]met" if figure.is_met else "[red]missed"
        table.add_row(figure.name, figure.shown, figure.target, verdict, figure.meaning)
    console.print(table)
    for figure in figures:
        console.print(f"[bold]{figure.name}[/]", ", ".join(_said(figure.details)), soft_wrap=True)


def write_file(figures: Sequence[Figure]) -> Path:
    """All figures at the top, how they came about below `details`."""
    RESULT_FILE.parent.mkdir(parents=True, exist_ok=True)
    content = {
        **{figure.name: figure.value for figure in figures},
        "details": {figure.name: figure.details for figure in figures},
        "machine": {"cpus": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
    }
    RESULT_FILE.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return RESULT_FILE


def _said(details: Details) -> list[str]:
    return [f"{key} {_short(value)}" for key, value in details.items()]


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return " ".join(map(_short, value))
    return str(value)
