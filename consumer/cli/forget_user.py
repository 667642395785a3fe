"""`freshrank forget-user`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from consumer.cli import console, options, stores
from consumer.errors import BadRequest

if TYPE_CHECKING:
    from consumer.ports import CheckpointStore

PAUSE_S: Final = 0.2


def forget_user(
    users: Annotated[
        list[str] | None, typer.Argument(metavar="ID…", help="Ids of users, as events have them.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            help="Ids of users, one a line; - reads them from stdin, so that no list of processes shows them.",
            show_default=False,
        ),
    ] = None,
    config: options.ConfigFiles = None,
    wait_s: Annotated[
        float,
        typer.Option("--wait", min=0, help="Seconds to wait until no checkpoint holds them any more; 0: only ask."),
    ] = 120.0,
) -> None:
    """Forget users: their history, their sessions and the sampled cases with it, also in the checkpoints that are kept.

    The worker that holds the lease does it within a second, a stopped one when it next starts; the checkpoints follow
    with the next one (checkpoints.interval_s). What they did up to now enters no history any more, however often the
    input is read again; what it taught about items stays. What they do from now on begins a new history. The request
    has hashes of ids only. docs/operations.md says what stays in the input and in the dead letters.
    """
    settings = options.settings_of(config)
    console.be_quiet()
    ids = _ids(users, file)
    store = stores.existing_store(settings)

    from consumer.checkpoints import erasures
    from consumer.kafka.starting_points import end_of_input

    erasure = erasures.erasure_of(ids, end_of_input(settings, counts_open=True), time.time_ns() // 1_000_000)
    number = store.add_erasure(erasures.encode(erasure))
    console.say(f"asked to forget {len(erasure.users):,} users (request {number})")
    if not _is_done(store, number, wait_s):
        console.say("not all checkpoints have forgotten them yet; a worker sees to it when it runs", style="yellow")
        return
    console.say("done: neither the worker's state nor any checkpoint of it holds them")


def _ids(users: list[str] | None, file: Path | None) -> list[str]:
    """Raises BadRequest."""
    found = [*(users or ())]
    if file is not None:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadRequest(f"--file {file} cannot be read: {error}") from error
        found += text.splitlines()
    ids = [user for user in found if user]
    if not ids:
        raise BadRequest("name the users to be forgotten: ids as arguments, or --file with one a line")
    return ids


def _is_done(store: CheckpointStore, number: int, wait_s: float) -> bool:
    from consumer.checkpoints import requests

    give_up_s = time.monotonic() + wait_s
    while True:
        readable = requests.readable(store)
        if readable and all(notes.forgotten >= number for _, notes in readable):
            return True
        if time.monotonic() >= give_up_s:
            return False
        time.sleep(PAUSE_S)
