"""`python -m tests.fuzz`: hostile inputs for a quarter of an hour, one table, build/fuzz.json; exit code 1 if one did
harm. `--seed` gives hypothesis and `change` the same cases again."""

from __future__ import annotations

import argparse
import random

from rich.console import Console

from tests.fuzz.campaign import CHECKED, PLAN, RESULT_FILE, run
from tests.fuzz.engines import ENGINES
from tests.fuzz.targets import NAMES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="by default a new one")
    parser.add_argument("--minutes", type=float, default=12.0, help="of work on two processors; starting comes on top")
    parser.add_argument("--target", nargs="+", choices=NAMES, default=NAMES, metavar="TARGET")
    parser.add_argument("--engine", nargs="+", choices=[*ENGINES, CHECKED], default=[*ENGINES, CHECKED])
    given = parser.parse_args()
    console = Console(soft_wrap=True)
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    plan = [stint for stint in PLAN if stint.target in given.target and stint.engine in given.engine]
    if not plan:
        console.print("no engine is planned for this target")
        return 2
    console.print(f"seed {seed}")
    report = run(seed, 60 * given.minutes, plan, tell=lambda text: console.print(text, markup=False))
    console.print(report.table())
    report.write(RESULT_FILE)
    for row in report.rows:
        for file in row.found:
            console.print(f"{row.target}: {row.why}\n  kept as {file}; its test fails until it is mended", markup=False)
    console.print(f"{report.seconds / 60:.1f} minutes; written to {RESULT_FILE}", markup=False)
    return 1 if report.has_failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
