"""`freshrank replay`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.cli import console, options, replay_report
from consumer.cli.signals import stop_requests
from consumer.cli.times import NOW, offsets, time_ms
from consumer.telemetry import logs

if TYPE_CHECKING:
    from consumer.replay_app import ReplayRequest

_RANGE = "What is read"


def replay(
    config: options.ConfigFiles = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="TIME",
            help="First record, by the records' own timestamps: a date (UTC), a time (RFC 3339) or `now`. Default: the "
            "beginning.",
            show_default=False,
            rich_help_panel=_RANGE,
        ),
    ] = "",
    end: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TIME",
            help="The first record that is no longer read. Default: the end of each partition as it is now.",
            show_default=False,
            rich_help_panel=_RANGE,
        ),
    ] = "",
    from_offsets: Annotated[
        str,
        typer.Option(
            metavar="P:OFFSET,…", help="First offset by partition.", show_default=False, rich_help_panel=_RANGE
        ),
    ] = "",
    to_offsets: Annotated[
        str,
        typer.Option(
            metavar="P:OFFSET,…",
            help="The first offset that is no longer read, by partition.",
            show_default=False,
            rich_help_panel=_RANGE,
        ),
    ] = "",
    topic: Annotated[
        str | None,
        typer.Option(
            help="Another topic with the same events, such as a copy. Default: input.topic.",
            show_default=False,
            rich_help_panel=_RANGE,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Of the model that is learned. Default: the live model's with -replay.", show_default=False),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.1, help="Most records a second. Default: as fast as it goes.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be read, and learn nothing.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget what an earlier replay of this name has learned.")
    ] = False,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where metrics are served; 0: on a free port, which the log names.")
    ] = 0,
    as_json: options.Json = False,
) -> None:
    """Learn history from Kafka, next to the live worker, into a model of its own.

    Partitions are read apart from each other and learned in the order of event times. The live model's group, topics
    and checkpoints stay as they are, and nothing is published. The checkpoints lie in replays/NAME below the live
    ones; after a stop or a crash the same command goes on where it was.

    Examples:

    \b
    freshrank replay --dry-run
    freshrank replay --from 2026-01-01 --to now
    freshrank replay --from-offsets 0:120000,1:118000 --name monday --rate 50000
    """
    settings = options.settings_of(config)
    request = _request(
        name or f"{settings.model}-replay", start, end, from_offsets, to_offsets, topic, rate, restart, metrics_port
    )
    if dry_run:
        console.be_quiet()
        from consumer.replay_app import look

        replay_report.say_overview(look(settings, request), as_json=as_json)
        return
    is_watched = console.is_watched()
    logs.configure("warning" if is_watched else settings.telemetry.log_level, settings.telemetry.log_format)

    from consumer import replay_app

    with stop_requests() as should_stop, replay_report.progress_line(request.name) as on_progress:
        replayed = replay_app.replay(settings, request, should_stop, on_remark=console.warn, on_progress=on_progress)
    replay_report.say_replayed(request.name, replayed, as_json=as_json)


def _request(
    name: str,
    start: str,
    end: str,
    from_offsets: str,
    to_offsets: str,
    topic: str | None,
    rate: float | None,
    restart: bool,
    metrics_port: int,
) -> ReplayRequest:
    from consumer.replay.ranges import AskedRange
    from consumer.replay_app import ReplayRequest

    now_s = time.time()
    given: dict[str, Any] = {
        "--topic": topic,
        "--from": start,
        "--to": end,
        "--from-offsets": from_offsets,
        "--to-offsets": to_offsets,
    }
    asked = AskedRange(
        from_ms=time_ms("--from", start, now_s) if start else None,
        to_ms=time_ms("--to", end, now_s) if end not in ("", NOW) else None,  # now: the end as it is
        from_offsets=offsets("--from-offsets", from_offsets),
        to_offsets=offsets("--to-offsets", to_offsets),
    )
    words = " ".join(f"{option} {value}" for option, value in given.items() if value) or "the whole topic"
    return ReplayRequest(name, asked, words, topic, rate, restart, metrics_port)
