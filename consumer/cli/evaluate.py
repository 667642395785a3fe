"""`freshrank evaluate`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli import console, file_options, options
from consumer.errors import BadRequest
from consumer.recordings import option_texts

if TYPE_CHECKING:
    from consumer.evaluation.evaluate import Evaluated, EvaluationPlan
    from consumer.evaluation.report import Report

_FILE = "The file"
_TEST = "What is asked"
KINDS = {"all": "all targets", "non_repeat": "targets other than the item just before"}


def evaluate(
    file: Annotated[
        Path, typer.Argument(help="CSV, NDJSON (plain or gzip) or Parquet, oldest first.", show_default=False)
    ],
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
    sessions_one_in: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Ask about one session in N only; all are learned.", rich_help_panel=_TEST
        ),
    ] = 1,
    member: Annotated[
        str | None, typer.Option(help="Show this member only.", show_default=False, rich_help_panel=_TEST)
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
    limit: Annotated[int | None, typer.Option(min=1, help="Read at most so many rows.", rich_help_panel=_FILE)] = None,
    skip_bad_rows: file_options.SkipBadRows = False,
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
    from consumer.warm_up import require_packages

    require_packages(settings)
    if protocol not in set(Protocol):
        raise BadRequest(f"--protocol: {protocol!r} is none of {', '.join(Protocol)}")
    if not 0 < period_days < float("inf"):
        raise BadRequest(f"--period-days must be above 0, got {period_days:g}")
    types = option_texts.names("--event-types", event_types)
    plan = EvaluationPlan(Protocol(protocol), period_days, known_only, types, sessions_one_in)
    layout = file_options.layout(file.name, file_format, columns, delimiter)
    rows = file_options.mapping_plan(
        settings, mapping, time_column, time_format, type_map, default_type, features, numbers
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
    console.say(f"{learn_us:.2f} µs a learned event, {query_us:.1f} µs a question, of one core")
    console.say(f"{found.n_bytes / 2**20:,.1f} MiB for {found.n_items:,} items and {found.n_users:,} users")


def _hint(plan: EvaluationPlan) -> str:
    if plan.averages_periods:
        return f" on an item of an earlier period (of {plan.period_days:g} days)"
    return f" of type {', '.join(plan.event_types)}" if plan.event_types else ""
