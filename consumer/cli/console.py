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


def note(text: str) -> None:
    """What goes on meanwhile, for who is watching."""
    if is_watched():
        _errors.print(text, markup=False, style="dim")


def complain(text: str) -> None:
    _errors.print(f"error: {text}", markup=False, style="red")


def warn(text: str) -> None:
    _errors.print(f"warning: {text}", markup=False, style="yellow")


@contextmanager
def progress_bar(title: str, total: int, more: str = "", **fields: Any) -> Iterator[Callable[..., None]]:
    """A bar on stderr while the block runs; call what it gives with how much is done, and with the fields that `more`
    shows, in the words of `rich`. Silent when stderr is no terminal."""
    with Progress(
        TextColumn(title, markup=False),
        BarColumn(),
        TaskProgressColumn(),
        *((TextColumn(more, markup=False),) if more else ()),
        TimeRemainingColumn(),
        console=_errors,
        transient=True,
        disable=not is_watched(),
    ) as progress:
        task = progress.add_task(title, total=total, **fields)
        yield lambda done, **changed: progress.update(task, completed=done, **changed)


def is_watched() -> bool:
    """Whether somebody at a terminal sees what goes to stderr."""
    return _errors.is_terminal


def table(title: str, columns: Mapping[str, list[str]]) -> None:
    """The last column is a number."""
    results.print(_table(title, columns))


def numbered(title: str, columns: Mapping[str, list[str]]) -> None:
    """A table with a row number in front; the last column is a number."""
    numbers = [str(n) for n in range(1, 1 + max(map(len, columns.values()), default=0))]
    results.print(_table(title, {"": numbers, **columns}))


def _table(title: str, columns: Mapping[str, list[str]]) -> Table:
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    *_, last = columns
    n_named = len(columns) - ("" in columns)
    for name in columns:
        is_number = name == "" or (name == last and n_named > 1)
        made.add_column(name, justify="right" if is_number else "left", no_wrap=True, style="" if name else "dim")
    for row in zip(*columns.values(), strict=True):
        made.add_row(*row)
    return made


def be_quiet() -> None:
    """For commands that end by themselves: what goes wrong is in the error they end with, not in logs."""
    if os.environ.get("FRESHRANK_DEBUG") == "1":
        logs.configure("debug", "text")
        return
    logs.configure("error", "text")
    logging.getLogger("consumer.kafka").setLevel(logging.CRITICAL)
