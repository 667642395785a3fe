"""The image's recipe: linted, locked down, and built from what it names; and its health check, without curl."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.deploy.charts import DEPLOY
from tests.telemetry.conftest import board, clock, health, server, telemetry

__all__ = ["board", "clock", "health", "server", "telemetry"]  # fixtures

ROOT = DEPLOY.parent
DOCKERFILE = DEPLOY / "Dockerfile"
IMAGE = DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")[2]
"""The last stage, which is the image."""


def test_hadolint_finds_nothing_to_say_about_the_dockerfile() -> None:
    linter = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert linter is not None, "hadolint is missing; make test installs it"
    ended = subprocess.run([linter, str(DOCKERFILE)], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", IMAGE, re.MULTILINE)
    assert min(map(int, user)) >= 10_000


def test_what_is_copied_into_the_build_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for names in copied for name in names.split()]
    assert {"consumer", "producer_tools", "pyproject.toml", "constraints.txt"} <= set(names)
    assert [name for name in names if not (ROOT / name).exists()] == []
    assert [name for name in names if f"!{name}" not in ignored] == []


def healthy(server: TelemetryServer, page: str) -> int:
    (arguments,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", IMAGE, re.MULTILINE)
    inside, script = json.loads(arguments)
    assert (inside, script) == ("python", "/opt/freshrank/bin/healthy.py")
    environment = {**os.environ, "FRESHRANK__TELEMETRY__PORT": str(server.port)}
    command = [sys.executable, str(DEPLOY / "healthy.py"), page]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode


def test_the_health_check_tells_a_worker_that_is_well_from_one_that_is_not(
    server: TelemetryServer, telemetry: PrometheusTelemetry
) -> None:
    codes = [healthy(server, "startupz")]
    telemetry.loop_moved(0.0)
    codes += [healthy(server, "startupz"), healthy(server, "healthz"), healthy(server, "readyz")]
    server.stop()
    codes.append(healthy(server, "healthz"))
    assert codes == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("package", ["confluent-kafka", "numba", "typer"])
def test_the_build_takes_the_packages_from_pyproject_and_their_versions_from_the_constraints(
    package: str, tmp_path: Path
) -> None:
    (program,) = re.findall(r'^RUN python -c "(.+)" \\$', DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    listed = subprocess.run(
        ["sh", "-c", f'{sys.executable} -c "{program}"'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = [re.split("[<>=]", line)[0] for line in listed.stdout.splitlines()]
    assert package in names
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower()
    assert [name for name in names if f"{name.replace('-', '_')}==" not in pinned.replace("-", "_")] == []
