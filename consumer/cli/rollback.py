"""`freshrank rollback`."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from consumer.cli import options, requests, stores


def rollback(
    config: options.ConfigFiles = None,
    to: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="Version whose checkpoint to return to (`freshrank checkpoints` lists them); default: the last good "
            "one.",
            show_default=False,
        ),
    ] = None,
    relearn: Annotated[
        bool,
        typer.Option("--relearn", help="Learn what came after that checkpoint again, instead of leaving it out."),
    ] = False,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until a worker has done it; 0: only ask.")
    ] = 60.0,
) -> None:
    """Return learned state to an earlier checkpoint. Positions, histories and versions stay where they are.

    The request is a file in the checkpoint directory: the worker that holds the lease does it within a second or so, a
    stopped one when it next starts. Its outcome is published under higher versions, whose manifests list the input that
    was left out.
    """
    settings = options.settings_of(config)

    from consumer.checkpoints import requests as asked
    from consumer.checkpoints.requests import RollbackRequest

    store = stores.existing_store(settings)
    requests.require_none(store, settings)
    readable = asked.readable(store)
    name = asked.target_of(readable, to)
    request = RollbackRequest(id=uuid.uuid4().hex, checkpoint=name, relearn=relearn)
    requests.ask(store, request, f"a return to version {dict(readable)[name].version} ({name})", wait_s)
