"""What the loop is told about an error of librdkafka."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError

from consumer.errors import Fatal, Fenced, FreshrankError, Retryable
from consumer.kafka.client_errors import translated


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._FENCED, Fenced),
        (KafkaError.INVALID_PRODUCER_EPOCH, Fenced),
        (KafkaError.PRODUCER_FENCED, Fenced),
        (KafkaError._TIMED_OUT, Retryable),
        (KafkaError.NOT_ENOUGH_REPLICAS, Retryable),
        (KafkaError._ALL_BROKERS_DOWN, Retryable),
        (KafkaError.MSG_SIZE_TOO_LARGE, Fatal),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Fatal),
        (KafkaError.INVALID_RECORD, Fatal),
    ],
)
def test_an_error_is_named_by_what_the_loop_does_with_it(code: int, kind: type[FreshrankError]) -> None:
    error = translated(KafkaError(code), "writing to item-scores")
    assert type(error) is kind
    assert str(error).startswith("writing to item-scores: ")


def test_an_error_that_asks_for_an_abort_can_be_retried() -> None:
    assert isinstance(translated(KafkaError(KafkaError.INVALID_RECORD, txn_requires_abort=True), "x"), Retryable)


def test_a_fatal_error_of_the_client_looks_like_fencing() -> None:
    assert isinstance(translated(KafkaError(KafkaError._STATE, fatal=True), "x"), Fenced)


def test_a_missing_permission_is_fatal_even_where_an_abort_would_do_and_names_what_to_grant() -> None:
    error = KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, fatal=True)
    told = translated(error, "opening transactional id freshrank-shop")
    assert isinstance(told, Fatal)
    assert "freshrank-shop" in str(told)
    assert "Write and Describe on the transactional id" in str(told)


def test_a_refused_sign_in_is_fatal_and_names_the_settings() -> None:
    told = translated(KafkaError(KafkaError._AUTHENTICATION), "connecting to Kafka")
    assert isinstance(told, Fatal)
    assert "kafka.sasl" in str(told)


def test_only_a_certificate_that_cannot_be_verified_is_a_lasting_fault_of_tls() -> None:
    failed = KafkaError(KafkaError._SSL, "certificate verify failed")
    assert isinstance(translated(failed, "connecting"), Fatal)
