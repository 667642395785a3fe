"""Command-line options that both commands have, and how texts given there are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producer_tools.connection import Connection, read_properties
from producer_tools.producing import Timestamps

BootstrapServers = Annotated[
    str,
    typer.Option(
        "--bootstrap-servers",
        "-b",
        envvar="FRESHRANK__KAFKA__BOOTSTRAP_SERVERS",
        help="Addresses of brokers, host:port,host:port.",
        rich_help_panel="Kafka",
    ),
]
Topic = Annotated[str, typer.Option("--topic", "-t", help="Topic to write to.", rich_help_panel="Kafka")]
ClientConfig = Annotated[
    Path | None,
    typer.Option(
        "--client-config",
        metavar="FILE",
        help="More client properties, key=value lines (SASL, TLS, ...).",
        rich_help_panel="Kafka",
    ),
]
StampWith = Annotated[
    Timestamps,
    typer.Option(
        "--timestamps",
        help="Stamp records with the moment of sending, or with their event times. A topic deletes records by their "
        "stamps, so old event times need retention.ms=-1.",
        rich_help_panel="Kafka",
    ),
]
DEFAULT_SERVERS = "127.0.0.1:9092"
DEFAULT_TOPIC = "behaviour-events"


def connection(bootstrap_servers: str, client_config: Path | None) -> Connection:
    """Raises UsageError."""
    return Connection(bootstrap_servers, read_properties(client_config) if client_config else {})
