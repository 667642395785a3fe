"""What Prometheus' own linter thinks of a scrape."""

from __future__ import annotations

import subprocess
from urllib.request import urlopen

from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.telemetry.test_prometheus import report_everything
from tests.watching.debian_tools import path_of


def test_promtool_finds_nothing_to_say_about_a_full_scrape(
    server: TelemetryServer, telemetry: PrometheusTelemetry
) -> None:
    promtool = path_of("promtool")
    report_everything(telemetry)
    with urlopen(f"{server.url}/metrics", timeout=10) as answer:
        scrape = answer.read()

    checked = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, timeout=60, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
