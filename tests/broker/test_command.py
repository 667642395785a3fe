"""`python -m tests.broker`, as `make broker` runs it, and that no broker outlives its owner."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.answers import wait_until_it_answers
from tests.broker.jars import REPOSITORY, missing
from tests.broker.properties import free_port
from tests.broker.sources import skip_or_fail

pytestmark = pytest.mark.broker


@pytest.fixture
def command() -> Iterator[subprocess.Popen[str]]:
    if lacks := missing():
        skip_or_fail(f"a local broker needs {' and '.join(lacks)}", os.environ)
    arguments = [sys.executable, "-m", "tests.broker", "--port", str(free_port())]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        yield process
        process.kill()


def announced(command: subprocess.Popen[str]) -> tuple[str, int]:
    """The address and the broker's process id, from the line that says it answers."""
    assert command.stdout is not None
    for line in command.stdout:
        if found := re.search(r"answers at (\S+) \(process (\d+)", line):
            return found[1], int(found[2])
    raise AssertionError("the command ended without naming an address")


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or a zombie that nobody here can reap."""
    status = Path(f"/proc/{pid}/status")
    try:
        return "State:\tZ" in status.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(command: subprocess.Popen[str], how: signal.Signals) -> None:
    address, pid = announced(command)
    assert wait_until_it_answers(address, 10)
    command.send_signal(how)
    assert command.wait(60) == 0
    assert has_ended(pid)


def test_the_broker_dies_with_its_owner(command: subprocess.Popen[str]) -> None:
    _, pid = announced(command)
    descriptor = os.pidfd_open(pid)
    command.kill()
    try:
        # Readable once the process has ended: a wait without a sleep for somebody else's child.
        assert select.select([descriptor], [], [], 30)[0], "the broker still runs"
    finally:
        os.close(descriptor)
