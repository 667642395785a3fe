"""`freshrank promote`."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli import console, options, replay_report, requests, stores
from consumer.cli.signals import stop_requests
from consumer.cli.times import time_ms
from consumer.errors import BadRequest, Fatal
from consumer.settings import Settings

if TYPE_CHECKING:
    from consumer.checkpoints.local_store import LocalStore
    from consumer.replay.finished import Finished


def promote(
    name: Annotated[str, typer.Argument(help="Of the replay.", metavar="NAME", show_default=False)],
    config: options.ConfigFiles = None,
    from_time: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="For a replay of files or of a copy: from here on the live topic is read, by its records' timestamps. "
            "At most input.dedupe.window_s before the replay's end, and events must bring their ids.",
            show_default=False,
        ),
    ] = "",
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
    finished = finished_replay(store, settings, name)
    if finished.is_of(settings) and from_time:
        raise BadRequest(f"{name} read {settings.input.topic} itself: its positions are exact, leave out --from-time")
    if not finished.is_of(settings):
        finished = _bridged(settings, store, finished, from_time)
    request = PromotionRequest(id=uuid.uuid4().hex, replay=finished.name, checkpoint=finished.checkpoint)
    requests.ask(store, request, f"a promotion of {finished.name} ({finished.checkpoint})", wait_s)
    console.say("`freshrank checkpoints` lists what a rollback can return to")


def _bridged(settings: Settings, store: LocalStore, finished: Finished, from_time: str) -> Finished:
    """A replay that goes on from this one in the live topic, up to its end."""
    if not from_time:
        raise BadRequest(
            f"{finished.name} read {', '.join(mark.place for mark in finished.plan.files) or finished.plan.topic}, not "
            f"{settings.input.topic}: say with --from-time where the live topic goes on from it"
        )
    from consumer import bridge
    from consumer.replay.finished import finished_replay

    console.be_quiet()
    from_ms = time_ms("--from-time", from_time, time.time())
    with stop_requests() as should_stop, replay_report.progress_line("bridge") as on_progress:
        name, replayed = bridge.build(settings, store, finished, from_ms, should_stop, on_progress)
    told = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(replayed.outcomes.items()))
    console.say(f"{name}: {settings.input.topic} from {from_time} on: {told or 'nothing came in since'}")
    if not replayed.is_complete:
        raise Fatal("stopped before the live topic was reached; nothing was promoted")
    return finished_replay(store, settings, name)
