"""A real broker on this machine, from jars, that a test may stop, kill and start again."""

from __future__ import annotations

import base64
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.broker import jars
from tests.broker.answers import wait_until_it_answers
from tests.broker.guard import Guard
from tests.broker.properties import LOOPBACK, Listener, as_properties_file, free_port, server_properties

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
LOGS_KEPT = 10


class BrokerFailed(Exception):
    """The broker did not start, or died; the message ends with the end of its log."""


class LocalBroker:
    """One KRaft node on the loopback interface, with data in a temporary folder.

    Port and data stay the same over `stop`, `kill`, `start` and `restart`; `close` (or leaving the `with` block) stops
    it and deletes the data. The log stays in `log_file`. Raises BrokerFailed, or `jars.NoJars`.
    """

    def __init__(
        self,
        properties: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        listeners: Sequence[Listener] = (),
        starts_quickly: bool = False,
    ) -> None:
        """`properties` are laid over those of `server_properties`; `port` is by default any that is free; `listeners`
        come beside the one without any security.

        `starts_quickly`: for one that is started again and again and has little to do in between.
        """
        self._options = ["-XX:TieredStopAtLevel=1"] if starts_quickly else []
        self._extra = dict(properties or {})
        self._listeners = tuple(listeners)
        self._port = port or free_port()
        self._folder: Path | None = None
        self._broker: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None
        self.log_file = jars.CACHE / "logs" / f"broker-{self._port}.log"

    @property
    def bootstrap_servers(self) -> str:
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        return self._broker.pid if self._broker else None

    @property
    def is_running(self) -> bool:
        return self._broker is not None and self._broker.poll() is None

    def start(self) -> None:
        """Start and wait until it answers. Does nothing if it runs."""
        if self.is_running:
            return
        folder = self._prepared_folder()
        with self.log_file.open("ab") as log:
            self._broker = subprocess.Popen(
                self._java("-Xmx512m", *self._options, "kafka.Kafka", str(folder / "server.properties")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; the broker is stopped in order
            )
        self._guard = Guard(self._broker.pid, folder)
        if not wait_until_it_answers(self.bootstrap_servers, START_TIMEOUT_S, lambda: self.is_running):
            exit_code = self._broker.poll()
            self.kill()
            what = f"did not answer within {START_TIMEOUT_S:g} s" if exit_code is None else f"ended with {exit_code}"
            raise BrokerFailed(f"the broker at {self.bootstrap_servers} {what}\n{self.log_tail()}")

    def stop(self) -> None:
        """Let it shut down in order; killed if it takes too long. Does nothing if it doesn't run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def wait(self) -> int:
        """Wait until the broker ends by itself; its exit code."""
        if self._broker is None:
            raise RuntimeError("the broker was not started")
        return self._broker.wait()

    def close(self) -> None:
        """Stop it and delete its data. The log stays."""
        self.stop()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def log_tail(self, lines: int = 30) -> str:
        if not self.log_file.exists():
            return "(no log)"
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join([*text.splitlines()[-lines:], f"(whole log: {self.log_file})"])

    def __enter__(self) -> LocalBroker:
        try:
            self.start()
        except BaseException:  # an interrupt during the start included: nothing may stay behind
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, how: signal.Signals) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None
        if self._broker is None:
            return
        if self._broker.poll() is None:
            self._broker.send_signal(how)
        try:
            self._broker.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._broker.kill()
            self._broker.wait()
        self._broker = None

    def _java(self, *arguments: str) -> list[str]:
        options = ["-XX:+UseSerialGC", "-Dlog4j2.level=INFO", "-cp", f"{jars.JARS}/*"]
        return [str(jars.java() or "java"), *options, *arguments]

    def _prepared_folder(self) -> Path:
        """The data folder, made and formatted before the first start."""
        if self._folder is not None:
            return self._folder
        jars.fetched()
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        _forget_old_logs(self.log_file.parent)
        folder = Path(tempfile.mkdtemp(prefix="freshrank-kafka-"))
        try:
            (folder / "server.properties").write_text(as_properties_file(self._properties(folder)), encoding="utf-8")
            self._format(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._folder = folder
        return folder

    def _properties(self, folder: Path) -> dict[str, str]:
        controller = f"{LOOPBACK}:{free_port(but=self._port)}"
        own = server_properties(
            listen=self.bootstrap_servers,
            advertised=self.bootstrap_servers,
            controller=controller,
            more=self._listeners,
        )
        return own | {"controller.quorum.bootstrap.servers": controller, "log.dirs": str(folder / "data")} | self._extra

    def _format(self, folder: Path) -> None:
        cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")  # never begins with "-"
        arguments = ["format", "--standalone", f"--cluster-id={cluster}", f"--config={folder / 'server.properties'}"]
        quick = "-XX:TieredStopAtLevel=1"  # it lives for less than a second
        answer = subprocess.run(
            self._java(quick, "kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise BrokerFailed(f"the broker's storage could not be formatted:\n{answer.stdout}{answer.stderr}")


def _forget_old_logs(folder: Path) -> None:
    oldest_first = sorted(folder.glob("broker-*.log"), key=lambda path: path.stat().st_mtime)
    for path in oldest_first[: 1 - LOGS_KEPT]:
        path.unlink(missing_ok=True)
