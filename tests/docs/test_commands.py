"""Every command in a block of README.md runs, in its order, on a real broker; and so does its Python."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.broker import LocalBroker, skip_or_fail
from tests.broker.properties import free_port
from tests.docs.blocks import README, ROOT, commands_of, python_of
from tests.end_to_end.waiting import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1_000)]

N_EVENTS = 100_000
START_TIMEOUT_S = 600.0  # kernels may have to be compiled
CHANGED = {
    "--replication-factor 3": "--replication-factor 1",  # there is one broker
    "--rate 2000": "--rate 20000",  # nobody wants to wait for 50 s
}
OTHER_SHOP = """
model: shop
publish: {scores_topic: shop-scores, related_topic: shop-related, manifests_topic: shop-manifests}
checkpoints: {directory: shop-checkpoints}
"""
CLICKS = "visitorid,itemid,event,timestamp\n" + "".join(
    f"user-{n % 9},item-{n * n % 13},{'view' if n % 5 else 'addtocart'},{1_700_000_000_000 + 60_000 * n}\n"
    for n in range(900)
)


class Terminal:
    """Runs commands as README's reader would, workers in the background."""

    def __init__(self, folder: Path, servers: str) -> None:
        self._folder = folder
        self._servers = servers
        self._workers: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("FRESHRANK")},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FRESHRANK__KAFKA__BOOTSTRAP_SERVERS": servers,
            "COLUMNS": "200",
        }

    def run(self, command: str) -> str:
        """What it says. Fails the test where the command fails."""
        for there, here in {"127.0.0.1:9092": self._servers, **CHANGED}.items():
            command = command.replace(there, here)
        if command.startswith("export "):
            name, _, value = command.removeprefix("export ").partition("=")
            self.environment[name] = value
            return ""
        if command == "freshrank run":
            return self._start_worker()
        folder = self._folder
        if command.startswith("make "):
            command, folder = command.replace("make ", "make -n "), ROOT  # they run by themselves, as targets
        done = subprocess.run(
            ["bash", "-c", command], env=self.environment, cwd=folder, capture_output=True, text=True, timeout=600,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def stop_workers(self) -> None:
        """As SIGTERM does, in order."""
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(120) for worker in self._workers] == [0] * len(self._workers)

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            worker.wait()

    def _start_worker(self) -> str:
        """Returns once it has learned and published all there is."""
        port = free_port()
        environment = {**self.environment, "FRESHRANK__TELEMETRY__PORT": str(port)}
        with (self._folder / f"worker-{port}.log").open("wb") as log:
            worker = subprocess.Popen(
                ["freshrank", "run"], env=environment, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        self._workers.append(worker)

        def is_done() -> bool:
            assert worker.poll() is None, Path(log.name).read_text()
            learned = f'freshrank_events_total{{outcome="admitted"}} {N_EVENTS:.1f}'
            page = _page(port)
            waiting = [line for line in page.splitlines() if line.startswith("freshrank_rows_waiting{")]
            return learned in page and bool(waiting) and all(line.endswith(" 0.0") for line in waiting)

        until(is_done, "all is learned and published", START_TIMEOUT_S)
        return ""


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.fixture
def terminal(own_kafka: LocalBroker, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("kcat") is None:
        skip_or_fail("README's commands need kcat (Debian's package of that name)", os.environ)
    (tmp_path / "shop.yaml").write_text(OTHER_SHOP)
    (tmp_path / "clicks.csv").write_text(CLICKS)
    made = Terminal(tmp_path, own_kafka.bootstrap_servers)
    made.run("freshrank-tools synthetic --events 3000 --output events.ndjson.gz")
    yield made
    made.close()


def test_every_command_of_the_readme_runs_and_so_does_its_python(terminal: Terminal, tmp_path: Path) -> None:
    said: dict[str, str] = {}
    for command in commands_of(README):
        said.setdefault(command, terminal.run(command))
    _require_what_was_promised(said)
    (tmp_path / "example.py").write_text(python_of(README))
    assert "'hot'" in terminal.run("python example.py")
    terminal.stop_workers()


def _require_what_was_promised(said: Mapping[str, str]) -> None:
    """So that a block that is no longer found, or a command that does nothing, is no success."""
    kcat = [text for command, text in said.items() if command.startswith("kcat")]
    assert len(kcat) == 2
    assert all('"version"' in text for text in kcat)
    assert said["freshrank doctor"].splitlines()[-1].startswith("0 problems")
    assert "hot" in said["freshrank related hot -n 5"]
