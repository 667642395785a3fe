"""The command line, as its users meet it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from consumer.__main__ import main


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Freshrank = Callable[..., Ended]
Started = Callable[..., AbstractContextManager[subprocess.Popen[str]]]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's settings, and a wide terminal without colours."""
    for name in [name for name in os.environ if name.startswith("FRESHRANK__")]:
        monkeypatch.delenv(name)
    for name in ("FRESHRANK_CONFIG", "FRESHRANK_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def freshrank(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Freshrank]:
    """Runs `freshrank` with these arguments in this process."""
    loggers = [logging.getLogger(name) for name in ("", "consumer", "consumer.kafka", "producer_tools")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["freshrank", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Ended(int(end.value.code or 0), *capsys.readouterr())

    yield run
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers = handlers


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """Starts `freshrank` as a process of its own; its output is in `stdout` and `stderr` of tmp_path. Killed at the end
    if it still runs."""

    @contextmanager
    def start(*arguments: object) -> Iterator[subprocess.Popen[str]]:
        with (tmp_path / "stdout").open("w") as out, (tmp_path / "stderr").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "consumer", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
                cwd=tmp_path,
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    return start
