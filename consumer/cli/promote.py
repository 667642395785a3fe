"""`freshrank promote`."""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from consumer.cli import console, options, requests, stores


def promote(
    name: Annotated[str, typer.Argument(help="Of the replay.", metavar="NAME", show_default=False)],
    config: options.ConfigFiles = None,
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait until a worker has done it; 0: only ask.")
    ] = 60.0,
) -> None:
    """Let the live model go on from what a replay has learned, from the position that it reached.

    The worker with the lease does it within a second or so, a stopped one when it next starts. What came in behind the
    replay's positions is learned first, while readers keep the last version; then the new state is published under the
    next versions, and items that it doesn't have are deleted. `freshrank rollback --to VERSION` returns to the state
    before.
    """
    settings = options.settings_of(config)

    from consumer.checkpoints.requests import PromotionRequest
    from consumer.replay.finished import finished_replay

    store = stores.existing_store(settings)
    requests.require_none(store, settings)
    checkpoint = finished_replay(store, settings, name)
    request = PromotionRequest(id=uuid.uuid4().hex, replay=name, checkpoint=checkpoint)
    requests.ask(store, request, f"a promotion of {name} ({checkpoint})", wait_s)
    console.say("`freshrank checkpoints` lists what a rollback can return to")
