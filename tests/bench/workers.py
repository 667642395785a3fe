"""A real worker in a process of its own, with the default settings but for names and addresses."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from consumer.kafka.topic_admin import TopicAdmin
from consumer.settings import Settings
from tests.bench.children import stop
from tests.bench.figures import BenchFailed
from tests.broker.properties import free_port

PARTITIONS = 4
START_TIMEOUT_S = 180.0  # kernels may have to be compiled
ANSWER_TIMEOUT_S = 10.0


def settings_for(
    bootstrap_servers: str, model: str, folder: Path, *, input_topic: str, checkpoint_interval_s: float | None = None
) -> Settings:
    """Topics and checkpoints of this model's own; everything else as by default."""
    checkpoints: dict[str, object] = {"directory": str(folder / f"checkpoints-{model}")}
    if checkpoint_interval_s is not None:
        checkpoints["interval_s"] = checkpoint_interval_s
    return Settings.model_validate(
        {
            "model": model,
            "input": {"topic": input_topic},
            "kafka": {"bootstrap_servers": bootstrap_servers},
            "publish": {
                "scores_topic": f"{model}-scores",
                "related_topic": f"{model}-related",
                "manifests_topic": f"{model}-manifests",
                "dead_letters_topic": f"{model}-dead-letters",
            },
            "checkpoints": checkpoints,
            "telemetry": {"port": free_port(), "log_level": "warning"},
        }
    )


def create_topics(settings: Settings) -> None:
    TopicAdmin(settings).create(input_partitions=PARTITIONS)


class WorkerProcess:
    """What can be seen of it from outside."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def metrics(self) -> str:
        """The page as it is; empty while nobody answers. Raises BenchFailed once the process has ended."""
        if self._process.poll() is not None:
            raise BenchFailed(f"the worker ended with {self._process.returncode}; see its messages above")
        try:
            with urllib.request.urlopen(f"{self.url}/metrics", timeout=ANSWER_TIMEOUT_S) as page:
                return str(page.read(), "utf-8")
        except OSError:
            return ""

    def wait_until(self, is_reached: Callable[[str], bool], timeout_s: float, what: str, every_s: float = 0.1) -> str:
        """The first page for which it is true. Raises BenchFailed after the timeout."""
        give_up_s = time.monotonic() + timeout_s
        while True:
            page = self.metrics()
            if page and is_reached(page):
                return page
            if time.monotonic() >= give_up_s:
                raise BenchFailed(f"{what}: not within {timeout_s:g} s")
            time.sleep(every_s)

    def stop(self) -> None:
        stop(self._process)


@contextmanager
def running_worker(settings: Settings, folder: Path) -> Iterator[WorkerProcess]:
    """Started and ready; stopped on the way out."""
    config = folder / f"{settings.model}.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json", exclude_defaults=True)), encoding="utf-8")
    command = [sys.executable, "-m", "consumer", "run", "--config", str(config)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        worker = WorkerProcess(process, settings.telemetry.port)
        try:
            worker.wait_until(lambda page: total(page, "freshrank_ready") == 1, START_TIMEOUT_S, "worker ready")
            yield worker
        finally:
            worker.stop()


def total(page: str, name: str, labels: str = "") -> float:
    """Sum of the samples of this name whose labels contain this text; 0 without any."""
    pattern = rf"^{name}(?:\{{([^}}]*)\}})? (\S+)$"
    return sum(float(value) for given, value in re.findall(pattern, page, re.MULTILINE) if labels in given)


def n_learned(page: str) -> int:
    return int(total(page, "freshrank_events_total", 'outcome="admitted"'))


def n_published(page: str) -> int:
    """Events that a committed version covers."""
    return int(total(page, "freshrank_event_to_publish_seconds_count"))


def n_waiting(page: str) -> int:
    """Rows that wait for a later version."""
    return int(total(page, "freshrank_rows_waiting"))
