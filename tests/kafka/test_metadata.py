"""Asking where records begin and end, also while a partition has no leader yet."""

from __future__ import annotations

from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.errors import FreshrankError
from consumer.kafka.metadata import bounds_of


class Electing:
    """Answers like a consumer whose partition gets its leader after so many questions."""

    def __init__(self, n_refusals: int, code: int = KafkaError.NOT_LEADER_FOR_PARTITION) -> None:
        self.n_asked = 0
        self._n_refusals = n_refusals
        self._code = code

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float) -> tuple[int, int]:
        self.n_asked += 1
        if self.n_asked <= self._n_refusals:
            raise KafkaException(KafkaError(self._code))
        return 3, 7


def test_a_partition_that_still_elects_its_leader_is_asked_again() -> None:
    consumer = Electing(n_refusals=2)
    assert bounds_of(cast(Consumer, consumer), "t", [0], timeout_s=10.0) == {0: (3, 7)}
    assert consumer.n_asked == 3


def test_one_that_never_gets_a_leader_is_an_error_after_the_timeout() -> None:
    consumer = Electing(n_refusals=1_000)
    with pytest.raises(FreshrankError, match=r"asking for the offsets of t \[0\]"):
        bounds_of(cast(Consumer, consumer), "t", [0], timeout_s=0.3)
    assert consumer.n_asked > 1


def test_any_other_refusal_is_an_error_at_once() -> None:
    consumer = Electing(n_refusals=1_000, code=KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(FreshrankError):
        bounds_of(cast(Consumer, consumer), "t", [0], timeout_s=10.0)
    assert consumer.n_asked == 1
