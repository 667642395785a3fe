"""`freshrank warm-start`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from consumer.cli import console, options
from consumer.errors import Fatal
from consumer.messages import Positions
from consumer.models.knowledge import MEMBERS
from consumer.settings import Settings

BEGINNING, END = "beginning", "end"


def warm_start(
    source: Annotated[
        list[str],
        typer.Option(
            "--from",
            metavar="CHECKPOINT|TOPICS|VECTORS",
            help="A checkpoint or a directory of them; a settings file (.yaml) of a deployment whose published topics "
            "are read; or item vectors (.npz, .npy, .parquet) for items without interactions, and for the network "
            "where models.neural.enabled is set. May be given several times, with at most one deployment.",
        ),
    ],
    config: options.ConfigFiles = None,
    members: Annotated[
        str, typer.Option(help="What to take over from the other deployment, separated by commas.", metavar="A,B")
    ] = ",".join(MEMBERS),
    mapping: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the header `from,to`: the other deployment's item ids and ours. Items that it doesn't list "
            "are left behind. Default: the ids are the same.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    discount: Annotated[
        float,
        typer.Option(
            min=0.0001,
            max=1.0,
            help="What the other deployment's evidence counts for: at 0.1 our own outweighs it once we have a tenth of "
            "what it had.",
        ),
    ] = 0.1,
    strength: Annotated[
        float, typer.Option(min=0.001, max=1000.0, help="Events that a neighbour by vectors counts for.")
    ] = 0.5,
    ids: Annotated[
        Path | None, typer.Option(help="For .npy: the ids, one a line.", metavar="FILE", show_default=False)
    ] = None,
    vector_mapping: Annotated[
        Path | None,
        typer.Option(
            help="CSV with the header `from,to`: the item ids of vector files and ours. Items that it doesn't list are "
            "left out. Default: the ids are the same.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str, typer.Option(help="Where the first worker begins to read its input: beginning, end, or a time (RFC 3339).")
    ] = BEGINNING,
    dated: Annotated[
        str | None,
        typer.Option(
            help="Event time (RFC 3339) at which the other deployment's evidence counts in full and its last event "
            "took place; it fades from there on. Default: it counts in full at our first event.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Even if this deployment has checkpoints or has published before.")
    ] = False,
) -> None:
    """Begin a new deployment with what another one learned, or with neighbours from item vectors.

    Writes the first checkpoint of the deployment that the settings describe; `freshrank run` goes on from it.
    """
    settings = options.settings_of(config)
    console.be_quiet()
    dated_ms = None if dated is None else _time_ms("--dated", dated)
    start_ms = None if start in (BEGINNING, END) else _time_ms("--start", start)

    from consumer.transfer.warm_start import Plan, warm_started
    from consumer.transfer.wiring import deployment_of

    plan = Plan(
        sources=tuple(source),
        members=tuple(name.strip() for name in members.split(",") if name.strip()),
        mapping=mapping,
        discount=discount,
        strength=strength,
        ids_file=ids,
        vector_mapping=vector_mapping,
        dated_ms=dated_ms,
    )
    with deployment_of(settings) as deployment:
        if not force:
            deployment.require_new()
        started = warm_started(plan, settings, deployment.clock.wall_s())
        name = started.write(deployment, _positions(settings, start, start_ms))
    console.say(f"{started.told}; the first worker begins to read at: {start}")
    console.say(f"written: {name} in {settings.checkpoints.directory}. Go on with `freshrank run`", style="green")


def _time_ms(option: str, text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        words = f"{BEGINNING}, {END} or " if option == "--start" else ""
        raise Fatal(f"{option} {text}: expected {words}a time such as 2026-11-23T10:15:00Z") from error
    if time.tzinfo is None:
        raise Fatal(f"{option} {text}: say in which zone, for example {text}Z")
    return int(time.timestamp() * 1000)


def _positions(settings: Settings, start: str, start_ms: int | None) -> Positions:
    from consumer.kafka.starting_points import end_of_input, input_from

    if start_ms is not None:
        return input_from(settings, start_ms)
    return end_of_input(settings) if start == END else {}
