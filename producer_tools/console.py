"""What the commands say: results on stdout, progress and complaints on stderr, the progress bar on terminals only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from producer_tools.errors import ToolError
from producer_tools.producing import Delivery

INTERRUPTED = 130

_errors = Console(stderr=True, soft_wrap=True, highlight=False)
_results = Console(soft_wrap=True, highlight=False)


@contextmanager
def progress_bar(title: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while the block runs; call what it gives with how much of `total` is done. Silent when stderr is
    no terminal. The count is shown for records, not for bytes."""
    shown = [MofNCompleteColumn()] if unit == "records" else [TaskProgressColumn()]
    with Progress(
        TextColumn(title),
        BarColumn(),
        *shown,
        TimeRemainingColumn(),
        console=_errors,
        transient=True,
        disable=not _errors.is_terminal,
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)


def complain(error: Exception) -> None:
    _errors.print(f"error: {error}", markup=False, style="red")


def warn(text: str) -> None:
    _errors.print(f"warning: {text}", markup=False, style="yellow")


def say(text: str) -> None:
    _results.print(text, markup=False)


def report(delivery: Delivery, topic: str, *, is_paced: bool, what_now: str = "") -> None:
    """What became of the records, in words, and after an interrupt what to do now. Raises ToolError unless every one is
    delivered; SystemExit(130) after an interrupt."""
    rate = delivery.n_delivered / delivery.seconds if delivery.seconds else 0.0
    say(
        f"{delivery.n_delivered:,} records delivered to {topic} in {delivery.seconds:.1f} s ({rate:,.0f} a second)"
        + (_schedule(delivery) if is_paced else "")
    )
    if delivery.first_failure:
        raise ToolError(
            f"stopped after {delivery.n_sent:,} records, {delivery.n_sent - delivery.n_delivered:,} of them not "
            f"delivered: {delivery.first_failure}"
        )
    if delivery.was_interrupted:
        warn(what_now or f"interrupted; {delivery.n_sent - delivery.n_delivered:,} records given up")
        raise SystemExit(INTERRUPTED)


def _schedule(delivery: Delivery) -> str:
    p50_ms, p99_ms, max_ms = (1_000 * s for s in (delivery.late_p50_s, delivery.late_p99_s, delivery.late_max_s))
    return (
        f"; handed over behind schedule by at most {p50_ms:.1f} ms for half of them, {p99_ms:.1f} ms for 99 %, "
        f"{max_ms:.1f} ms for all"
    )
