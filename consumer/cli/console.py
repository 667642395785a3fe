"""What commands say: results on stdout, complaints on stderr; plain text wherever that is no terminal."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from consumer.telemetry import logs

results = Console(soft_wrap=True, highlight=False)
_errors = Console(stderr=True, soft_wrap=True, highlight=False)


def say(text: str, *, style: str | None = None) -> None:
    results.print(text, markup=False, style=style)


def say_json(value: Mapping[str, Any]) -> None:
    """One object on one line, whatever the width of the terminal."""
    results.print(json.dumps(value, ensure_ascii=False), markup=False)


def complain(text: str) -> None:
    _errors.print(f"error: {text}", markup=False, style="red")


def warn(text: str) -> None:
    _errors.print(f"warning: {text}", markup=False, style="yellow")


@contextmanager
def progress_bar(title: str, n_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while the block runs; call what it gives with how many bytes are done. Silent when stderr is no
    terminal."""
    with Progress(
        TextColumn(title, markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=_errors,
        transient=True,
        disable=not _errors.is_terminal,
    ) as progress:
        task = progress.add_task(title, total=n_bytes)
        yield lambda done: progress.update(task, completed=done)


def numbered(title: str, columns: Mapping[str, list[str]]) -> None:
    """A table with a row number in front; the last column is a number."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    table.add_column("", justify="right", style="dim")
    *_, last = columns
    for name in columns:
        table.add_column(name, justify="right" if name == last and len(columns) > 1 else "left", no_wrap=True)
    for number, row in enumerate(zip(*columns.values(), strict=True), start=1):
        table.add_row(str(number), *row)
    results.print(table)


def be_quiet() -> None:
    """For commands that end by themselves: what goes wrong is in the error they end with, not in logs."""
    if os.environ.get("FRESHRANK_DEBUG") == "1":
        logs.configure("debug", "text")
        return
    logs.configure("error", "text")
    logging.getLogger("consumer.kafka").setLevel(logging.CRITICAL)
