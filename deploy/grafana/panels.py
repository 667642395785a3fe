"""The words that dashboards are written in.

In a query `@` stands for the job and the instances that are chosen at the top of the dashboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CHOSEN = 'job="$job", instance=~"$instance"'
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"

Kind = Literal["timeseries", "stat", "state-timeline"]


@dataclass(frozen=True, slots=True)
class Query:
    expr: str
    legend: str = ""
    """With labels in double braces."""

    @property
    def promql(self) -> str:
        return self.expr.replace("@", CHOSEN)


@dataclass(frozen=True, slots=True)
class Step:
    """From this value on, this colour."""

    value: float
    color: str


def at_most(*, warn: float, bad: float) -> tuple[Step, ...]:
    """Good below `warn`."""
    return Step(warn, YELLOW), Step(bad, RED)


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    about: str
    """What it says and what to look for, for somebody who sees it the first time."""
    queries: Sequence[Query]
    unit: str = "short"
    """As Grafana names it: s, bytes, percentunit, reqps, short …"""
    kind: Kind = "timeseries"
    width: int = 8
    """Of 24."""
    steps: Sequence[Step] = ()
    base: str = GREEN
    """Colour below the first step."""
    is_stacked: bool = False
    is_logarithmic: bool = False
    values: Sequence[tuple[float, str, str]] = ()
    """Words for values: (value, word, colour)."""


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top: the values of a label. `is_many`: several may be chosen, and all are at first."""

    name: str
    label: str
    query: str
    is_many: bool = True


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark in every panel where the query is above 0, or, with `value_is_time`, at the milliseconds that it gives."""

    name: str
    query: Query
    color: str
    value_is_time: bool = False


@dataclass(frozen=True, slots=True)
class Dashboard:
    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable]
    annotations: Sequence[Annotation]
    since: str = "now-3h"


JOB = Variable("job", "Job", "label_values(freshrank_ready, job)", is_many=False)
INSTANCE = Variable("instance", "Instance", 'label_values(freshrank_ready{job="$job"}, instance)')

STARTED = Annotation("started", Query("process_start_time_seconds{@} * 1000", "{{instance}}"), BLUE, value_is_time=True)
TAKEN_OVER = Annotation("lease given or taken", Query("changes(freshrank_ready{@}[2m]) > 0", "{{instance}}"), "purple")
# A worker that is started for a rollback counts it before it is scraped the first time, so that nothing increases.
ROLLED_BACK = Annotation(
    "rolled back",
    Query(
        "increase(freshrank_rollbacks_total{@}[2m]) > 0"
        " or (freshrank_rollbacks_total{@} unless freshrank_rollbacks_total{@} offset 2m) > 0",
        "{{instance}}: {{reason}}",
    ),
    "orange",
)
HELD = Annotation("held", Query("freshrank_publish_held{@} == 1", "{{instance}}: {{reason}}"), RED)
DRIFTED = Annotation("drift", Query("increase(freshrank_drift_alarms_total{@}[2m]) > 0", "{{loss}}"), YELLOW)
