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
from tests.quality import document, measurements
from tests.quality.document import Section
from tests.quality.published_rows import NotDrained
from tests.quality.recorded import Absent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(measurements.ALL), default=list(measurements.ALL))
    names: list[str] = parser.parse_args().only
    console = Console(soft_wrap=True)
    signal.signal(signal.SIGTERM, _as_interrupt)
    sections: list[Section] = []
    try:
        with tempfile.TemporaryDirectory(prefix="freshrank-quality-") as folder:
            for name in names:
                section = _measured(console, name, measurements.ALL[name], Path(folder))
                sections += [section] if section else []
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    if not sections:
        console.print("nothing was measured, so nothing is written")
        return 1
    document.write(sections)
    console.print(f"written to {document.DOCUMENT.name} and {document.RESULT_FILE}")
    return 0 if len(sections) == len(names) else 1


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
