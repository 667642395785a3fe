"""Certificates for one test run: an authority that both sides trust, one that nobody does, and what they sign."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import NamedTuple

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)


class Certified(NamedTuple):
    """Files in PEM, as clients are given them."""

    certificate_file: Path
    key_file: Path


class Authority:
    """Signs certificates; its own one is in `ca_file`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self._ca = trustme.CA()
        self.ca_file = self._folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def store(self, name: str, *hosts: str, days_left: int = 7) -> Path:
        """A broker's key and certificate for these hosts, in the one file that Kafka wants them in."""
        issued = self._issued(*hosts, days_left=days_left)
        file = self._folder / f"{name}.pem"
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        file.write_bytes(_pkcs8(issued.private_key_pem.bytes(), NoEncryption()) + chain)
        return file

    def client(self, name: str, *, password: str = "") -> Certified:
        """Of the user `name`; the key is locked where there is a password."""
        issued = self._issued("client.example", common_name=name)  # Java refuses one without any host
        files = Certified(self._folder / f"{name}-certificate.pem", self._folder / f"{name}-key.pem")
        files.certificate_file.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        files.key_file.write_bytes(_pkcs8(issued.private_key_pem.bytes(), lock))
        return files

    def _issued(self, *hosts: str, common_name: str | None = None, days_left: int = 7) -> trustme.LeafCert:
        now = datetime.datetime.now(datetime.UTC)
        return self._ca.issue_cert(
            *hosts,
            common_name=common_name,
            not_before=now - datetime.timedelta(days=30),
            not_after=now + datetime.timedelta(days=days_left),
        )


def _pkcs8(key: bytes, lock: KeySerializationEncryption) -> bytes:
    return load_pem_private_key(key, None).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
