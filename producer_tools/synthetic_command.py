"""`freshrank-tools synthetic`: a made-up behaviour stream, to a topic or to a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from consumer.recordings.event_times import time_parser
from producer_tools import console, options
from producer_tools.connection import Connection
from producer_tools.errors import UsageError
from producer_tools.event_clock import EventClock
from producer_tools.interrupts import terminated_as_interrupted
from producer_tools.ndjson_file import write_ndjson
from producer_tools.pacing import FixedRate, OriginalPace, Schedule
from producer_tools.plan import FaultShares, SyntheticPlan, Trend
from producer_tools.producing import RecordProducer, Timestamps
from producer_tools.synthetic import SyntheticStream
from producer_tools.topic_check import check_retention, check_topic
from producer_tools.truth_file import write_truth

_DEFAULT_EVENTS_PER_S = 1_000.0
_DEFAULT_TREND_SHARE = 0.05
_NEW_ITEM = "trending-item"
_ALLOWED_AHEAD_S = 300.0  # the worker's default for how far an event may be ahead of its record's timestamp

_SHOP = "What goes on in the shop"
_TREND = "Planted trend"
_FAULTS = "Planted faults (shares of the records)"


def _fault(text: str) -> Any:
    return typer.Option(min=0, max=1, help=text, rich_help_panel=_FAULTS)


def synthetic(
    bootstrap_servers: options.BootstrapServers = options.DEFAULT_SERVERS,
    topic: options.Topic = options.DEFAULT_TOPIC,
    client_config: options.ClientConfig = None,
    timestamps: options.StampWith = Timestamps.NOW,
    events: Annotated[int, typer.Option(help="Records to make.")] = 100_000,
    users: Annotated[int, typer.Option(help="Users; some are far more active than others.")] = 10_000,
    items: Annotated[int, typer.Option(help="Items; demand is Zipf-like, neighbours are visited together.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed (and start) gives the same stream.")] = 1,
    rate: Annotated[
        float,
        typer.Option(
            min=0, help="Records offered a second, come what may (how late they were is told); 0: as fast as possible."
        ),
    ] = 0,
    start: Annotated[
        str,
        typer.Option(
            help="Event time of the first event, RFC 3339. Default: now, or so that the last event is not in the "
            "future where event time runs faster than sending.",
            show_default=False,
        ),
    ] = "",
    event_rate: Annotated[
        float | None,
        typer.Option(help="Events a second of event time. Default: --rate, or 1000 without one.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the events as NDJSON to this file (.gz: compressed), not to Kafka."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write what is true of the stream as NDJSON to this file (.gz: compressed): the items' true shares "
            "at several moments, every trend, new item and bot, and how many faults there are.",
        ),
    ] = None,
    truth_moments: Annotated[int, typer.Option(min=1, help="With --truth: moments at which to tell the shares.")] = 10,
    rhythm: Annotated[
        float,
        typer.Option(
            help="Daily rhythm from 0 (none) to 0.99 (quiet at 8:00 UTC, twice as busy at 20:00). With --rate the "
            "events are sent in this rhythm too.",
            rich_help_panel=_SHOP,
        ),
    ] = 0,
    drift_hours: Annotated[
        float,
        typer.Option(
            help="Hours of event time in which half of the items swap demand and neighbours; 0: never.",
            rich_help_panel=_SHOP,
        ),
    ] = 0,
    new_items_per_hour: Annotated[
        float,
        typer.Option(help="New items an hour of event time; each is new for a day.", rich_help_panel=_SHOP),
    ] = 0,
    trend_every_hours: Annotated[
        float,
        typer.Option(
            help="Hours of event time from one sudden trend to the next; each lasts half of them. 0: none.",
            rich_help_panel=_SHOP,
        ),
    ] = 0,
    impressions: Annotated[
        int,
        typer.Option(
            help="Items shown some seconds before each view, the viewed one among them, each an event of type "
            "impression. A worker counts that type as ignored unless its input.event_types names it.",
            rich_help_panel=_SHOP,
        ),
    ] = 0,
    returns: Annotated[
        float,
        typer.Option(
            help="Share of the purchases that come back after about an hour, each an event of type return: give it a "
            "negative weight in a worker's input.event_types. (Some carts lead to remove_from_cart in any case.)",
            rich_help_panel=_SHOP,
        ),
    ] = 0,
    trend_item: Annotated[
        str,
        typer.Option(
            help=f"Item that trends: one of the catalogue or a new one. Default: {_NEW_ITEM}, "
            "if another --trend option is given.",
            show_default=False,
            rich_help_panel=_TREND,
        ),
    ] = "",
    trend_at: Annotated[
        int | None,
        typer.Option(
            help="Number of events before the trend. Default: half of them.",
            show_default=False,
            rich_help_panel=_TREND,
        ),
    ] = None,
    trend_share: Annotated[
        float | None,
        typer.Option(
            help=f"Share of the events from there on. Default: {_DEFAULT_TREND_SHARE}.",
            show_default=False,
            rich_help_panel=_TREND,
        ),
    ] = None,
    malformed: Annotated[float, _fault("Broken in one of eight ways: cut off, no UTF-8, a field missing, ...")] = 0,
    duplicates: Annotated[float, _fault("The same bytes as a good record shortly before.")] = 0,
    late: Annotated[float, _fault("One to two hours older than the records around them.")] = 0,
    out_of_order: Annotated[float, _fault("Up to a minute older, which no worker calls late.")] = 0,
    future: Annotated[float, _fault("A day ahead.")] = 0,
    tombstones: Annotated[float, _fault("A key without a value.")] = 0,
    bots: Annotated[float, _fault("Views by three bots, each of one unpopular item.")] = 0,
) -> None:
    """Make up a behaviour stream: users walk through a catalogue in sessions; trends, faults and more on demand.

    Examples:

    \b
    freshrank-tools synthetic --events 100000
    freshrank-tools synthetic --rate 2000 --events 60000 --trend-item hot --trend-at 20000 --trend-share 0.1
    freshrank-tools synthetic --rhythm 0.8 --drift-hours 24 --new-items-per-hour 10 --trend-every-hours 3
    freshrank-tools synthetic --malformed 0.01 --duplicates 0.02 --late 0.01 --bots 0.05
    freshrank-tools synthetic --events 1000000 --start 2026-01-01T00:00:00Z --output events.ndjson.gz
    freshrank-tools synthetic --events 1000000 --truth truth.ndjson
    """
    if events < 1:
        raise UsageError(f"--events must be at least 1, got {events}")
    now_ms = time.time_ns() // 1_000_000
    speed = event_rate if event_rate is not None else (rate or _DEFAULT_EVENTS_PER_S)
    plan = SyntheticPlan(
        n_events=events,
        n_users=users,
        n_items=items,
        seed=seed,
        start_ms=_start_ms(start, now_ms, events, speed, rate, rhythm),
        events_per_s=speed,
        rhythm=rhythm,
        drift_s=drift_hours * 3_600,
        new_items_per_hour=new_items_per_hour,
        trend_every_s=trend_every_hours * 3_600,
        impressions=impressions,
        returns=returns,
        trend=_trend(trend_item, trend_at, trend_share, events),
        faults=FaultShares(malformed, duplicates, late, future, tombstones, out_of_order, bots),
    )
    if output is not None:
        _refuse_for_files(plan, is_paced=rate > 0)
    stream = SyntheticStream(plan)
    if truth is not None:
        write_truth(truth, stream, truth_moments)
    if output is not None:
        _write(stream, output)
        return
    if timestamps is Timestamps.NOW:
        _warn_of_future(plan, now_ms, rate)
    _produce(stream, options.connection(bootstrap_servers, client_config), topic, timestamps, rate, now_ms)


def _produce(
    stream: SyntheticStream, connection: Connection, topic: str, timestamps: Timestamps, rate: float, now_ms: int
) -> None:
    check_topic(connection, topic)
    if timestamps is Timestamps.EVENT:
        check_retention(connection, topic, stream.plan.start_ms, now_ms)
    producer = RecordProducer(connection, topic, timestamps)
    schedule = _schedule(stream.plan, rate)
    with (
        console.progress_bar(f"to {topic}", stream.plan.n_events, "records") as on_progress,
        terminated_as_interrupted(),
    ):
        delivery = producer.send(stream.blocks(), schedule, on_progress)
    console.report(delivery, topic, is_paced=schedule is not None)


def _schedule(plan: SyntheticPlan, rate: float) -> Schedule | None:
    if rate == 0:
        return None
    return OriginalPace(rate / plan.events_per_s) if plan.rhythm > 0 else FixedRate(rate)


def _refuse_for_files(plan: SyntheticPlan, *, is_paced: bool) -> None:
    if is_paced:
        raise UsageError("--rate is for producing; leave it out with --output (--event-rate sets the event times)")
    if plan.faults.tombstones > 0:
        raise UsageError("a line cannot hold a tombstone: leave --tombstones out, or produce to a topic")


def _write(stream: SyntheticStream, output: Path) -> None:
    with console.progress_bar(f"to {output.name}", stream.plan.n_events, "records") as on_progress:
        n_written = write_ndjson(output, stream.blocks(), on_progress)
    console.say(f"{n_written:,} events written to {output}")


def _start_ms(start: str, now_ms: int, n_events: int, events_per_s: float, rate: float, rhythm: float) -> int:
    if start:
        try:
            return time_parser("rfc3339")(start).ms
        except ValueError as error:
            raise UsageError(f"--start: {start!r} is no time such as 2026-01-01T00:00:00Z: {error}") from error
    is_in_step = 0 < events_per_s <= rate
    if is_in_step or events_per_s <= 0:  # the plan refuses the latter
        return now_ms
    if not 0 <= rhythm < 1:  # refused by the plan
        return now_ms
    return max(0, int(EventClock(now_ms, events_per_s, rhythm).ms_at(np.array([-n_events]))[0]))


def _trend(item: str, at_event: int | None, share: float | None, n_events: int) -> Trend | None:
    if not item and at_event is None and share is None:
        return None
    return Trend(
        item=item or _NEW_ITEM,
        at_event=n_events // 2 if at_event is None else at_event,
        share=_DEFAULT_TREND_SHARE if share is None else share,
    )


def _warn_of_future(plan: SyntheticPlan, now_ms: int, rate: float) -> None:
    lasts_ms = (plan.end_ms - plan.start_ms) * plan.events_per_s / rate if rate > 0 else 0
    sent_by_ms = now_ms + lasts_ms
    ahead_s = (plan.end_ms - sent_by_ms) / 1_000.0
    if ahead_s > _ALLOWED_AHEAD_S:
        console.warn(
            f"the last events will be {ahead_s:,.0f} s ahead of their records' timestamps; a worker refuses events "
            "from the future (input.max_future_s). Start earlier, or leave --start and --event-rate out"
        )
