"""A real broker that asks who comes and what he may: SASL in the clear and over TLS, certificates of clients, ACLs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from tests.broker.certificates import Authority
from tests.broker.local import BrokerFailed, LocalBroker
from tests.broker.properties import LOOPBACK, Listener, free_port

PLAIN_USER: Final = "plain-user"
"""The one user that SASL's PLAIN knows; SCRAM users are added while the broker runs."""
PASSWORD: Final = "correct horse battery staple"

VISIBLE_TIMEOUT_S: Final = 30.0
_MECHANISMS: Final = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN: Final = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{PLAIN_USER}="{PASSWORD}";'
_JAAS: Final = {"scram-sha-256": _SCRAM, "scram-sha-512": _SCRAM, "plain": _PLAIN}
_OVER_TLS: Final = "scram-sha-512"
"""The one mechanism of the doors that speak TLS."""


class SecuredBroker:
    """One node with several doors, closed at the end of the `with` block.

    `open_servers` asks for nothing and lets its client do everything: for a test to prepare and to look. Who comes by
    `sasl_servers` or `sasl_ssl_servers` has to sign in as a user, by `mutual_servers` to show a certificate whose
    common name is a user's, and may do only what ACLs allow that user. The certificate of `misnamed_servers` is that of
    another host, that of `expired_servers` has expired.
    Raises BrokerFailed, or `jars.NoJars`.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="freshrank-keys-"))
        self.authority = Authority(self._folder, "trusted")
        """Signed the broker's certificates, and those of the clients that it lets in."""
        self.stranger = Authority(self._folder, "stranger")
        """Nobody trusts it."""
        ports = iter(_free_ports(5))
        self.sasl_servers, self.sasl_ssl_servers, self.mutual_servers, self.misnamed_servers, self.expired_servers = (
            f"{LOOPBACK}:{port}" for port in ports
        )
        doors = (
            ("SASL_PLAINTEXT", "SASL_PLAINTEXT", self.sasl_servers),
            ("SASL_SSL", "SASL_SSL", self.sasl_ssl_servers),
            ("MUTUAL", "SSL", self.mutual_servers),
            ("MISNAMED", "SASL_SSL", self.misnamed_servers),
            ("EXPIRED", "SASL_SSL", self.expired_servers),
        )
        self._broker = LocalBroker(
            self._properties(), listeners=[Listener(name, kind, where, where) for name, kind, where in doors]
        )

    @property
    def ca_file(self) -> Path:
        """For clients over TLS: what the broker's certificate is checked against."""
        return self.authority.ca_file

    @property
    def open_servers(self) -> str:
        return self._broker.bootstrap_servers

    def add_user(self, name: str, password: str = PASSWORD) -> None:
        """A user of SCRAM-SHA-256 and SCRAM-SHA-512, who may do nothing yet."""
        for mechanism in _MECHANISMS:
            given: UserScramCredentialAlteration = UserScramCredentialUpsertion(
                name, ScramCredentialInfo(mechanism, 4096), password.encode()
            )
            for done in self._admin.alter_user_scram_credentials([given]).values():
                done.result(timeout=30)
        self._await(lambda: self._knows(name), f"user {name} is known to the broker")

    def allow(
        self,
        user: str,
        kind: ResourceType,
        name: str,
        operations: Iterable[AclOperation],
        *,
        pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    ) -> None:
        """Let a user do this on a topic, a group, a transactional id, or on the cluster (`ResourceType.BROKER`, named
        `kafka-cluster`)."""
        allowed = AclPermissionType.ALLOW
        acls = [AclBinding(kind, name, pattern, f"User:{user}", "*", operation, allowed) for operation in operations]
        for done in self._admin.create_acls(acls).values():
            done.result(timeout=30)
        self._await(lambda: all(map(self._enforces, acls)), f"what {user} may do is known to the broker")

    def __enter__(self) -> SecuredBroker:
        try:
            self._broker.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._broker.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.open_servers})

    def _knows(self, user: str) -> bool:
        asked = self._admin.describe_user_scram_credentials([user])
        try:
            return len(asked[user].result(timeout=30).scram_credential_infos) == len(_MECHANISMS)  # type: ignore[index]  # of a list: a dict
        except KafkaException:
            return False  # there is no such user yet

    def _enforces(self, acl: AclBinding) -> bool:
        asked = AclBindingFilter(
            acl.restype, acl.name, acl.resource_pattern_type, acl.principal, acl.host, acl.operation,
            acl.permission_type,
        )  # fmt: skip
        return acl in self._admin.describe_acls(asked).result(timeout=30)

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        """A broker hears of a change a moment after the controller has answered."""
        give_up_s = time.monotonic() + VISIBLE_TIMEOUT_S
        while not is_so():
            if time.monotonic() > give_up_s:
                raise BrokerFailed(f"after {VISIBLE_TIMEOUT_S:g} s still not so: {what}")
            time.sleep(0.02)

    def _properties(self) -> dict[str, str]:
        properties = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # whoever comes by the open door, the broker itself included
            "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
            "sasl.enabled.mechanisms": ",".join(name.upper() for name in _JAAS),
            **_at("sasl_plaintext", {f"{mechanism}.sasl.jaas.config": jaas for mechanism, jaas in _JAAS.items()}),
            **_at("mutual", {"ssl.client.auth": "required", **_pem("truststore", self.authority.ca_file)}),
        }
        stores = {
            "sasl_ssl": self.authority.store("broker", LOOPBACK, "localhost"),
            "mutual": self.authority.store("mutual", LOOPBACK, "localhost"),
            "misnamed": self.authority.store("misnamed", "elsewhere.example"),
            "expired": self.authority.store("expired", LOOPBACK, "localhost", days_left=-1),
        }
        for door, store in stores.items():
            properties |= _at(door, _pem("keystore", store))
            if door != "mutual":
                jaas = {"sasl.enabled.mechanisms": _OVER_TLS.upper(), f"{_OVER_TLS}.sasl.jaas.config": _SCRAM}
                properties |= _at(door, jaas)
        return properties


def _at(door: str, properties: Mapping[str, str]) -> dict[str, str]:
    return {f"listener.name.{door}.{key}": value for key, value in properties.items()}


def _pem(store: str, file: Path) -> dict[str, str]:
    return {f"ssl.{store}.type": "PEM", f"ssl.{store}.location": str(file)}


def _free_ports(n: int) -> set[int]:
    found: set[int] = set()
    while len(found) < n:
        found.add(free_port())
    return found
