"""Asks a model's worker for something by the file beside its checkpoints, and waits until it is done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from consumer.cli import console
from consumer.errors import Fatal
from consumer.settings import Settings

if TYPE_CHECKING:
    from consumer.checkpoints.local_store import LocalStore
    from consumer.checkpoints.requests import Request

PAUSE_S: Final = 0.2


def require_none(store: LocalStore, settings: Settings) -> None:
    """Raises Fatal where something else is asked for already."""
    from consumer.checkpoints.local_store import REQUEST

    if store.request() is not None:
        raise Fatal(
            "another rollback or promotion has been asked for and is not done yet. Is a worker running? To take it "
            f"back, remove {settings.checkpoints.directory}/{REQUEST}"
        )


def ask(store: LocalStore, request: Request, told: str, wait_s: float) -> None:
    """Ask, and wait at most so long; 0: not at all. Raises Fatal where the worker could not do it."""
    from consumer.checkpoints import requests

    store.put_request(requests.encode(request))
    console.say(f"asked for {told}")
    give_up_s = time.monotonic() + wait_s
    while store.request() is not None:
        if time.monotonic() >= give_up_s:
            console.say("no worker has done it yet; one will when it runs", style="yellow")
            return
        time.sleep(PAUSE_S)
    if not any(notes.request == request.id for _, notes in requests.readable(store)):
        raise Fatal("the worker could not do it; its log says why")
    console.say("done: the worker goes on from there")
