"""What the loop has to do about an error of librdkafka: one of `consumer.errors`, with what was being done."""

from __future__ import annotations

import re
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from consumer.errors import Fatal, Fenced, FreshrankError, Retryable

_NEEDED_ACLS: Final = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "Read on the input, Read and Write on the output topics",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "Read on the consumer group",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "Write and Describe on the transactional id",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "IdempotentWrite on the cluster",
}
_NOT_LET_IN: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError.UNSUPPORTED_SASL_MECHANISM}
)
_CERTIFICATE_ALERT: Final = re.compile(r"SSL alert number (4[2-8]|116)\b")
"""What brokers say of a client's certificate: bad_certificate up to unknown_ca, and certificate_required (RFC 8446)."""
_FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError._FATAL,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.INVALID_TXN_STATE,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.TRANSACTION_COORDINATOR_FENCED,
    }
)
_PASSING: Final = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._RESOLVE,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._WAIT_COORD,
        KafkaError._IN_PROGRESS,
        KafkaError._PREV_IN_PROGRESS,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._QUEUE_FULL,
        KafkaError._ISR_INSUFF,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.TRANSACTION_ABORTABLE,
    }
)
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_NO_SUCH_TOPIC: Final = frozenset(
    {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
)


def cause(error: KafkaException) -> KafkaError:
    """The KafkaError inside an exception."""
    inner = error.args[0]
    return inner if isinstance(inner, KafkaError) else KafkaError(KafkaError._FAIL, str(inner))


def is_refusal(error: KafkaError) -> bool:
    """Whether the brokers (or their certificate) will refuse this client until somebody changes something."""
    if error.code() == KafkaError._SSL:  # other TLS faults come and go with a broker that is restarting
        return "verif" in error.str() or _CERTIFICATE_ALERT.search(error.str()) is not None
    return error.code() in _NOT_LET_IN or error.code() in _NEEDED_ACLS


def translated(error: KafkaError, doing: str) -> FreshrankError:
    """The error to raise; `doing` says what failed and on which resource."""
    code = error.code()
    told = f"{doing}: {error.str()} ({error.name()})"
    if code in _NEEDED_ACLS:
        return Fatal(f"{told}. Grant the worker's principal {_NEEDED_ACLS[code]}.")
    if is_refusal(error):
        return Fatal(f"{told}. Check kafka.sasl, kafka.tls and kafka.bootstrap_servers.")
    if code in _TOO_LARGE:
        return Fatal(f"{told}. Raise the topic's max.message.bytes; `freshrank topics` names the limits it needs.")
    if code in _NO_SUCH_TOPIC:
        return Fatal(f"{told}. `freshrank topics --create` creates what is missing.")
    if error.fatal() or code in _FENCED:
        return Fenced(told)
    if error.txn_requires_abort() or error.retriable() or code in _PASSING:
        return Retryable(told)
    return Fatal(f"{told}. The brokers' own logs may say more.")
