"""Replays as processes of their own: `freshrank replay` with a live model's settings, and what it leaves behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.local_store import LocalStore
from consumer.settings import Settings
from tests.end_to_end.states import Arrays, learned_and_admitted, newest
from tests.end_to_end.workers import ROOT

DONE_TIMEOUT_S = 240.0


def written(settings: Settings, directory: Path) -> Path:
    """A file with these settings."""
    path = directory / f"{settings.model}.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    return path


def freshrank(*arguments: str, timeout_s: float = DONE_TIMEOUT_S) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "consumer", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=timeout_s)


def replay_checkpoints(settings: Settings, name: str) -> Path:
    return Path(settings.checkpoints.directory) / "replays" / name


class Replay:
    """One replay of a live model's input, as often as it is started."""

    def __init__(self, settings: Settings, directory: Path, name: str, *options: str) -> None:
        self.name = name
        self.directory = replay_checkpoints(settings, name)
        self.log_file = directory / f"{name}.log"
        config = written(settings, directory)
        self._arguments = ("replay", "-c", str(config), "--name", name, *options)
        self._process: subprocess.Popen[str] | None = None

    def run(self, *more: str) -> dict[str, Any]:
        """To its end; what it says of itself."""
        done = freshrank(*self._arguments, "--json", *more)
        assert done.returncode == 0, done.stderr
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return said

    def refused(self, *more: str) -> str:
        """The message with which it ends at once."""
        done = freshrank(*self._arguments, *more)
        assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
        return " ".join(done.stderr.split())

    def start(self, *more: str) -> None:
        with self.log_file.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consumer", *self._arguments, *more],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    def is_running(self) -> bool:
        assert self._process is not None
        return self._process.poll() is None

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def n_learned(self) -> int:
        """Records that its newest checkpoint holds."""
        return sum(self.notes().input_positions.values()) if any(self.directory.glob("checkpoint-*")) else 0

    def notes(self) -> Notes:
        store = LocalStore(self.directory)
        name = store.names()[-1]
        return contents.decode(name, store.notes(name))

    def state(self) -> Arrays:
        """Learned and admitted, of the newest checkpoint."""
        return learned_and_admitted(newest(self.directory)[1])

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
