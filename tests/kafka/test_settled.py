"""A reader that has to see all that was committed waits for transactions that hide it; on a real Kafka."""

from __future__ import annotations

import threading

import pytest

from consumer.errors import Retryable
from consumer.kafka import log as log_module
from consumer.kafka.output import KafkaOutput
from consumer.messages import OutputRecord
from tests.kafka.worlds import RealWorld

pytestmark = pytest.mark.broker


def opened(world: RealWorld, name: str) -> KafkaOutput:
    output = KafkaOutput(world.settings, writes_as=f"{world.prefix}{name}")
    output.open()
    output.begin()
    return output


def write(output: KafkaOutput, world: RealWorld, key: bytes) -> None:
    output.write([OutputRecord(world.dead_letters, key, b"v", partition=0)])
    output.flush()


def test_it_waits_until_what_was_committed_behind_an_open_transaction_can_be_read(real: RealWorld) -> None:
    slow, quick = opened(real, "slow"), opened(real, "quick")
    write(slow, real, b"slow")
    write(quick, real, b"quick")
    quick.commit()
    log = real.log()
    assert list(log.read(real.dead_letters, {})) == []  # hidden
    ends = threading.Timer(0.5, slow.commit)
    ends.start()
    log.await_settled(real.dead_letters)
    assert [record.key for record in log.read(real.dead_letters, {})] == [b"slow", b"quick"]
    ends.join()
    slow.close()
    quick.close()


def test_a_transaction_that_stays_open_is_told(real: RealWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "NO_PROGRESS_S", 0.5)
    slow = opened(real, "slow")
    write(slow, real, b"slow")
    with pytest.raises(Retryable, match="a transaction has been open"):
        real.log().await_settled(real.dead_letters)
    slow.close()
