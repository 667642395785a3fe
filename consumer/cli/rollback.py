"""`freshrank rollback`."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Final

import typer

from consumer.cli import console, options, stores
from consumer.errors import Fatal

PAUSE_S: Final = 0.2


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

    from consumer.checkpoints import requests
    from consumer.checkpoints.local_store import REQUEST
    from consumer.checkpoints.requests import RollbackRequest

    store = stores.existing_store(settings)
    if store.request() is not None:
        raise Fatal(
            "another rollback has been asked for and is not done yet. Is a worker running? To take it back, remove "
            f"{settings.checkpoints.directory}/{REQUEST}"
        )
    readable = requests.readable(store)
    name = requests.target_of(readable, to)
    request = RollbackRequest(id=uuid.uuid4().hex, checkpoint=name, relearn=relearn)
    store.put_request(requests.encode(request))
    console.say(f"asked for a return to version {dict(readable)[name].version} ({name})")
    give_up_s = time.monotonic() + wait_s
    while store.request() is not None:
        if time.monotonic() >= give_up_s:
            console.say("no worker has done it yet; one will when it runs", style="yellow")
            return
        time.sleep(PAUSE_S)
    if not any(notes.request == request.id for _, notes in requests.readable(store)):
        raise Fatal("the worker could not do it; its log says why")
    console.say("done: the worker goes on from there")
