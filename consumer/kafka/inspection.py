"""Asks the brokers what they are, hold and allow, for `freshrank doctor`. Changes nothing and joins nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)

from consumer.clock import SystemClock
from consumer.errors import Retryable
from consumer.kafka.client_config import transactional_id
from consumer.kafka.client_errors import cause, translated
from consumer.kafka.first_answer import Introduced
from consumer.settings import Settings

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 10.0
RETRY_S: Final = 0.2
_NOT_ALLOWED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.SECURITY_DISABLED,
    }
)
EVERYTHING: Final = frozenset({"ALL"})
"""Among the operations of an ACL: all of them."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """As the broker itself wants to be called."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    cluster_id: str
    brokers: Sequence[BrokerAddress]
    topics: Mapping[str, int]
    """All that this principal may see, with their numbers of partitions."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """`replicas` and `in_sync` are those of the partition that has the fewest. None: nobody tells."""

    name: str
    partitions: int
    replicas: int
    in_sync: int
    without_leader: Sequence[int]
    allowed: frozenset[str] | None
    """Operations on it, in Kafka's words."""
    config: Mapping[str, str] | None
    """Values in force."""


@dataclass(frozen=True, slots=True)
class Member:
    instance_id: str
    client_id: str
    host: str


@dataclass(frozen=True, slots=True)
class GroupFacts:
    name: str
    state: str
    assignor: str
    members: Sequence[Member] = field(default=())
    allowed: frozenset[str] | None = None


class Inspection:
    """One client of the cluster. Raises Fatal, Retryable; BadSettings for a refused property."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._introduced = Introduced(settings)
        self._client = self._introduced.client

    def cluster(self, timeout_s: float = ANSWER_TIMEOUT_S) -> ClusterFacts:
        metadata = self._introduced.metadata(timeout_s)
        brokers = [BrokerAddress(b.id, str(b.host), b.port) for b in metadata.brokers.values()]
        topics = {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}
        return ClusterFacts(metadata.cluster_id or "", sorted(brokers, key=lambda b: b.id), topics)

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """Those that are there and may be described."""
        there = [name for name in names if name in self.cluster().topics]
        if not there:
            return {}
        configs = {name: self._config(ConfigResource.Type.TOPIC, name) for name in there}
        asked = self._client.describe_topics(
            TopicCollection(there), include_authorized_operations=True, request_timeout=ANSWER_TIMEOUT_S
        )
        found = {}
        for name, future in asked.items():
            told = _result(future, f"asking about topic {name}")
            if told is not None:
                found[name] = _topic_facts(name, told, configs[name])
        return found

    def broker_config(self) -> Mapping[str, str] | None:
        """Of one of the brokers; None where this principal may not ask (DescribeConfigs on the cluster)."""
        return self._config(ConfigResource.Type.BROKER, str(self.cluster().brokers[0].id))

    def group(self) -> GroupFacts | None:
        """The model's group; None where this principal may not ask (Describe on the group)."""
        name = self._settings.group_id
        give_up_s = self._clock.monotonic_s() + ANSWER_TIMEOUT_S
        while True:
            asked = self._client.describe_consumer_groups(
                [name], include_authorized_operations=True, request_timeout=ANSWER_TIMEOUT_S
            )
            try:
                told = _result(asked[name], f"asking about group {name}")
                break
            except Retryable:  # a young cluster has yet to find the group a coordinator
                if self._clock.monotonic_s() >= give_up_s:
                    raise
                self._client.poll(RETRY_S)
        if told is None:
            return None
        members = [Member(m.group_instance_id or "", m.client_id, m.host) for m in told.members]
        return GroupFacts(name, told.state.name, told.partition_assignor, members, _names(told.authorized_operations))

    def allowed_on_transactional_id(self, user: str) -> frozenset[str] | None:
        """What ACLs allow this user on the model's transactional id, and do not deny; None where this principal may not
        read ACLs (Describe on the cluster). Kafka tells it in no other way without taking the id."""
        if not self._may_read_acls():
            return None
        asked = AclBindingFilter(
            ResourceType.TRANSACTIONAL_ID,
            transactional_id(self._settings),
            ResourcePatternType.MATCH,
            None,  # type: ignore[arg-type]  # any principal
            None,  # type: ignore[arg-type]  # any host
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        future = self._client.describe_acls(asked, request_timeout=ANSWER_TIMEOUT_S)
        acls = _result(future, "asking for the ACLs of the transactional id", unless=_NOT_ALLOWED)
        if acls is None:
            return None
        mine = [acl for acl in acls if acl.principal in (f"User:{user}", "User:*")]
        denied = {acl.operation.name for acl in mine if acl.permission_type == AclPermissionType.DENY}
        allowed = {acl.operation.name for acl in mine if acl.permission_type == AclPermissionType.ALLOW}
        return frozenset() if denied & EVERYTHING else frozenset(allowed - denied)

    def _may_read_acls(self) -> bool:
        """Asked for ACLs all the same, confluent-kafka gives none, as if there were none."""
        asked = self._client.describe_cluster(include_authorized_operations=True, request_timeout=ANSWER_TIMEOUT_S)
        told = _result(asked, "asking what is allowed on the cluster")
        allowed = _names(told.authorized_operations) if told is not None else None
        return bool(allowed and allowed & {"DESCRIBE", "ALTER", *EVERYTHING})

    def _config(self, kind: Any, name: str) -> Mapping[str, str] | None:
        resource = ConfigResource(kind, name)
        (future,) = self._client.describe_configs([resource], request_timeout=ANSWER_TIMEOUT_S).values()
        entries = _result(future, f"asking for the configuration of {kind.name.lower()} {name}", unless=_NOT_ALLOWED)
        return None if entries is None else {e.name: e.value for e in entries.values() if e.value is not None}


def _topic_facts(name: str, told: Any, config: Mapping[str, str] | None) -> TopicFacts:
    return TopicFacts(
        name=name,
        partitions=len(told.partitions),
        replicas=min(len(p.replicas) for p in told.partitions),
        in_sync=min(len(p.isr) for p in told.partitions),
        without_leader=[p.id for p in told.partitions if p.leader is None or p.leader.id < 0],
        allowed=_names(told.authorized_operations),
        config=config,
    )


def _names(operations: Sequence[Any] | None) -> frozenset[str] | None:
    return None if operations is None else frozenset(operation.name for operation in operations)


def _result(future: Any, doing: str, *, unless: frozenset[int] = _NOT_ALLOWED) -> Any:
    """What confluent-kafka's untyped future holds; None for the error codes `unless`."""
    try:
        return future.result(timeout=2 * ANSWER_TIMEOUT_S)
    except KafkaException as error:
        if cause(error).code() in unless:
            return None
        raise translated(cause(error), doing) from error
