"""`freshrank evaluate`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli import console, options
from consumer.errors import BadRequest
from consumer.recordings import option_texts
from consumer.recordings.row_files import FileFormat, layout_of

if TYPE_CHECKING:
    from consumer.evaluation.evaluate import Evaluated, EvaluationPlan
    from consumer.evaluation.report import Report
    from consumer.recordings.row_mapping import MappingPlan
    from consumer.settings import Settings

_FILE = "The file"
_MAPPING = "What its columns mean"
_TEST = "What is asked"
KINDS = {"all": "all targets", "non_repeat": "targets other than the item just before"}


def evaluate(
    file: Annotated[Path, typer.Argument(help="CSV or NDJSON, plain or gzip, oldest first.", show_default=False)],
    config: options.ConfigFiles = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="prequential|periods",
            help="prequential: each event is asked about just before it is learned. periods: a period is asked about "
            "by what was learned before it, as published results are.",
            rich_help_panel=_TEST,
        ),
    ] = "prequential",
    period_days: Annotated[
        float, typer.Option(help="Length of a period, from the first event on.", rich_help_panel=_TEST)
    ] = 7.0,
    known_only: Annotated[
        bool,
        typer.Option(
            "--known-only",
            help="Leave out targets that were not seen in an earlier period, and average over periods, as the "
            "published protocols do (periods: always).",
            rich_help_panel=_TEST,
        ),
    ] = False,
    event_types: Annotated[
        str,
        typer.Option(metavar="A,B", help="Targets of these types only.", show_default=False, rich_help_panel=_TEST),
    ] = "",
    member: Annotated[
        str | None, typer.Option(help="Show this member only.", show_default=False, rich_help_panel=_TEST)
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--mapping",
            "--map",
            metavar="FIELD=COLUMN",
            help="Column of a field of the event (event_id, user_id, item_id, event_type, event_time, session_id, "
            "value), if it has another name. Repeatable. Default: the names in input.fields.",
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    time_column: Annotated[
        str, typer.Option(help="The same as --map event_time=COLUMN.", show_default=False, rich_help_panel=_MAPPING)
    ] = "",
    time_format: Annotated[
        str | None,
        typer.Option(
            help='rfc3339, epoch_seconds, epoch_milliseconds or a pattern: "%Y-%m-%d %H:%M:%S UTC". Default: '
            "input.time_format.",
            show_default=False,
            rich_help_panel=_MAPPING,
        ),
    ] = None,
    type_map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD=TYPE", help="Event type for a word of the file. Repeatable.", rich_help_panel=_MAPPING
        ),
    ] = None,
    default_type: Annotated[
        str | None,
        typer.Option(help="Event type where the file names none.", show_default=False, rich_help_panel=_MAPPING),
    ] = None,
    features: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Columns that become features of the event, for models.linear.",
            show_default=False,
            rich_help_panel=_MAPPING,
        ),
    ] = "",
    numbers: Annotated[
        str,
        typer.Option(metavar="A,B", help="Those that are numbers.", show_default=False, rich_help_panel=_MAPPING),
    ] = "",
    file_format: Annotated[
        FileFormat | None, typer.Option(help="Default: by the file's name.", rich_help_panel=_FILE)
    ] = None,
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
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most so many rows.", rich_help_panel=_FILE)] = None,
    skip_bad_rows: Annotated[
        bool,
        typer.Option(
            "--skip-bad-rows",
            help="Count rows that cannot be used instead of stopping at the first.",
            rich_help_panel=_FILE,
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Measure quality and speed on recorded events, without Kafka, through the code that runs live.

    For every member and their ensemble: how often the item that followed stood among the first 10 or 20 (R@10, R@20)
    and its mean reciprocal rank (MRR@20), with 95 % intervals by bootstrap over sessions.

    Examples:

    \b
    freshrank evaluate events.ndjson.gz
    freshrank evaluate clicks.csv --map user_id=visitorid --map item_id=itemid --map event_type=event \\
        --time-column timestamp --time-format epoch_milliseconds --type-map addtocart=cart
    freshrank evaluate clicks.csv -c linear.yaml --features brand,price --numbers price
    freshrank evaluate sessions.csv.gz --map user_id=session_id --default-type view --protocol periods
    """
    settings = options.settings_of(config)

    from consumer.evaluation.evaluate import EvaluationPlan
    from consumer.evaluation.evaluate import evaluate as evaluate_file
    from consumer.evaluation.protocols import Protocol
    from consumer.evaluation.report import as_json as json_of
    from consumer.evaluation.report import report_of
    from consumer.recordings.recording import Recording, RecordingPlan

    if protocol not in set(Protocol):
        raise BadRequest(f"--protocol: {protocol!r} is none of {', '.join(Protocol)}")
    if not 0 < period_days < float("inf"):
        raise BadRequest(f"--period-days must be above 0, got {period_days:g}")
    plan = EvaluationPlan(Protocol(protocol), period_days, known_only, option_texts.names("--event-types", event_types))
    layout = layout_of(file, file_format, option_texts.names("--columns", columns), delimiter or None)
    rows = replace(
        _mapping(settings, mapping or [], time_column, time_format, type_map or [], default_type),
        features=option_texts.names("--features", features),
        numbers=frozenset(option_texts.names("--numbers", numbers)),
    )
    with (
        closing(Recording(RecordingPlan(file, layout, rows, limit=limit, skips_bad_rows=skip_bad_rows))) as recording,
        console.progress_bar(file.name, recording.file.size_bytes) as on_progress,
    ):
        found = evaluate_file(recording, file, settings, plan, skips_bad_rows=skip_bad_rows, on_progress=on_progress)
    report = report_of(found, plan, member)
    if as_json:
        console.say_json(json_of(file.name, plan, found, report))
        return
    _say(file, plan, found, report)


def _mapping(
    settings: Settings,
    mapping: list[str],
    time_column: str,
    time_format: str | None,
    type_map: list[str],
    default_type: str | None,
) -> MappingPlan:
    """What was asked for, and the settings' names of an input topic where nothing was."""
    from consumer.recordings.row_mapping import FIELDS, MappingPlan

    named = settings.input.fields.model_dump()
    own = {field: named[field] for field in FIELDS if named[field] != field}
    return MappingPlan(
        columns={**own, **option_texts.columns(mapping, time_column)},
        time_format=time_format or settings.input.time_format,
        event_types=option_texts.pairs("--type-map", type_map),
        default_type=default_type or settings.input.default_event_type or "",
    )


def _say(file: Path, plan: EvaluationPlan, found: Evaluated, report: Report) -> None:
    outcomes = ", ".join(f"{n:,} {name}" for name, n in found.outcomes.items()) or "no events"
    console.say(f"{file.name}: {outcomes}")
    if found.first_refused:
        console.warn(f"bad rows skipped: {found.n_refused:,}, the first: {found.first_refused}")
    if found.outcomes["late"] + found.outcomes["late_popularity_only"]:
        console.warn("late events are not learned: is the file in the order of time? (input.lateness_s)")
    if report.is_empty:
        console.warn("nothing to ask: no event of somebody with a history" + _hint(plan))
        return
    periods = f", {report.n_periods} periods averaged" if report.n_periods else ""
    for kind, figures in report.figures.items():
        if figures:
            title = f"{plan.protocol}, {KINDS[kind]}: {figures[0].n_questions:,} questions{periods}"
            columns = {"member": [one.member for one in figures]}
            for heading, measure in (("R@10", "recall_10"), ("R@20", "recall_20"), ("MRR@20", "mrr_20")):
                shares = [getattr(one, measure) for one in figures]
                columns[heading] = [f"{100 * s.value:.2f} ({100 * s.low:.2f}–{100 * s.high:.2f})" for s in shares]
            console.numbered(title, columns)
    learn_us, query_us = found.learn_us() or 0.0, found.query_us() or 0.0
    console.say(f"{learn_us:.2f} µs a learned event, {query_us:.1f} µs a question")
    console.say(f"{found.n_bytes / 2**20:,.1f} MiB for {found.n_items:,} items and {found.n_users:,} users")


def _hint(plan: EvaluationPlan) -> str:
    if plan.averages_periods:
        return f" on an item of an earlier period (of {plan.period_days:g} days)"
    return f" of type {', '.join(plan.event_types)}" if plan.event_types else ""
