"""The named steps at which a worker may be made to die or to stand still, and a journal of those it passed.

The steps are those of taking over and of the order of durability (`consumer/durability.py`). Both ends of the control
folder are here: the worker's, in `tests.chaos.mortal`, and the suite's.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

FOLDER_VARIABLE = "CHAOS_FOLDER"

TAKING_OVER = ("older writers fenced", "epoch announced", "checkpoint loaded", "reading begins")
PUBLISHING = ("rows written", "rows delivered", "manifest written", "version committed", "rows noted")
SAVING = (
    "checkpoint begun",
    "rows saved",
    "checkpoint written",
    "checkpoint visible",
    "old checkpoint removed",
    "offsets to be committed",
    "offsets committed",
)
STEPS = (*TAKING_OVER, *PUBLISHING, *SAVING)
"""Each names the moment just after it happened, but for "manifest written", "checkpoint written", "reading begins" and
"offsets to be committed": the moment just before the commit, the rename, the assignment and the commit of offsets."""
ON_THE_DISK = frozenset(("checkpoint visible", "old checkpoint removed"))
"""Of these nothing may come from a worker that was replaced. (What it did to the topics is read there: a commit may
have been done while it slept.)"""


class Passed(NamedTuple):
    """A step that a process passed."""

    at_s: float  # wall time
    pid: int
    step: str


class Control:
    """The folder of one worker's slot."""

    def __init__(self, folder: Path) -> None:
        self._plan = folder / "plan"
        self._journal = folder / "journal"

    def arm(self, step: str, signal_number: signal.Signals = signal.SIGKILL) -> None:
        """The worker sends itself this signal when it passes this step next."""
        assert step in STEPS, step
        unfinished = self._plan.with_suffix(".new")
        unfinished.write_text(f"{step}\n{int(signal_number)}", encoding="utf-8")
        unfinished.rename(self._plan)

    def disarm(self) -> None:
        self._plan.unlink(missing_ok=True)

    @property
    def is_armed(self) -> bool:
        return self._plan.exists()

    def passed(self, step: str) -> None:
        """The worker's own call."""
        with self._journal.open("a", encoding="utf-8") as journal:
            journal.write(f"{time.time():.6f}\t{os.getpid()}\t{step}\n")
        try:
            planned, number = self._plan.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return
        if planned == step:
            self.disarm()
            os.kill(os.getpid(), int(number))

    def journal(self) -> list[Passed]:
        if not self._journal.exists():
            return []
        fields = (line.split("\t") for line in self._journal.read_text(encoding="utf-8").splitlines())
        return [Passed(float(at_s), int(pid), step) for at_s, pid, step in fields]
