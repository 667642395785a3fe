"""`freshrank` as it is, but that it passes named steps: `tests.chaos.steps`. Run with the same arguments.

The adapters of the ports are subclassed and put in their place; the worker's own code knows nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from unittest.mock import patch

from consumer import __main__ as entry_point
from consumer import app
from consumer.checkpoints.local_store import LocalStore
from consumer.clock import Clock
from consumer.kafka.input import KafkaInput
from consumer.kafka.output import KafkaOutput
from consumer.messages import Int64Array, OutputRecord, Positions
from consumer.settings import Settings
from consumer.tables import Array
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.chaos.steps import FOLDER_VARIABLE, Control


@cache
def control() -> Control:
    return Control(Path(os.environ[FOLDER_VARIABLE]))


class MortalOutput(KafkaOutput):
    """What a transaction holds is told by the record written last."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, while_waiting: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(settings, clock=clock, while_waiting=while_waiting)
        self._manifests_topic = settings.publish.manifests_topic
        self._held = "rows"

    def open(self) -> None:
        super().open()
        control().passed("older writers fenced")

    def write(self, records: Iterable[OutputRecord]) -> None:
        given = list(records)
        self._held = _kind_of(given, self._manifests_topic)
        super().write(given)
        if self._held in ("rows", "manifest"):
            control().passed(f"{self._held} written")

    def flush(self) -> Mapping[str, Positions]:
        ends = super().flush()
        if self._held == "rows":
            control().passed("rows delivered")
        return ends

    def commit(self) -> None:
        super().commit()
        told = {"rows": "dead letters committed", "manifest": "version committed", "epoch": "epoch announced"}
        control().passed(told[self._held])


def _kind_of(records: list[OutputRecord], manifests_topic: str) -> str:
    for record in records:
        if record.topic == manifests_topic:
            return "epoch" if (record.key or b"").endswith(b"/writer") else "manifest"
    return "rows"


class MortalInput(KafkaInput):
    def start_reading(self, positions: Positions) -> None:
        control().passed("reading begins")
        super().start_reading(positions)

    def commit(self, positions: Positions) -> None:
        control().passed("offsets to be committed")
        super().commit(positions)
        control().passed("offsets committed")


class MortalStore(LocalStore):
    def begin(self, base: str | None) -> None:
        super().begin(base)
        control().passed("checkpoint begun")

    def write_rows(self, array: str, rows: Int64Array, values: Array) -> None:
        super().write_rows(array, rows, values)
        control().passed("rows saved")

    def commit(self, name: str, notes: bytes) -> None:
        control().passed("checkpoint written")
        super().commit(name, notes)
        control().passed("checkpoint visible")

    def remove(self, name: str) -> None:
        super().remove(name)
        control().passed("old checkpoint removed")

    def arrays(self, name: str) -> Mapping[str, Array]:
        arrays = super().arrays(name)
        control().passed("checkpoint loaded")
        return arrays


class MortalTelemetry(PrometheusTelemetry):
    def version_published(
        self,
        version: int,
        rows: Mapping[tuple[str, str], int],
        seconds: float,
        waiting: Mapping[str, int],
        at_s: float,
        moved: float,
    ) -> None:
        control().passed("rows noted")
        super().version_published(version, rows, seconds, waiting, at_s, moved)


def main() -> None:
    with patch.multiple(
        app,
        KafkaInput=MortalInput,
        KafkaOutput=MortalOutput,
        LocalStore=MortalStore,
        PrometheusTelemetry=MortalTelemetry,
    ):
        entry_point.main()


if __name__ == "__main__":
    main()
