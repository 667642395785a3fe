"""Workers as processes of their own: settings files, `freshrank run`, signals, and what their metrics say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import yaml
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consumer.kafka.topic_admin import TopicAdmin
from consumer.settings import Settings
from tests.broker.properties import free_port
from tests.end_to_end.waiting import until
from tests.telemetry.scrape import Samples, samples

READY_TIMEOUT_S = 120.0
"""The first worker after a change of the sources compiles the kernels."""
ROOT = Path(__file__).parents[2]


def settings_of(bootstrap_servers: str, prefix: str, directory: Path, **sections: Mapping[str, Any]) -> Settings:
    """Quick to publish and to save, every name of its own; a section given is laid over."""
    model = prefix.rstrip("-")
    own: dict[str, Any] = {
        "model": model,
        "input": {"topic": f"{prefix}events"},
        "kafka": {"bootstrap_servers": bootstrap_servers},
        "publish": {
            "scores_topic": f"{prefix}scores",
            "related_topic": f"{prefix}related",
            "manifests_topic": f"{prefix}manifests",
            "dead_letters_topic": f"{prefix}dead-letters",
            "interval_s": 0.2,
        },
        "checkpoints": {"directory": str(directory / f"checkpoints-{model}"), "interval_s": 1.0},
    }
    for name, section in sections.items():
        own[name] = {**own.get(name, {}), **section}
    return Settings.model_validate(own)


NOT_YET = (
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS
)  # fmt: skip
"""What a broker that has just started says of a group."""


def create_topics(settings: Settings, input_partitions: int | None = None) -> None:
    """The output topics, and the input where its partitions are given."""
    TopicAdmin(settings, row_partitions=2).create(input_partitions=input_partitions)


def members(settings: Settings) -> set[str]:
    """Names of the deployment slots that are in the model's group; none where the broker doesn't know it yet."""
    # A new client each time: one whose broker was away finds its coordinator no more.
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers, "log_level": 0})
    asked = admin.describe_consumer_groups([settings.group_id], request_timeout=30)
    try:
        return {member.group_instance_id for member in asked[settings.group_id].result().members}
    except KafkaException as error:
        if error.args[0].code() in NOT_YET:
            return set()
        raise


class WorkerProcess:
    """One `freshrank run`. Use it in a `with` block: what still runs at its end is killed.

    `settings` may be replaced before a start; `module` is what is run, `variables` are added to its environment.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Path,
        instance: str = "slot-0",
        *,
        module: str = "consumer",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self._instance = instance
        self._module = module
        self._environment = {**os.environ, **(variables or {})}
        self._config = directory / f"{settings.model}-{instance}.yaml"
        self.log_file = directory / f"{settings.model}-{instance}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._earlier_log = 0

    def start(self, *options: str) -> None:
        """Start it; it need not be ready yet."""
        assert self._process is None, "it was started before and not yet waited for"
        self._port = free_port()
        self._earlier_log = len(self.log())
        self._config.write_text(yaml.safe_dump(self._written()), encoding="utf-8")
        command = [sys.executable, "-m", self._module, "run", "--config", str(self._config), *options]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def port(self) -> int:
        """Where its metrics are, of the process started last."""
        return self._port

    def start_ready(self) -> None:
        """Start it and wait until it learns."""
        self.start()
        until(self.is_ready, f"{self} is ready", READY_TIMEOUT_S)

    def is_ready(self) -> bool:
        """Whether it holds the lease and learns. Fails the test if it has ended."""
        self.require_running()
        return self._status("readyz") == 200

    def is_standing_by(self) -> bool:
        """Whether it waits for the lease."""
        self.require_running()
        return "standing by" in self.log_since_start() and self._instance in members(self.settings)

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self} was not started"
        return self._process.pid

    def has_ended(self) -> bool:
        """Whether it ended by itself; `wait` has its exit code."""
        assert self._process is not None, f"{self} was not started"
        return self._process.poll() is not None

    def require_running(self) -> None:
        assert self._process is not None, f"{self} was not started"
        assert self._process.poll() is None, f"{self} ended with {self._process.returncode}\n{self.log()[-4000:]}"

    def terminate(self, timeout_s: float = 30.0) -> int:
        """Ask it to stop (SIGTERM) and wait; its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.send(signal.SIGKILL)
        self.wait(30.0)

    def send(self, number: signal.Signals) -> None:
        self.require_running()
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None, f"{self} was not started"
        code = self._process.wait(timeout_s)
        self._process = None
        return code

    def log(self) -> str:
        """All that it and its predecessors in this slot wrote."""
        return self.log_file.read_text(encoding="utf-8", errors="replace") if self.log_file.exists() else ""

    def log_since_start(self) -> str:
        """What it wrote since it was started last."""
        return self.log()[self._earlier_log :]

    def health(self) -> int:
        """The status that a supervisor sees at `/healthz`; 0: no answer."""
        return self._status("healthz")

    def metrics(self) -> Samples:
        """Its metrics by name and labels; those of this process only."""
        self.require_running()
        with urlopen(f"{self.url}metrics", timeout=5) as answer:
            return samples(answer.read().decode())

    @property
    def url(self) -> str:
        """Of its status page."""
        return f"http://127.0.0.1:{self._port}/"

    def _status(self, page: str) -> int:
        try:
            with urlopen(f"{self.url}{page}", timeout=5) as answer:
                return int(answer.status)
        except (URLError, OSError) as error:
            return int(getattr(error, "code", 0))

    def _written(self) -> dict[str, Any]:
        written = self.settings.model_dump(mode="json", exclude_defaults=True)
        written["kafka"]["instance_id"] = self._instance
        written.setdefault("telemetry", {})["port"] = self._port
        return written

    def __repr__(self) -> str:
        return f"worker {self._instance} of {self.settings.model}"

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None
