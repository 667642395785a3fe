"""`freshrank replay`."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from consumer.cli import console, file_options, options, replay_report
from consumer.cli.signals import stop_requests
from consumer.cli.times import NOW, offsets, time_ms
from consumer.errors import BadRequest
from consumer.recordings.places import name_of, place_of
from consumer.telemetry import logs

if TYPE_CHECKING:
    from consumer.replay.files import FileInput
    from consumer.replay.ranges import AskedRange
    from consumer.replay_app import ReplayRequest

_RANGE = "What is read"


def replay(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]…",
            help="CSV, NDJSON (plain or gzip) or Parquet, each oldest first: paths, or addresses such as s3://…. "
            "Default: the input topic.",
            show_default=False,
        ),
    ] = None,
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
    mapping: file_options.Mapping = None,
    time_column: file_options.TimeColumn = "",
    time_format: file_options.TimeFormat = None,
    type_map: file_options.TypeMap = None,
    default_type: file_options.DefaultType = None,
    features: file_options.Features = "",
    numbers: file_options.Numbers = "",
    file_format: file_options.Format = None,
    columns: file_options.Columns = "",
    delimiter: file_options.Delimiter = "",
    skip_bad_rows: file_options.SkipBadRows = False,
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
    """Learn history from Kafka or from files, next to the live worker, into a model of its own.

    Partitions, or files, are read apart from each other and learned in the order of event times. The live model's
    group, topics and checkpoints stay as they are, and nothing is published. The checkpoints lie in replays/NAME below
    the live ones; after a stop or a crash the same command goes on where it was.

    Examples:

    \b
    freshrank replay --dry-run
    freshrank replay --from 2026-01-01 --to now
    freshrank replay --from-offsets 0:120000,1:118000 --name monday --rate 50000
    freshrank replay s3://bucket/2026-01.parquet s3://bucket/2026-02.parquet --map user_id=visitor
    """
    settings = options.settings_of(config)
    from consumer.replay.files import FileInput

    asked = _Asked(topic, start, end, from_offsets, to_offsets)
    meaning = file_options.mapping_plan(
        settings, mapping, time_column, time_format, type_map, default_type, features, numbers
    )
    layouts = [file_options.layout(name_of(file), file_format, columns, delimiter) for file in files or []]
    words = file_options.words(
        mapping, time_column, time_format, type_map, default_type, features, numbers, columns, delimiter
    )
    given = FileInput([place_of(file) for file in files or []], layouts, meaning, skip_bad_rows)
    request = _request(name or f"{settings.model}-replay", asked, given, words, rate, restart, metrics_port)
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


class _Asked(NamedTuple):
    """The range as it stands on the command line."""

    topic: str | None
    start: str
    end: str
    from_offsets: str
    to_offsets: str

    def words(self) -> str:
        options = ("--topic", "--from", "--to", "--from-offsets", "--to-offsets")
        return " ".join(f"{option} {value}" for option, value in zip(options, self, strict=True) if value)

    def range(self) -> AskedRange:
        from consumer.replay.ranges import AskedRange

        now_s = time.time()
        return AskedRange(
            from_ms=time_ms("--from", self.start, now_s) if self.start else None,
            to_ms=time_ms("--to", self.end, now_s) if self.end not in ("", NOW) else None,  # now: the end as it is
            from_offsets=offsets("--from-offsets", self.from_offsets),
            to_offsets=offsets("--to-offsets", self.to_offsets),
        )


def _request(
    name: str, asked: _Asked, files: FileInput, words: str, rate: float | None, restart: bool, metrics_port: int
) -> ReplayRequest:
    from consumer.replay_app import ReplayRequest

    given = asked.range()
    if not files.places:
        words = asked.words() or "the whole topic"
        return ReplayRequest(name, given, words, asked.topic, None, rate, restart, metrics_port)
    if asked.topic or asked.from_offsets or asked.to_offsets:
        raise BadRequest("--topic, --from-offsets and --to-offsets are for a topic; files take --from and --to")
    words = " ".join(filter(None, (*map(str, files.places), asked.words(), words)))
    files = replace(files, from_ms=given.from_ms, to_ms=given.to_ms)
    return ReplayRequest(name, given, words, None, files, rate, restart, metrics_port)
