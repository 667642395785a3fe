"""`freshrank-tools replay FILE`: recorded behaviour, to a topic."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from consumer.recordings import option_texts
from consumer.recordings.event_times import NAMED_FORMATS
from consumer.recordings.places import place_of
from consumer.recordings.recording import Recording, RecordingPlan
from consumer.recordings.row_files import FileFormat, layout_of
from consumer.recordings.row_mapping import MappingPlan
from producer_tools import console, options
from producer_tools.connection import Connection
from producer_tools.errors import UsageError
from producer_tools.interrupts import terminated_as_interrupted
from producer_tools.pacing import FixedRate, OriginalPace, Schedule
from producer_tools.producing import RecordProducer, Timestamps
from producer_tools.records import RecordBlock
from producer_tools.replay import RecordedBlocks
from producer_tools.resuming import Resumption
from producer_tools.topic_check import check_retention, check_topic
from producer_tools.transactions import Transactions, transactional

_FILE = "The file"
_MAPPING = "What its columns mean"
_PACE = "Pace and extent"


class Pace(StrEnum):
    FAST = "fast"
    ORIGINAL = "original"


def replay(
    file: Annotated[
        str,
        typer.Argument(
            help="CSV or NDJSON, plain or gzip, or Parquet (needs freshrank[parquet]); a path, or an address such as "
            "s3://shop/may.parquet (needs freshrank[object-storage]).",
            show_default=False,
        ),
    ],
    bootstrap_servers: options.BootstrapServers = options.DEFAULT_SERVERS,
    topic: options.Topic = options.DEFAULT_TOPIC,
    client_config: options.ClientConfig = None,
    timestamps: options.StampWith = Timestamps.NOW,
    file_format: Annotated[
        FileFormat | None, typer.Option(help="Default: by the file's name.", rich_help_panel=_FILE)
    ] = None,
    no_header: Annotated[
        bool, typer.Option("--no-header", help="The first line is a row; give --columns.", rich_help_panel=_FILE)
    ] = False,
    columns: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Names of the columns of a CSV file without header.",
            show_default=False,
            rich_help_panel=_FILE,
        ),
    ] = "",
    delimiter: Annotated[
        str, typer.Option(help="Default: comma, or tab for .tsv.", show_default=False, rich_help_panel=_FILE)
    ] = "",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Column of a field of the event (event_id, user_id, "
            "item_id, event_type, event_time, session_id, value), if it has another name. Repeatable.",
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    time_column: Annotated[
        str, typer.Option(help="The same as --map event_time=COLUMN.", show_default=False, rich_help_panel=_MAPPING)
    ] = "",
    time_format: Annotated[
        str,
        typer.Option(
            help='rfc3339, epoch_seconds, epoch_milliseconds or a pattern: "%Y-%m-%d %H:%M:%S UTC".',
            rich_help_panel=_MAPPING,
        ),
    ] = "rfc3339",
    type_map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD=TYPE", help="Event type for a word of the file. Repeatable.", rich_help_panel=_MAPPING
        ),
    ] = None,
    default_type: Annotated[
        str, typer.Option(help="Event type where the file names none.", show_default=False, rich_help_panel=_MAPPING)
    ] = "",
    keep_names: Annotated[
        bool,
        typer.Option(
            "--keep-names",
            help="Send all columns as they are, under the file's own names; only a time by a pattern becomes RFC 3339.",
            rich_help_panel=_MAPPING,
        ),
    ] = False,
    features: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Columns that become features of the event.",
            show_default=False,
            rich_help_panel=_MAPPING,
        ),
    ] = "",
    numbers: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Columns to send as numbers: features, or any with --keep-names.",
            show_default=False,
            rich_help_panel=_MAPPING,
        ),
    ] = "",
    pace: Annotated[Pace, typer.Option(help="As fast as possible, or as it happened.", rich_help_panel=_PACE)] = (
        Pace.FAST
    ),
    rate: Annotated[
        float,
        typer.Option(min=0, help="With --pace fast: records offered a second; 0: no limit.", rich_help_panel=_PACE),
    ] = 0,
    speed: Annotated[
        float | None, typer.Option(help="With --pace original: so many times as fast.", rich_help_panel=_PACE)
    ] = None,
    start_row: Annotated[int, typer.Option(min=1, help="First row to send.", rich_help_panel=_PACE)] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most so many rows.", rich_help_panel=_PACE)] = None,
    resume_as: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Keep the progress in Kafka under this name (a consumer group's offset). The same command again goes "
            "on exactly where the last one stopped or was killed; readers of committed records see each row once. "
            "Kafka forgets it after offsets.retention.minutes, by default a week.",
            show_default=False,
            rich_help_panel=_PACE,
        ),
    ] = "",
    skip_bad_rows: Annotated[
        bool,
        typer.Option(
            "--skip-bad-rows",
            help="Count rows that cannot be used instead of stopping at the first.",
            rich_help_panel=_PACE,
        ),
    ] = False,
) -> None:
    """Send recorded behaviour to a topic, in its original order, one event a row, keyed by user.

    Rows become standard events. An event without an id of its own gets one from the file's name and the row's number,
    so sending a row again gives the same event.

    Examples:

    \b
    freshrank-tools replay events.ndjson.gz
    freshrank-tools replay clicks.csv --map user_id=visitorid --map item_id=itemid --map event_type=event \\
        --time-column timestamp --time-format epoch_milliseconds
    freshrank-tools replay log.csv.gz --no-header --columns user_id,item_id,kind,at --map event_type=kind \\
        --type-map pv=view --time-column at --time-format epoch_seconds
    freshrank-tools replay clicks.csv --map user_id=visitorid --keep-names --numbers price
    freshrank-tools replay s3://shop/2026-05.parquet --map user_id=visitorid
    freshrank-tools replay events.ndjson --pace original --speed 60
    freshrank-tools replay events.ndjson --timestamps event --resume-as january
    """
    if bool(columns) != no_header:
        raise UsageError("--no-header and --columns belong together: a file without header needs names")
    connection = options.connection(bootstrap_servers, client_config)
    columns_of = option_texts.columns(mapping or [], time_column)
    place = place_of(file)
    plan = RecordingPlan(
        path=place,
        layout=layout_of(place, file_format, option_texts.names("--columns", columns), delimiter or None),
        mapping=MappingPlan(
            columns=columns_of,
            time_format=time_format,
            event_types=option_texts.pairs("--type-map", type_map or []),
            default_type=default_type,
            keeps_names=keep_names,
            features=option_texts.names("--features", features),
            numbers=frozenset(option_texts.names("--numbers", numbers)),
            needs_times=not keep_names
            or "event_time" in columns_of
            or time_format not in NAMED_FORMATS
            or timestamps is Timestamps.EVENT
            or pace is Pace.ORIGINAL,
        ),
        start_row=start_row,
        limit=limit,
        skips_bad_rows=skip_bad_rows,
    )
    schedule = _schedule(pace, speed, rate)
    sending = _Sending(connection, topic, timestamps, schedule)
    if resume_as:
        sending.resume(plan, resume_as)
    else:
        sending.send(plan)


class _Sending:
    """Where records go to, and how."""

    def __init__(self, connection: Connection, topic: str, timestamps: Timestamps, schedule: Schedule | None) -> None:
        self._connection = connection
        self._topic = topic
        self._timestamps = timestamps
        self._schedule = schedule

    def send(self, plan: RecordingPlan) -> None:
        with closing(Recording(plan)) as recorded:
            check_topic(self._connection, self._topic)
            self._send(recorded, RecordProducer(self._connection, self._topic, self._timestamps), None)

    def resume(self, plan: RecordingPlan, name: str) -> None:
        with closing(Recording(plan)):  # what is wrong with it is said before anything is asked of Kafka
            check_topic(self._connection, self._topic)
        producer = RecordProducer(self._connection, self._topic, self._timestamps, transactional(name))
        resumption = Resumption(Transactions(self._connection, producer.client, name, self._topic), name, plan)
        done = resumption.progress
        if done.is_done:
            console.say(f"{name}: all {done.n_sent:,} rows were sent before; choose another --resume-as to send again")
            return
        if done.n_sent:
            console.say(f"{name}: {done.n_sent:,} rows were sent before; going on at row {done.next_row:,}")
        limit = None if plan.limit is None else plan.limit - done.n_sent
        with closing(Recording(replace(plan, start_row=done.next_row, limit=limit))) as recorded:
            self._send(recorded, producer, resumption)

    def _send(self, recorded: Recording, producer: RecordProducer, resumption: Resumption | None) -> None:
        blocks = RecordedBlocks(recorded)
        if resumption is not None:
            resumption.watch(blocks)
        file = recorded.file
        with (
            console.progress_bar(file.path.name, file.size_bytes, "bytes") as on_progress,
            terminated_as_interrupted(),
        ):
            delivery = producer.send(
                self._checked(blocks), self._schedule, lambda _n: on_progress(file.bytes_read()), resumption
            )
        if recorded.n_skipped:
            console.warn(f"bad rows skipped: {recorded.n_skipped:,}, the first: {recorded.first_skipped}")
        what_now = resumption and f"interrupted; the same command goes on at row {resumption.progress.next_row:,}"
        console.report(delivery, self._topic, is_paced=self._schedule is not None, what_now=what_now or "")

    def _checked(self, blocks: RecordedBlocks) -> Iterator[RecordBlock]:
        """The same blocks; with event times as stamps, each once it is known that the topic will keep what is so old.
        Raises ToolError."""
        oldest_ms: int | None = None
        for block in blocks:
            block_ms = int(block.times_ms.min())
            if self._timestamps is Timestamps.EVENT and (oldest_ms is None or block_ms < oldest_ms):
                oldest_ms = block_ms
                check_retention(self._connection, self._topic, oldest_ms, time.time_ns() // 1_000_000)
            yield block


def _schedule(pace: Pace, speed: float | None, rate: float) -> Schedule | None:
    if not math.isfinite(rate):
        raise UsageError(f"--rate must be a finite number of records a second, got {rate:g}")
    if pace is Pace.FAST:
        if speed is not None:
            raise UsageError("--speed needs --pace original")
        return FixedRate(rate) if rate else None
    if rate:
        raise UsageError("--rate is for --pace fast; the original pace is changed by --speed")
    if speed is not None and not 0 < speed < float("inf"):
        raise UsageError(f"--speed must be above 0, got {speed:g}")
    return OriginalPace(speed or 1.0)
