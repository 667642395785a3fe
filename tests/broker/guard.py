"""Sees to it that a broker never outlives the process that started it, even where that one is killed."""

from __future__ import annotations

import subprocess
from pathlib import Path

# The shell's standard input is a pipe whose other end only this process holds, so `read` returns when we are gone.
_SCRIPT = 'read -r _; kill -9 "$1"; rm -rf "$2"'


class Guard:
    """Kills the process and removes its folder once this Python process has died, unless dismissed before."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._shell = subprocess.Popen(
            ["sh", "-c", _SCRIPT, "guard", str(pid), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
        )

    def dismiss(self) -> None:
        self._shell.kill()
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()
