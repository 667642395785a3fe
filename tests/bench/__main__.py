"""`python -m tests.bench`: measures, prints one table, writes build/bench.json."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from tests.bench import freshness, item_scaling, loading, one_core, pipeline, replaying, resident
from tests.bench.figures import BenchFailed, Figure, LeftOut, print_table, write_file
from tests.broker import BrokerFailed, NoBroker, real_kafka
from tests.broker.sources import all_sources

MEASUREMENTS: Mapping[str, Callable[[str, Path], Figure]] = {
    "pipeline": pipeline.measure,
    "freshness": freshness.measure,
    "neural_freshness": freshness.measure_with_neural,
    "resident": resident.measure,
    "load_records": loading.measure,
    "item_scaling": item_scaling.measure,
    "learn_us": one_core.measure_learning,
    "recommend_us": one_core.measure_recommending,
    "neural_examples": one_core.measure_network,
    "replay": replaying.measure,
}
COMPILE = (
    "from consumer.settings import Settings; from consumer.warm_up import compile_kernels; compile_kernels(Settings())"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MEASUREMENTS), default=list(MEASUREMENTS))
    names: list[str] = parser.parse_args().only
    console = Console()
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        with (
            real_kafka(all_sources(os.environ)) as broker,
            tempfile.TemporaryDirectory(prefix="freshrank-bench-") as folder,
        ):
            return _run(console, names, broker.bootstrap_servers, Path(folder))
    except (NoBroker, BrokerFailed) as error:
        console.print(str(error), markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130


def _run(console: Console, names: Sequence[str], bootstrap_servers: str, folder: Path) -> int:
    console.print("compiling the kernels ...")
    # In a process that ends: the compiler's memory would count as the worker's.
    subprocess.run([sys.executable, "-c", COMPILE], check=True)
    figures: list[Figure] = []
    is_complete = True
    for name in names:
        console.print(f"{name} ...")
        try:
            figures.append(MEASUREMENTS[name](bootstrap_servers, folder))
        except LeftOut as reason:
            console.print(f"{name} is left out: {reason}", markup=False)
        except BenchFailed as error:
            is_complete = False
            console.print(f"{name} could not be measured: {error}", markup=False)
    print_table(console, figures)
    console.print(f"written to {write_file(figures)}")
    return 0 if is_complete else 1


def _as_interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
