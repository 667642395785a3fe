"""What a worker would make of the sampled records: dead letters, missing fields, types not listed, misread times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.doctor.looked_at import LookedAt
from consumer.doctor.words import duration, listed, share
from consumer.events.admission import Admission
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.messages import MAX_DEAD_LETTER, Int64Array, Outcome, UInt8Array

REQUIRED: Final = ("user_id", "item_id", "event_type", "event_time")
NUMERIC_FORMATS: Final = ("epoch_seconds", "epoch_milliseconds")
FORMATS: Final = ("rfc3339", *NUMERIC_FORMATS)
YEAR_MS: Final = 365 * 86_400_000.0
MANY_LATE: Final = 0.05
MANY_DUPLICATES: Final = 0.1
MOST_DUPLICATES: Final = 0.5


def check_events(looked_at: LookedAt) -> list[Finding]:
    """Findings of every kind; none above ok: a line on what was admitted."""
    findings = [
        *_times(looked_at),
        *_missing(looked_at),
        *_dead_letters(looked_at),
        *_types(looked_at),
        *_admission(looked_at),
    ]
    n, n_good = len(looked_at.records), len(looked_at.with_outcome(Outcome.ADMITTED))
    whole = f"of the {n:,} newest records {n_good:,} are good events"
    return findings or [ok(f"{whole}{_without_ids(looked_at)}", records=n, good=n_good)]


def _times(looked_at: LookedAt) -> Iterator[Finding]:
    """Another format under which more events are good, or under which they are not from another age."""
    now = looked_at.settings.time_format
    n_now, age_now_ms = _read(looked_at)
    others = {other: _read(looked_at.read_as(time_format=other)) for other in FORMATS if other != now}
    best, (n_best, age_ms) = max(others.items(), key=lambda other: (other[1][0], -other[1][1]))
    is_another_age = n_best >= n_now and age_now_ms > YEAR_MS and age_ms < age_now_ms / 100
    if n_best > n_now or (now in NUMERIC_FORMATS and is_another_age):
        there = f"{n_now:,} of {len(looked_at.records):,} records are good events"
        if n_now:
            there += f", {duration(age_now_ms / 1000)} away from their records' timestamps"
        yield problem(
            f"read as {now}, {there}; read as {best}, {n_best:,} are, {duration(age_ms / 1000)} away",
            f"set input.time_format to {best}",
            time_format=now,
            better=best,
            good=n_now,
            good_if_better=n_best,
        )


def _read(looked_at: LookedAt) -> tuple[int, float]:
    """How many records are good events, and how far these are from their records' timestamps in the middle."""
    rows = looked_at.with_outcome(Outcome.ADMITTED)
    if not len(rows):
        return 0, 0.0
    events = looked_at.events
    return len(rows), float(np.median(np.abs(events.event_time_ms[rows] - events.timestamps_ms[rows])))


def _missing(looked_at: LookedAt) -> Iterator[Finding]:
    """Fields that the records lack under the names that the settings give them."""
    objects = [members for members in looked_at.objects if members is not None]
    if not objects:
        return
    settings = looked_at.settings
    names: dict[str, str] = settings.fields.model_dump()
    has_default = {
        "event_type": settings.default_event_type is not None,
        "event_time": settings.missing_event_time == "record_timestamp",
    }
    seen = Counter(name for members in objects for name in members)
    unnamed = [name for name, _ in seen.most_common() if name not in names.values()]
    for field in REQUIRED:
        n_missing = sum(members.get(names[field]) is None for members in objects)
        if n_missing and not has_default.get(field, False):
            instead = f"; what the records have and no setting names: {listed(unnamed)}" if unnamed else ""
            yield (problem if 2 * n_missing > len(objects) else warning)(
                f"{names[field]!r} (input.fields.{field}) is missing in {share(n_missing, len(objects))} of the "
                f"records{instead}",
                f"set input.fields.{field} to the name that the records use, or have the producers send it",
                field=field,
                name=names[field],
                missing=n_missing,
                records=len(objects),
                unnamed=unnamed[:20],
            )


def _dead_letters(looked_at: LookedAt) -> Iterator[Finding]:
    """By reason, with an example; a problem where a worker would stop over so many."""
    outcome, limit = looked_at.events.outcome, looked_at.settings.dead_letters
    rows = np.flatnonzero((outcome > 0) & (outcome <= MAX_DEAD_LETTER))
    if not len(rows):
        return
    n = len(outcome) - len(looked_at.with_outcome(Outcome.TOMBSTONE))
    budget = DeadLetterBudget(limit)
    stops = budget.take(looked_at.events) < len(outcome) or len(rows) > limit.max_ratio * n
    reasons = Counter(Outcome(code).name.lower() for code in outcome[rows].tolist())
    told = ", ".join(f"{reason} {share(count, n)}" for reason, count in reasons.most_common())
    example = "; ".join(
        f"{looked_at.place(row)}: {looked_at.codec.explain(looked_at.records, row)}" for row in _examples(outcome, rows)
    )
    allowed = f"{limit.max_ratio:.0%}, or {limit.max_in_a_row} in a row"
    yield (problem if stops else warning)(
        f"{share(len(rows), n)} of the records would be dead letters ({told}); for example {example}",
        f"a worker {'would stop: it ' if stops else ''}takes {allowed} (input.dead_letters); compare the records with "
        "input.fields and input.time_format, or have them corrected where they are made",
        records=n,
        dead_letters=dict(reasons),
    )


def _examples(outcome: UInt8Array, rows: Int64Array) -> list[int]:
    """The last row of each reason, two at the most."""
    last = {int(outcome[row]): int(row) for row in rows}
    return list(last.values())[:2]


def _types(looked_at: LookedAt) -> Iterator[Finding]:
    ignored = looked_at.with_outcome(Outcome.IGNORED_TYPE)
    if not len(ignored):
        return
    name = looked_at.settings.fields.event_type
    found = Counter(str((looked_at.objects[row] or {}).get(name)) for row in ignored.tolist())
    n = len(looked_at.records)
    types = listed([f"{kind!r} {share(count, n)}" for kind, count in found.most_common()])
    nothing_else = not len(looked_at.with_outcome(Outcome.ADMITTED))
    yield (problem if nothing_else else warning)(
        f"types that input.event_types does not list, and whose events are skipped: {types}",
        f"list those that should count, with their weights; listed are {', '.join(looked_at.settings.event_types)}",
        types=dict(found.most_common(20)),
        records=n,
    )


def _admission(looked_at: LookedAt) -> Iterator[Finding]:
    """Late events and duplicates among the sampled ones, by the worker's own window and clocks."""
    counts = Admission(looked_at.settings).admit(looked_at.events).counts()
    n = len(looked_at.with_outcome(Outcome.ADMITTED))
    late = counts.get("late", 0) + counts.get("late_popularity_only", 0)
    duplicates = counts.get("duplicate", 0)
    if n and late > MANY_LATE * n:
        yield warning(
            f"{share(late, n)} of the good events are more than {duration(looked_at.settings.lateness_s)} behind the "
            "newest of their partition, and would be late",
            "raise input.lateness_s (and input.dedupe.window_s with it) if that is usual",
            late=late,
            events=n,
        )
    if n and duplicates > MANY_DUPLICATES * n:
        field = looked_at.settings.fields.event_id
        yield (problem if duplicates > MOST_DUPLICATES * n else warning)(
            f"{share(duplicates, n)} of the good events have an {field!r} that another one had just before, and would "
            "be skipped as duplicates",
            f"check that {field!r} (input.fields.event_id) names an event, not a session or a user, and whether the "
            "producer sends twice (enable.idempotence)",
            duplicates=duplicates,
            events=n,
        )


def _without_ids(looked_at: LookedAt) -> str:
    name = looked_at.settings.fields.event_id
    n = sum(members is not None and members.get(name) is None for members in looked_at.objects)
    if not n:
        return ""
    return f"; {share(n, len(looked_at.records))} have no {name!r}, so one that is sent twice would be learned twice"
