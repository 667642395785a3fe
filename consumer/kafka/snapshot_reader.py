"""A `SnapshotReader` that feeds itself from Kafka: what Python services use.

with KafkaSnapshotReader(load_settings([Path("freshrank.yaml")])) as shop:
    shop.follow()
    shop.top(10)
    shop.recommend(["item-17", "item-4"], 10)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from consumer.clock import Clock, SystemClock
from consumer.errors import FreshrankError, Retryable
from consumer.kafka.tail import KafkaTail
from consumer.settings import Settings
from consumer.snapshots.reader import BrokenSnapshot, OutputTopics, SnapshotReader
from consumer.snapshots.recommender import compile_kernels

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
RETRY_S: Final = 1.0
CATCH_UP_TIMEOUT_S: Final = 60.0


class KafkaSnapshotReader(SnapshotReader):
    """Follows one model's versions, by `poll` on a thread of the caller's or by `follow` on one of its own.

    Raises BadSettings where librdkafka refuses a property.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        publish = settings.publish
        super().__init__(
            settings.model,
            OutputTopics(
                publish.scores_topic,
                publish.related_topic,
                publish.manifests_topic,
                publish.vectors_topic if publish.vectors else None,
            ),
        )
        self._clock = clock or SystemClock()
        self._tail = KafkaTail(settings, clock=self._clock)
        self._thread: threading.Thread | None = None
        self._is_closing = threading.Event()
        self._has_begun_again = False
        self._failure: FreshrankError | None = None

    def poll(self, timeout_s: float) -> bool:
        """Take in what has come. Returns whether a newer version is shown now.

        Begins again by itself where rows were missed; what is shown stays meanwhile. Raises Retryable (poll again
        after a while: broken even when read from the beginning, it is BrokenSnapshot) or Fatal.
        """
        try:
            self.feed(self._tail.poll(timeout_s))
            is_newer = self.advance(self._tail.positions())
        except BrokenSnapshot as error:
            log.warning("reading the snapshots again from the beginning: %s", error)
            self._tail.restart()
            self.restart()
            if self._has_begun_again:
                raise
            self._has_begun_again = True
            return False
        self._has_begun_again &= not is_newer
        return is_newer

    def caught_up(self) -> bool:
        """Whether the newest version there is, if any, is shown."""
        manifest = self._staging.manifest
        return self._tail.caught_up() and self.version == (manifest.version if manifest else 0)

    def catch_up(self, timeout_s: float = CATCH_UP_TIMEOUT_S) -> None:
        """Poll until `caught_up`. Raises Retryable where that takes longer."""
        until_s = self._clock.monotonic_s() + timeout_s
        while not self.caught_up():
            if self._clock.monotonic_s() >= until_s:
                raise Retryable(f"no whole version of model {self._model!r} within {timeout_s:g} s")
            self.poll(POLL_S)

    def follow(
        self, *, timeout_s: float = CATCH_UP_TIMEOUT_S, on_version: Callable[[int], None] = lambda version: None
    ) -> None:
        """Catch up, then keep up on a thread of its own until `close`; `on_version` is called on that thread.

        Passing faults are retried and logged; after any other one the last version stays, and `failure` says why.
        """
        compile_kernels()
        self.catch_up(timeout_s)
        self._thread = threading.Thread(target=self._run, args=(on_version,), name="snapshot-reader", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> FreshrankError | None:
        """Why `follow` has stopped, if it has."""
        return self._failure

    def close(self) -> None:
        self._is_closing.set()
        if self._thread is not None:
            self._thread.join()
        self._tail.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, on_version: Callable[[int], None]) -> None:
        while not self._is_closing.is_set():
            try:
                if self.poll(POLL_S):
                    on_version(self.version)
            except Retryable as error:
                log.warning("reading the snapshots: %s (tries again)", error)
                self._is_closing.wait(RETRY_S)
            except FreshrankError as error:
                log.error("no longer reading the snapshots: %s", error)
                self._failure = error
                return
