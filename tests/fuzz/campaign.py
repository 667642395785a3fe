"""A run of all engines on all targets, each in a process of its own, two at a time; what they found is kept."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from rich.table import Table

from tests.fuzz.hand import Hand

CORPUS: Final = Path(__file__).parent / "corpus"
RESULT_FILE: Final = Path(__file__).parents[2] / "build" / "fuzz.json"
N_AT_ONCE: Final = 2
STARTING_S: Final = 900.0
"""Most that a process may take before its first case: it may have to compile the kernels."""
HANGING_S: Final = 60.0
"""Most that a case may take, on a machine that is busy with others too."""
LOOK_S: Final = 0.2
CHECKED: Final = "change, bounds"
"""`change` with kernels that check every index: slower, and it sees what does not crash."""


@dataclass(frozen=True, slots=True)
class Stint:
    """One engine on one target, for a share of the time."""

    target: str
    engine: str
    share: float


PLAN: Final[Sequence[Stint]] = (
    Stint("event codec", "change", 0.36),
    Stint("event codec", CHECKED, 0.10),
    Stint("event codec", "atheris", 0.12),
    Stint("event codec", "hypothesis", 0.06),
    Stint("field mapping", "change", 0.06),
    Stint("field mapping", "hypothesis", 0.04),
    Stint("settings", "hypothesis", 0.06),
    Stint("settings", "atheris", 0.06),
    Stint("snapshot reader", "hypothesis", 0.05),
    Stint("snapshot reader", "atheris", 0.06),
    Stint("checkpoint", CHECKED, 0.06),
    Stint("checkpoint", "hypothesis", 0.05),
    Stint("checkpoint", "atheris", 0.04),
    Stint("requests", "change", 0.02),
    Stint("requests", "atheris", 0.02),
)


@dataclass(slots=True)
class Row:
    """What came of a stint."""

    target: str
    engine: str
    n_inputs: int = 0
    seconds: float = 0.0
    found: list[str] = field(default_factory=list)
    """Files in the corpus."""
    why: str = ""
    left_out: str = ""


@dataclass(slots=True)
class Report:
    seed: int
    rows: list[Row]
    seconds: float

    @property
    def n_inputs(self) -> int:
        return sum(row.n_inputs for row in self.rows)

    @property
    def n_found(self) -> int:
        return sum(len(row.found) for row in self.rows)

    @property
    def has_failed(self) -> bool:
        """Also where an engine could not do its work."""
        return any(row.found or row.why for row in self.rows)

    def table(self) -> Table:
        table = Table("target", "engine", "inputs", "inputs/s", "found")
        for row in self.rows:
            rate = f"{row.n_inputs / row.seconds:,.0f}" if row.seconds else "-"
            outcome = row.left_out or (str(len(row.found)) if row.found or not row.why else "failed")
            table.add_row(row.target, row.engine, f"{row.n_inputs:,}", rate, outcome)
        table.add_row("all", "", f"{self.n_inputs:,}", f"{self.n_inputs / self.seconds:,.0f}", str(self.n_found))
        return table

    def write(self, file: Path) -> None:
        file.parent.mkdir(exist_ok=True)
        content = {"inputs": self.n_inputs, "found": self.n_found, **asdict(self)}
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


Command = Callable[[Stint, int, float, Path], Sequence[str]]
"""What is run for a stint, its seed, its seconds and the file of its hand."""


def run(
    seed: int,
    seconds: float,
    plan: Sequence[Stint] = PLAN,
    *,
    corpus: Path = CORPUS,
    tell: Callable[[str], None] = lambda text: None,
) -> Report:
    """`seconds` of work for each of the processors that are used; starting takes some more."""
    total, started_s = sum(stint.share for stint in plan), time.monotonic()

    def one(numbered: tuple[int, Stint]) -> Row:
        number, stint = numbered
        row = worked(stint, seed + 1_000 * number, N_AT_ONCE * seconds * stint.share / total, corpus)
        tell(f"{row.target}, {row.engine}: {row.left_out or f'{row.n_inputs:,} inputs'} {row.why}".strip())
        return row

    with ThreadPoolExecutor(N_AT_ONCE) as pool:
        rows = list(pool.map(one, enumerate(plan)))
    return Report(seed, rows, time.monotonic() - started_s)


def command_of(stint: Stint, seed: int, seconds: float, hand: Path) -> Sequence[str]:
    engine = "change" if stint.engine == CHECKED else stint.engine
    return [sys.executable, "-m", "tests.fuzz.child", stint.target, engine, str(seed), str(seconds), str(hand)]


def worked(stint: Stint, seed: int, seconds: float, corpus: Path, command: Command = command_of) -> Row:
    """Let the process of a stint work, and look whether it crashed, hangs, or found something."""
    row = Row(stint.target, stint.engine)
    if stint.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        row.left_out = "no atheris for this Python"
        return row
    with tempfile.TemporaryDirectory(prefix="freshrank-fuzz-") as folder:
        file, output = Path(folder) / "hand", Path(folder) / "output"
        hand = Hand(file)
        with output.open("wb") as written:
            process = subprocess.Popen(
                command(stint, seed, seconds, file),
                stdout=written,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "TMPDIR": folder, **_checks(stint)},
            )
            started_s = time.monotonic()
            hangs = _hangs(process, hand, file.with_suffix(".ready"))
        row.n_inputs, row.seconds = hand.n_inputs, min(seconds, time.monotonic() - started_s)
        why = file.with_suffix(".why")
        if hand.n_found and why.exists():
            row.why = why.read_text(encoding="utf-8")
        elif hangs:
            row.why = f"hangs: no answer within {HANGING_S:g} s"
        elif process.returncode:
            row.why = f"{_ending(process.returncode)}: {output.read_bytes()[-2_000:].decode(errors='replace')}"
        if row.why and hand.n_cases:
            row.found.append(_keep(corpus, stint.target, hand.case))
    return row


def _checks(stint: Stint) -> Mapping[str, str]:
    """Such kernels are others, and need a cache of their own."""
    if stint.engine != CHECKED:
        return {}
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return {"NUMBA_BOUNDSCHECK": "1", "FRESHRANK_KERNEL_CACHE": str(caches / "freshrank-boundscheck")}


def _hangs(process: subprocess.Popen[bytes], hand: Hand, ready: Path) -> bool:
    """Wait for it; it is killed where one case takes too long."""
    n_cases, since_s = 0, time.monotonic()
    while process.poll() is None:
        time.sleep(LOOK_S)
        if hand.n_cases != n_cases:
            n_cases, since_s = hand.n_cases, time.monotonic()
        if time.monotonic() - since_s > (HANGING_S if ready.exists() and n_cases else STARTING_S):
            process.kill()
            process.wait()
            return True
    return False


def _ending(code: int) -> str:
    return f"crashed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def _keep(corpus: Path, target: str, case: bytes) -> str:
    folder = corpus / target.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"found-{hashlib.sha256(case).hexdigest()[:8]}"
    file.write_bytes(case)
    return str(file)
