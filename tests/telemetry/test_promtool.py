"""What Prometheus' own linter thinks of a scrape."""

from __future__ import annotations

import shutil
import subprocess
from urllib.request import urlopen

import pytest

from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.telemetry.test_prometheus import report_everything


def test_promtool_finds_nothing_to_say_about_a_full_scrape(
    server: TelemetryServer, telemetry: PrometheusTelemetry
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing; Debian's package prometheus has it")
    report_everything(telemetry)
    with urlopen(f"{server.url}/metrics", timeout=10) as answer:
        scrape = answer.read()

    checked = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, timeout=60, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
