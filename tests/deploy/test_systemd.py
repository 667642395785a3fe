"""The unit for machines without containers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from consumer.cli import exit_codes
from consumer.durability import FINISH_TIMEOUT_S
from consumer.kafka.input import LEAVE_TIMEOUT_S
from tests.deploy.charts import DEPLOY

UNIT = (DEPLOY / "systemd" / "freshrank.service").read_text(encoding="utf-8")


def value(key: str) -> str:
    (found,) = re.findall(rf"^{key}=(.*)$", UNIT, re.MULTILINE)
    return str(found)


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing; Debian's package systemd has it")
    unit = tmp_path / "freshrank.service"
    unit.write_text(UNIT.replace(value("ExecStart"), "/bin/true"), encoding="utf-8")
    ended = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_a_stop_has_more_time_than_the_worker_tries_to_publish_and_to_leave() -> None:
    assert float(value("TimeoutStopSec")) >= 2 * (FINISH_TIMEOUT_S + LEAVE_TIMEOUT_S)


def test_only_wrong_settings_are_not_started_again() -> None:
    assert (value("Restart"), int(value("RestartPreventExitStatus"))) == ("on-failure", exit_codes.USAGE)


def test_what_the_worker_writes_outlives_it() -> None:
    assert (value("StateDirectory"), value("WorkingDirectory")) == ("freshrank", "/var/lib/freshrank")
    assert f"FRESHRANK_KERNEL_CACHE=/var/cache/{value('CacheDirectory')}" in UNIT
