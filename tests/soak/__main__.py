"""`python -m tests.soak`: floods a worker, prints memory over time, writes build/soak.json; exit code 1 if it grew."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from tests.bench.__main__ import COMPILE
from tests.bench.figures import BenchFailed
from tests.broker import BrokerFailed, NoBroker, real_kafka
from tests.broker.sources import all_sources
from tests.soak.soaking import LONG, soak

RESULT_FILE: Final = Path(__file__).parents[2] / "build" / "soak.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=LONG.n_events)
    plan = replace(LONG, n_events=parser.parse_args().events)
    console = Console()
    signal.signal(signal.SIGTERM, _as_interrupt)
    console.print("compiling the kernels ...")
    # In a process that ends: the compiler's memory would count as the worker's.
    subprocess.run([sys.executable, "-c", COMPILE], check=True)
    try:
        with (
            real_kafka(all_sources(os.environ)) as broker,
            tempfile.TemporaryDirectory(prefix="freshrank-soak-") as folder,
        ):
            console.print(f"{plan.n_events:,} events ...")
            report = soak(broker.bootstrap_servers, Path(folder), plan)
    except (NoBroker, BrokerFailed, BenchFailed) as error:
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    console.print(report.table())
    report.write(RESULT_FILE)
    problems = report.problems()
    for problem in problems:
        console.print(f"[red]{problem}")
    console.print(report.summary())
    console.print(f"written to {RESULT_FILE}")
    return 1 if problems else 0


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
