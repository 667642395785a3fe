"""Produces what the ledger makes, at a pace, on a thread of its own, whatever happens to the broker."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from confluent_kafka import KafkaError, Message, Producer

from tests.chaos.ledger import Ledger
from tests.end_to_end.waiting import until

MAX_WAITING = 20_000
"""While so many records wait for a broker that is away no more are made."""


class SteadyProducer:
    """For a `with` block. Fails its caller where a record was refused or got another offset than the ledger's."""

    def __init__(self, bootstrap_servers: str, topic: str, ledger: Ledger, per_second: float) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": 5,
                "log_level": 0,
            }
        )
        self._topic = topic
        self._ledger = ledger
        self._per_second = per_second
        self._paused = threading.Event()
        self._is_idle = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="steady-producer", daemon=True)
        self._n_partitions = ledger.n_partitions
        self._failure = ""

    def pause(self) -> None:
        """Returns when all that was made is in the log."""
        self._paused.set()
        until(lambda: self._is_idle.is_set() or self._failure, "the producer has delivered everything", 120)
        self.require_sound()

    def go_on(self) -> None:
        self._is_idle.clear()
        self._paused.clear()

    def require_sound(self) -> None:
        assert not self._failure, self._failure

    def use_partitions(self, n: int) -> None:
        """The topic has so many now."""
        until(lambda: len(self._producer.list_topics(self._topic, timeout=30).topics[self._topic].partitions) == n, "")
        self._n_partitions = n

    def __enter__(self) -> SteadyProducer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        if kind is not None:
            self._producer.purge()

    def _run(self) -> None:
        last_s, n = time.monotonic(), 0
        while not self._stop.wait(0.02):
            self._producer.poll(0)
            now_s = time.monotonic()
            n_due = int((now_s - last_s) * self._per_second)
            if self._paused.is_set():
                last_s = now_s
                if self._producer.flush(0.1) == 0:
                    self._is_idle.set()
                continue
            if n_due == 0 or len(self._producer) > MAX_WAITING:
                continue
            last_s = now_s
            for _ in range(n_due):
                n += 1
                self._send(n % self._n_partitions)

    def _send(self, partition: int) -> None:
        offset = self._ledger.ends()[partition]

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self._failure = f"a record of partition {partition} was not delivered: {error.str()}"
            elif message.offset() != offset:
                self._failure = f"partition {partition}: record {offset} lies at {message.offset()}"

        self._producer.produce(self._topic, self._ledger.next(partition), partition=partition, on_delivery=delivered)
