"""`freshrank related`."""

from __future__ import annotations

from typing import Annotated

import typer

from consumer.cli import console, options
from consumer.errors import Fatal


def related(
    item: Annotated[str, typer.Argument(help="Id of an item.", metavar="ITEM")],
    config: options.ConfigFiles = None,
    n: options.Number = 20,
    as_json: options.Json = False,
) -> None:
    """Show the items that the audience turns to around an item, by published evidence."""
    settings = options.settings_of(config)

    from consumer.cli.snapshot import caption, facts, read_snapshot

    snapshot = read_snapshot(settings)
    if item not in snapshot.scores():
        raise Fatal(f"item {item!r} is not in version {snapshot.version} of model {settings.model!r}")
    others = snapshot.related(item)[:n]
    if as_json:
        entries = [{"item": other, "evidence": evidence} for other, evidence in others]
        console.say_json({**facts(settings, snapshot), "item": item, "related": entries})
    else:
        columns = {"item": [other for other, _ in others], "evidence": [f"{evidence:.4g}" for _, evidence in others]}
        console.numbered(f"around {item}: {caption(settings, snapshot)}", columns)
