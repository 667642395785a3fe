"""One run: which faults come in which order follows from the seed, and so does everything else that is random in it."""

from __future__ import annotations

import json
import random
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.broker import LocalBroker
from tests.chaos import medium
from tests.chaos.faults import FAULTS
from tests.chaos.stretch import Stretch

STRETCH = 16
"""Faults to one model."""
RECOUNT_EVERY = 6
FILE = Path("build/chaos.json")


@dataclass(slots=True)
class Tally:
    """What came of one kind of fault."""

    n: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return "held" if not self.failures else f"FAILED {len(self.failures)} times"


@dataclass(slots=True)
class Report:
    seed: int
    kinds: dict[str, Tally] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Kinds that cannot be had here, and what they need."""
    n_stretches: int = 0
    n_versions: int = 0
    n_recounts: int = 0
    n_events: int = 0
    n_started_again: int = 0
    """Workers that ended by themselves where they might, and were started again as a supervisor does."""
    seconds: float = 0.0
    is_complete: bool = False

    @property
    def n_faults(self) -> int:
        return sum(tally.n for tally in self.kinds.values())

    @property
    def has_held(self) -> bool:
        return not any(tally.failures for tally in self.kinds.values())


def schedule(seed: int, kinds: Sequence[str], each: int | None = None) -> list[list[str]]:
    """Every kind as often as it is due, or `each` times, in the seed's order, in stretches."""
    faults = [name for name in kinds for _ in range(FAULTS[name].times if each is None else each)]
    random.Random(seed).shuffle(faults)
    n = max(1, round(len(faults) / STRETCH))
    return [faults[i::n] for i in range(n)]


def available(kinds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(kind, what it lacks here)."""
    lacks = medium.lacks()
    for name in kinds:
        yield name, lacks if FAULTS[name].needs_own_disk else ""


def run(
    console: Console,
    seed: int,
    kinds: Sequence[str],
    limit_s: float,
    *,
    each: int | None = None,
    only_stretch: int | None = None,
) -> Report:
    """All stretches, or the one asked for, until the time is over. A failure ends its stretch, not the run."""
    report, started_s = Report(seed), time.monotonic()
    report.left_out = {name: lacks for name, lacks in available(kinds) if lacks}
    for name, lacks in report.left_out.items():
        console.print(f"left out: {name}: needs {lacks}", markup=False)
    stretches = schedule(seed, [name for name in kinds if name not in report.left_out], each)
    with tempfile.TemporaryDirectory(prefix="freshrank-chaos-") as folder:
        report.is_complete = True
        for n, faults in enumerate(stretches):
            if only_stretch not in (None, n):
                continue
            if time.monotonic() - started_s > limit_s:
                report.is_complete = False
                break
            console.print(f"stretch {n} of {len(stretches)}: {len(faults)} faults", markup=False)
            stretch_folder = Path(folder) / str(n)
            stretch_folder.mkdir()
            report.is_complete &= run_stretch(
                console, report, f"{seed}-{n}", faults, stretch_folder, started_s + limit_s
            )
            report.n_stretches += 1
            report.seconds = time.monotonic() - started_s
            write_file(report)  # a run that is killed leaves what it found
    return report


def run_stretch(
    console: Console, report: Report, seed: str, faults: Sequence[str], folder: Path, give_up_s: float
) -> bool:
    """Whether all of its faults came."""
    current = ""
    with LocalBroker(starts_quickly=True) as broker:
        try:
            with Stretch(broker, f"chaos-{seed}", folder, seed) as stretch:
                for n, current in enumerate(faults, start=1):
                    if time.monotonic() > give_up_s:
                        return False
                    started_s = time.monotonic()
                    FAULTS[current].do(stretch)
                    if n % RECOUNT_EVERY == 0 or n == len(faults):
                        stretch.recount()
                    seconds = time.monotonic() - started_s
                    tally = report.kinds.setdefault(current, Tally())
                    tally.n += 1
                    tally.seconds += seconds
                    console.print(f"  {seconds:5.1f} s  {current}", markup=False)
                report.n_versions += stretch.witness.n_versions
                report.n_recounts += stretch.n_recounts
                report.n_started_again += stretch.n_started_again
                report.n_events += sum(stretch.ledger.ends().values())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this fault's outcome
            tally = report.kinds.setdefault(current or "the start of a stretch", Tally())
            tally.n += 1
            tally.failures.append(f"{type(error).__name__}: {error}")
            console.print(f"  FAILED  {current} (stretch {seed})\n{traceback.format_exc()}", markup=False)
            return False
    return True


def print_table(console: Console, report: Report) -> None:
    table = Table("fault", "times", "seconds each", "outcome")
    for name in FAULTS:
        if (tally := report.kinds.get(name)) is not None:
            table.add_row(name, str(tally.n), f"{tally.seconds / tally.n:.1f}", tally.outcome)
    console.print(table)
    console.print(
        f"{report.n_faults} faults of {len(report.kinds)} kinds in {report.seconds / 60:.1f} minutes; "
        f"{report.n_versions} versions held against {report.n_events} records, {report.n_recounts} recounts, "
        f"{report.n_started_again} workers started again; "
        f"seed {report.seed}",
        markup=False,
    )


def write_file(report: Report) -> Path:
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    return FILE
