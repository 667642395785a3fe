"""Measurements that need a process of their own: `python -m MODULE ARGUMENTS`, whose last line of output is JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.figures import BenchFailed

STOP_TIMEOUT_S = 60.0


@contextmanager
def child(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Runs beside; on the way out it is told to stop, and killed if it doesn't."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            stop(running)


def answer(running: subprocess.Popen[str]) -> Any:
    """What it found out. Waits for its end; raises BenchFailed where that wasn't a good one."""
    output, _ = running.communicate()
    if running.returncode != 0:
        raise BenchFailed(f"{running.args!r} ended with {running.returncode}")
    return json.loads(output.strip().splitlines()[-1])


def ask(module: str, *arguments: str) -> Any:
    with child(module, *arguments) as running:
        return answer(running)


def stop(running: subprocess.Popen[Any]) -> None:
    if running.poll() is None:
        running.terminate()
        try:
            running.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
