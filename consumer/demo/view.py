"""How the demo looks: a live picture in a terminal, plain lines anywhere else."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from consumer.demo.figures import Figures
from consumer.demo.scenario import TREND_ITEM, Scenario

PLAIN_EVERY_S: Final = 2.0
REDRAWS_PER_S: Final = 4
BAR_CELLS: Final = 30


class View(Protocol):
    def playing(self) -> AbstractContextManager[Any]:
        """While figures are shown."""
        ...

    def tell(self, text: str) -> None:
        """Something happened."""
        ...

    def show(self, figures: Figures) -> None: ...


def view_on(console: Console, scenario: Scenario) -> View:
    return LiveView(console, scenario) if console.is_terminal else PlainView(console)


class PlainView:
    """One line now and then; no control codes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = PLAIN_EVERY_S

    def playing(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def tell(self, text: str) -> None:
        self._console.print(text, markup=False)

    def show(self, figures: Figures) -> None:
        if figures.at_s < self._next_s:
            return
        self._next_s = figures.at_s + PLAIN_EVERY_S
        best = figures.top[0][0] if figures.top else "-"
        self.tell(
            f"{figures.at_s:5.1f} s  {figures.learned_per_s:,.0f} events/s  "
            f"published after {_seconds(figures.p50_s)} (p50) {_seconds(figures.p99_s)} (p99)  "
            f"hit ratio {_percent(figures.hit_ratio)} (popularity {_percent(figures.popularity_hit_ratio)})  "
            f"version {figures.version}  top {best}"
        )


class LiveView:
    """Redraws one picture; what is told scrolls by above it."""

    def __init__(self, console: Console, scenario: Scenario) -> None:
        self._console = console
        self._scenario = scenario
        self._live = Live(console=console, refresh_per_second=REDRAWS_PER_S)

    def playing(self) -> AbstractContextManager[Any]:
        return self._live

    def tell(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def show(self, figures: Figures) -> None:
        self._live.update(self._picture(figures))

    def _picture(self, figures: Figures) -> RenderableType:
        title = f"freshrank demo: {min(figures.at_s, self._scenario.seconds):.0f} of {self._scenario.seconds:.0f} s"
        return Panel(Group(_numbers(figures), Text(), _top(figures)), title=title, expand=False, padding=(1, 2))


def _numbers(figures: Figures) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(style="bold")
    table.add_column(style="dim")
    table.add_row("throughput", f"{figures.learned_per_s:,.0f} events/s", f"{figures.n_learned:,} learned")
    table.add_row(
        "freshness",
        f"p50 {_seconds(figures.p50_s)}   p99 {_seconds(figures.p99_s)}",
        "from event to published version",
    )
    table.add_row(
        "quality",
        f"hit ratio {_percent(figures.hit_ratio)}",
        f"20 recommended have the next item; 20 most popular {_percent(figures.popularity_hit_ratio)}",
    )
    table.add_row("version", f"{figures.version}", "whole, as a reader sees it")
    return table


def _top(figures: Figures) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim")
    table.add_column(min_width=len(TREND_ITEM))
    table.add_column(justify="right")
    table.add_column(min_width=BAR_CELLS)
    greatest = max((score for _, score in figures.top), default=1.0)
    for place, (item, score) in enumerate(figures.top, start=1):
        bar = "█" * max(1, round(BAR_CELLS * score / greatest))
        table.add_row(f"{place}", item, f"{100 * score:.2f} %", bar, style="bold green" if item == TREND_ITEM else None)
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
