"""Recall from the published rows alone: for each week, everything before it is produced to a real Kafka, a worker
publishes until nothing waits, and a reader that stands still at that manifest recommends for the week's sessions. Only
then is the week produced."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consumer.evaluation.answers import Answers, joined
from consumer.evaluation.figures import Figures, figures_of
from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.kafka.topic_admin import TopicAdmin
from consumer.learning import quality
from consumer.settings import Settings
from consumer.snapshots.reader import SnapshotReader
from consumer.snapshots.recommender import compile_kernels
from tests.bench.load import produce
from tests.bench.workers import running_worker, settings_for
from tests.broker import real_kafka
from tests.broker.sources import all_sources
from tests.quality.document import Section, percent, table
from tests.quality.recorded import Diginetica

TO_REACH = 53.5  # R@20, percent
DRAIN_TIMEOUT_S = 180.0
POLL_S = 0.1
PROTOCOL = "periods, published rows"
MODEL = "quality-published"


class NotDrained(Exception):
    """The worker did not publish everything in time."""


@dataclass(slots=True)
class Week:
    """What was asked of one manifest."""

    ranks: list[int]
    sessions: list[int]
    is_repeat: list[int]
    asking_s: float


def measure(stream: Diginetica, folder: Path) -> Section:
    with real_kafka(all_sources(os.environ)) as broker:
        settings = settings_for(broker.bootstrap_servers, MODEL, folder, input_topic=f"{MODEL}-events")
        TopicAdmin(settings).create(input_partitions=1)  # one, so that events are learned in the stream's order
        compile_kernels()
        with running_worker(settings, folder), KafkaSnapshotReader(settings) as reader:
            weeks = [_week(stream, settings, reader, period) for period in stream.periods]
    return _section([week for week in weeks if week.ranks], settings)


def _week(stream: Diginetica, settings: Settings, reader: KafkaSnapshotReader, period: int) -> Week:
    """Ask about this week, then produce it."""
    places = stream.rows_of(period)
    if places.start:
        _drain(reader, settings, places.start)
    asked = _ask(stream, reader, places)
    produce(settings.kafka.bootstrap_servers, settings.input.topic, stream.blocks(places))
    return asked


def _drain(reader: KafkaSnapshotReader, settings: Settings, n_events: int) -> None:
    """Read until a manifest covers so many events and no row waits."""
    give_up_s = time.monotonic() + DRAIN_TIMEOUT_S
    topic = settings.input.topic
    while time.monotonic() < give_up_s:
        reader.poll(POLL_S)
        manifest = reader.manifest
        if manifest is None or not reader.caught_up():
            continue
        if manifest.input_positions.get(topic, {}).get("0") == n_events and not any(manifest.rows_waiting.values()):
            return
    raise NotDrained(f"not everything of {n_events:,} events was published within {DRAIN_TIMEOUT_S:g} s")


def _ask(stream: Diginetica, reader: SnapshotReader, places: range) -> Week:
    """The published protocol's questions about a week: items never seen before it are dropped, then every item of a
    session but the first is asked about, by those before it."""
    known = set(stream.item[: places.start])
    sessions: dict[str, list[str]] = {}
    for i in places:
        if stream.item[i] in known:
            sessions.setdefault(stream.session[i], []).append(stream.item[i])
    week = Week([], [], [], 0.0)
    start_s = time.monotonic()
    for number, items in enumerate(sessions.values()):
        for n in range(1, len(items)):
            listed = reader.recommend(items[:n], quality.CUTOFF)
            week.ranks.append(listed.index(items[n]) + 1 if items[n] in listed else 0)
            week.is_repeat.append(items[n] == items[n - 1])
            week.sessions.append(number)
    week.asking_s = time.monotonic() - start_s
    return week


def _answers(week: Week, period: int) -> Answers:
    n = len(week.ranks)
    ranks = np.zeros((n, len(quality.MEMBERS)), np.uint8)
    ranks[:, 0] = week.ranks
    return Answers(
        ranks=ranks,
        is_repeat=np.array(week.is_repeat, np.uint8),
        event_type=np.zeros(n, np.int16),
        session=np.array(week.sessions, np.uint64),
        period=np.full(n, period),
    )


def _section(weeks: Sequence[Week], settings: Settings) -> Section:
    answers = joined([_answers(week, number) for number, week in enumerate(weeks)])
    figures, *_ = figures_of(answers, averages_periods=True)
    others, *_ = figures_of(answers.where(answers.is_repeat == 0), averages_periods=True)
    query_us = 1e6 * sum(week.asking_s for week in weeks) / len(answers)
    lines = [
        "Same protocol as the published results, but asked of a reader of `item-scores`, `item-related` and "
        f"`score-manifests` on a real Kafka ({settings.publish.related} entries an item): before each week everything "
        "earlier was produced, the worker published until no row waited, and the reader stood still at that manifest.",
        *table(
            ("targets", "R@20", "R@10", "MRR@20"),
            [_line(f"all, {figures.n_questions:,}", figures), _line(f"non-repeat, {others.n_questions:,}", others)],
        ),
        f"To reach: R@20 {TO_REACH:g}. {query_us:.0f} µs a question, Python's part included.",
    ]
    row = {
        "data": "diginetica", "protocol": PROTOCOL, "member": "ensemble", "questions": len(answers),
        "recall_10": figures.recall_10.value, "recall_20": figures.recall_20.value, "mrr_20": figures.mrr_20.value,
        "learn_us": None, "query_us": query_us,
    }  # fmt: skip
    return Section("From the published rows alone", lines, [row])


def _line(name: str, figures: Figures) -> list[str]:
    return [name, percent(figures.recall_20), percent(figures.recall_10), percent(figures.mrr_20)]
