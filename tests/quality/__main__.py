"""`python -m tests.quality`: measures on the shared data, writes QUALITY.md and build/quality.json."""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from rich.console import Console

from tests.broker import BrokerFailed, NoBroker
from tests.quality import measurements
from tests.quality.document import ROOT, Page, Section
from tests.quality.published_rows import NotDrained
from tests.quality.recorded import Absent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(measurements.ALL), default=list(measurements.ALL))
    names: list[str] = parser.parse_args().only
    console = Console(soft_wrap=True)
    signal.signal(signal.SIGTERM, _as_interrupt)
    page = Page(ROOT, list(measurements.ALL), continues=names != list(measurements.ALL))
    n_measured = 0
    try:
        with tempfile.TemporaryDirectory(prefix="freshrank-quality-") as folder:
            for name in names:
                section = _measured(console, name, measurements.ALL[name], Path(folder))
                if section is not None:
                    page.put(name, section)
                    n_measured += 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    console.print(f"{n_measured} of {len(names)} measured; see QUALITY.md and build/quality.json")
    return 0 if n_measured == len(names) else 1


def _measured(console: Console, name: str, measure: Callable[[Path], Section], folder: Path) -> Section | None:
    console.print(f"{name} ...")
    start_s = time.monotonic()
    try:
        section = measure(folder)
    except (Absent, NoBroker, BrokerFailed, NotDrained) as error:
        console.print(f"{name} is left out: {error}", markup=False)
        return None
    console.print("\n".join(section.lines), markup=False)
    console.print(f"{name}: {time.monotonic() - start_s:.0f} s\n")
    return section


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
