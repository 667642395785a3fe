"""A real Prometheus: with the rules of this project, scraping one worker every second."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.broker.guard import Guard
from tests.broker.properties import free_port
from tests.end_to_end.waiting import until
from tests.watching.debian_tools import path_of
from tests.watching.rules import RULE_FILES

JOB = "freshrank-shop"
INSTANCE = "slot-0"
EVERY = "1s"
START_TIMEOUT_S = 60.0


class Prometheus:
    """For a `with` block. What it scrapes is said, and said anew, by `watch`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "prometheus"
        self._directory.mkdir()
        self._targets = self._directory / "targets.json"
        self._address = f"127.0.0.1:{free_port()}"

    def watch(self, port: int) -> None:
        """Scrape the worker on this port, always under the same instance's name, as a slot of a deployment has one."""
        target = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": INSTANCE}}]
        new = self._targets.with_suffix(".new")
        new.write_text(json.dumps(target), encoding="utf-8")
        new.replace(self._targets)

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of its API."""
        with urlopen(f"http://{self._address}/api/v1/{path}?{urlencode(parameters)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def over(self, query: str, start_s: float, end_s: float) -> list[float]:
        """Every finite value of every series that the query gives in this time, second by second."""
        data = self.get("query_range", query=query, start=f"{start_s}", end=f"{end_s}", step="1")
        values = [float(value) for series in data["result"] for _, value in series["values"]]
        return [value for value in values if math.isfinite(value)]

    def is_scraping(self) -> bool:
        return any(float(series["value"][1]) == 1.0 for series in self.get("query", query="up")["result"])

    def __enter__(self) -> Prometheus:
        config = self._directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._config()), encoding="utf-8")
        command = [
            path_of("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={self._address}", "--log.level=warn",
        ]  # fmt: skip
        log_file = self._directory / "log"
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._guard = Guard(self._process.pid, self._directory)
        until(self._is_ready, f"Prometheus is ready; it says {log_file.read_text()}", START_TIMEOUT_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._guard.dismiss()

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://{self._address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _config(self) -> dict[str, Any]:
        files = {"files": [str(self._targets)], "refresh_interval": EVERY}
        return {
            "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY},
            "rule_files": [str(file) for file in RULE_FILES],
            "scrape_configs": [{"job_name": JOB, "file_sd_configs": [files]}],
        }
