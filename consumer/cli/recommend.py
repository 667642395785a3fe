"""`freshrank recommend`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.cli import console, options


def recommend(
    history: Annotated[
        str,
        typer.Option(
            "--history",
            help="Ids of the items somebody dealt with, oldest first, separated by commas; may be empty.",
            metavar="A,B,C",
        ),
    ],
    config: options.ConfigFiles = None,
    n: options.Number = 20,
    as_json: options.Json = False,
) -> None:
    """Show the items that the owner of a history may like next."""
    settings = options.settings_of(config)
    items = [item for item in history.split(",") if item]

    from consumer.cli.snapshot import caption, facts, read_snapshot

    snapshot = read_snapshot(settings)
    unknown = [item for item in dict.fromkeys(items) if item not in snapshot.scores()]
    recommended = snapshot.recommend(items, n)
    if as_json:
        console.say_json({**facts(settings, snapshot), "history": items, "unknown": unknown, "items": recommended})
        return
    console.numbered(caption(settings, snapshot), {"item": recommended})
    if unknown:
        console.say(f"not in this version: {', '.join(unknown)}", style="yellow")
