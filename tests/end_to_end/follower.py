"""A reader that is there all the while, and notes every version as it appears."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

from tests.end_to_end.replica import Manifest, Published, Replica, all_partitions, is_end, new_consumer, row_of


class Shown(NamedTuple):
    """One version as it appeared to a reader."""

    version: int
    epoch: int
    is_whole: bool
    at_s: float  # monotonic


class Follower:
    """Follows a model on a thread of its own for the length of a `with` block, where `on_version` is called too."""

    def __init__(self, published: Published, on_version: Callable[[Replica], None] | None = None) -> None:
        self._published = published
        self._on_version = on_version
        self._replica = Replica(published)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._failure: BaseException | None = None
        self.shown: list[Shown] = []
        """Every version shown, in the order in which it was."""

    @property
    def manifest(self) -> Manifest | None:
        """Of the version shown last."""
        if self._failure is not None:
            raise self._failure
        return self._replica.manifest

    def position(self, topic: str, partition: int = 0) -> int:
        """How far the input had been learned in the version shown."""
        manifest = self.manifest
        return 0 if manifest is None else int(manifest["input_positions"].get(topic, {}).get(str(partition), 0))

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is None and self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._follow()
        except BaseException as error:  # noqa: BLE001 - raised again on the test's thread
            self._failure = error

    def _follow(self) -> None:
        published = self._published
        consumer = new_consumer(published.bootstrap_servers)
        try:
            topics = (published.manifests, published.scores, published.related)
            consumer.assign([tp for topic in topics for tp in all_partitions(consumer, topic)])
            while not self._stop.is_set():
                for message in consumer.consume(1_000, 0.02):
                    if is_end(message):
                        partition = (message.topic() or "", message.partition() or 0)
                        self._replica.reach(partition, message.offset() or 0)
                    else:
                        self._replica.add(row_of(message))
                if self._replica.turn():
                    self._note()
                    if self._on_version is not None:
                        self._on_version(self._replica)
        finally:
            consumer.close()

    def _note(self) -> None:
        manifest = self._replica.manifest
        assert manifest is not None  # `turn` has just set it
        is_whole = self._replica.rows.checksum == manifest["checksum"]
        self.shown.append(Shown(manifest["version"], manifest["writer"]["epoch"], is_whole, time.monotonic()))
