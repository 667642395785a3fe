"""`freshrank run`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.cli import options
from consumer.cli.signals import stop_requests
from consumer.telemetry import logs


def run(
    config: options.ConfigFiles = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild",
            help="Learn again from the beginning of the input, without a checkpoint. Readers keep the last version "
            "until the new state has caught up with it.",
        ),
    ] = False,
) -> None:
    """Be a worker: learn from the input topic and publish snapshots, until SIGTERM or Ctrl-C.

    Several workers of one model stand by for each other: one holds the lease, the others wait for it. A stop saves all
    that was learned; a second Ctrl-C does not wait for that.
    """
    settings = options.settings_of(config)
    logs.configure(settings.telemetry.log_level, settings.telemetry.log_format)

    from consumer import app

    with stop_requests() as should_stop:
        app.run(settings, should_stop, rebuild=rebuild)
