"""Why brokers do not let a client in, found out by a handshake of our own: librdkafka tells an unknown authority, a
certificate of another host and an expired one in the same words, and of a port that speaks TLS hardly anything."""

from __future__ import annotations

import re
import socket
import ssl
from contextlib import suppress
from typing import Final

from consumer.settings import Settings, Tls

PATIENCE_S: Final = 2.0
_ADDRESS: Final = re.compile(r"(?:\w+://)?(?:\[(?P<v6>[^]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d+))?")
_DEFAULT_PORT: Final = 9092


def why_not_let_in(settings: Settings) -> str:
    """What the first broker of `kafka.bootstrap_servers` that can be reached has against this client for certain, and
    what to do; empty where it has nothing, or nobody can tell."""
    found = _reachable(settings)
    if found is None:
        return ""
    server, host, port = found
    if settings.kafka.tls is not None:
        return _about_certificates(server, host, port, settings.kafka.tls)
    return f"{server} speaks TLS, and kafka.tls is not set: give kafka.tls.ca_file" if _speaks_tls(host, port) else ""


def what_else(settings: Settings) -> str:
    """What may be the reason where brokers can be reached and give no answer; empty where there is no guess."""
    found = _reachable(settings)
    if found is None:
        return ""
    server, host, port = found
    if settings.kafka.tls is not None and not _speaks_tls(host, port):
        return f"kafka.tls is set, and {server} does not seem to speak TLS: give the address of a port that does"
    if settings.kafka.sasl is None:
        return f"{server} can be reached. If it wants clients to sign in, give kafka.sasl"
    return ""


def _reachable(settings: Settings) -> tuple[str, str, int] | None:
    """As it was written, host, port. None as well where properties of librdkafka say how to encrypt."""
    if any(key.startswith("ssl.") or key == "security.protocol" for key in settings.kafka.consumer):
        return None
    for server in settings.kafka.bootstrap_servers.split(","):
        address = _ADDRESS.fullmatch(server.strip())
        if address is None:
            continue
        host, port = address["v6"] or address["host"], int(address["port"] or _DEFAULT_PORT)
        with suppress(OSError), _connected(host, port):
            return server.strip(), host, port
    return None


def _about_certificates(server: str, host: str, port: int, tls: Tls) -> str:
    try:
        _shake_hands(host, port, tls)
    except ssl.SSLCertVerificationError as error:
        return f"the certificate of {server} is not accepted: {error.verify_message.rstrip('.')}. {_remedy(error)}"
    except ssl.SSLError as error:
        if "ALERT" not in str(error.reason):
            return ""
        if tls.certificate_file is None:
            return (
                f"{server} asks for a certificate of the worker's own: give kafka.tls.certificate_file and "
                "kafka.tls.key_file"
            )
        return (
            f"{server} does not accept the worker's certificate in kafka.tls.certificate_file ({error.reason}): it "
            "has to be one that has not expired, of an authority that the brokers trust"
        )
    except OSError:
        return ""
    return ""


def _remedy(error: ssl.SSLCertVerificationError) -> str:
    told = error.verify_message
    if "expired" in told or "not yet valid" in told:
        return "Renew the broker's certificate, or correct this machine's clock"
    if "mismatch" in told:
        return "Put a name into kafka.bootstrap_servers (and into advertised.listeners) that the certificate is for"
    return "Check kafka.tls.ca_file, by default the authorities that this system trusts"


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with _connected(host, port) as connection, context.wrap_socket(connection, server_hostname=host):
            return True
    except ssl.SSLError as error:
        return "ALERT" in str(error.reason)  # who refuses in TLS speaks it
    except OSError:
        return False


def _shake_hands(host: str, port: int, tls: Tls) -> None:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.certificate_file is not None:
        password = tls.key_password.get_secret_value() if tls.key_password else ""
        context.load_cert_chain(tls.certificate_file, tls.key_file, password)
    with (
        _connected(host, port) as connection,
        context.wrap_socket(connection, server_hostname=host) as secured,
        suppress(TimeoutError),  # brokers wait for the client's first word
    ):
        secured.recv(1)  # since TLS 1.3, what they have against its certificate comes here


def _connected(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), PATIENCE_S)
