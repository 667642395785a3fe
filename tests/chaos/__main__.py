"""`python -m tests.chaos`: faults until the list is through, one table, build/chaos.json. `--seed` replays a run."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys

from rich.console import Console

from tests.broker.jars import missing
from tests.chaos import run
from tests.chaos.faults import FAULTS

COMPILE = (
    "from consumer.settings import Settings; from consumer.warm_up import compile_kernels; compile_kernels(Settings())"
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the run to be replayed; by default a new one")
    parser.add_argument("--stretch", type=int, default=None, help="only this one of its stretches")
    parser.add_argument(
        "--each", type=int, default=None, help="so many of every kind; by default more of the quick ones"
    )
    parser.add_argument("--minutes", type=float, default=40.0, help="after so long no further fault comes")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), default=list(FAULTS), metavar="FAULT")
    given = parser.parse_args()
    console = Console(soft_wrap=True)
    if lacks := missing():
        console.print(f"a broker that may be killed needs {' and '.join(lacks)}", markup=False)
        return 1
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    console.print(f"seed {seed}; compiling the kernels ...")
    subprocess.run([sys.executable, "-c", COMPILE], check=True, env=os.environ)
    report = run.run(console, seed, given.only, 60 * given.minutes, each=given.each, only_stretch=given.stretch)
    run.print_table(console, report)
    console.print(f"written to {run.write_file(report)}")
    if not report.has_held:
        console.print(f"replay it: make chaos SEED={seed}")
    return 0 if report.has_held and report.is_complete else 1


if __name__ == "__main__":
    raise SystemExit(main())
