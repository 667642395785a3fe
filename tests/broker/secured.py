"""A real broker that asks who comes and what he may: SASL in the clear and over TLS, SCRAM and PLAIN, and ACLs."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
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

from tests.broker import jars
from tests.broker.local import BrokerFailed, LocalBroker
from tests.broker.properties import LOOPBACK, Listener, free_port

PLAIN_USER: Final = "plain-user"
"""The one user that SASL's PLAIN knows; SCRAM users are added while the broker runs."""
PASSWORD: Final = "correct horse battery staple"

VISIBLE_TIMEOUT_S: Final = 30.0
_MECHANISMS: Final = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
_STORE_PASSWORD: Final = "changeit"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_PLAIN: Final = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{PLAIN_USER}="{PASSWORD}";'
_JAAS: Final = {"scram-sha-256": _SCRAM, "scram-sha-512": _SCRAM, "plain": _PLAIN}


class SecuredBroker:
    """One node with three doors, closed at the end of the `with` block.

    `open_servers` asks for nothing and lets its client do everything: for a test to prepare and to look. Who comes by
    `sasl_servers` or `sasl_ssl_servers` has to sign in as a user, and may do only what ACLs allow that user.
    Raises BrokerFailed, or `jars.NoJars`.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="freshrank-keys-"))
        self.ca_file = self._folder / "ca.pem"
        """For clients of `sasl_ssl_servers`: what the broker's certificate is checked against."""
        self.sasl_servers = f"{LOOPBACK}:{free_port()}"
        self.sasl_ssl_servers = f"{LOOPBACK}:{free_port(but=int(self.sasl_servers.split(':')[1]))}"
        doors = {"SASL_PLAINTEXT": self.sasl_servers, "SASL_SSL": self.sasl_ssl_servers}
        self._broker = LocalBroker(
            self._properties(doors),
            listeners=[Listener(name, name, address, address) for name, address in doors.items()],
        )

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
            self._make_certificate()
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

    def _properties(self, doors: Iterable[str]) -> dict[str, str]:
        properties = {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",  # whoever comes by the open door, the broker itself included
            "sasl.enabled.mechanisms": ",".join(name.upper() for name in _JAAS),
            "ssl.keystore.location": str(self._store),
            "ssl.keystore.password": _STORE_PASSWORD,
            "ssl.keystore.type": "PKCS12",
        }
        for door in doors:
            for mechanism, jaas in _JAAS.items():
                properties[f"listener.name.{door.lower()}.{mechanism}.sasl.jaas.config"] = jaas
        return properties

    @property
    def _store(self) -> Path:
        return self._folder / "broker.p12"

    def _make_certificate(self) -> None:
        """A certificate of the broker that is its own authority, by the tool that every Java brings along."""
        store = [
            "-keystore",
            str(self._store),
            "-storetype",
            "PKCS12",
            "-storepass",
            _STORE_PASSWORD,
            "-alias",
            "broker",
        ]
        self._keytool(
            "-genkeypair", *store, "-keyalg", "EC", "-dname", "CN=freshrank-test", "-validity", "7",
            "-ext", f"san=ip:{LOOPBACK},dns:localhost",
        )  # fmt: skip
        self._keytool("-exportcert", "-rfc", *store, "-file", str(self.ca_file))

    def _keytool(self, *arguments: str) -> None:
        java = jars.java()
        if java is None:
            raise BrokerFailed("no Java here to make a certificate with")
        command = [str(java.resolve().with_name("keytool")), *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if answer.returncode != 0:
            raise BrokerFailed(f"the broker's certificate could not be made:\n{answer.stdout}{answer.stderr}")
