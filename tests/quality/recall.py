"""Recall and MRR of every member on recorded data, as `freshrank evaluate` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consumer.evaluation.evaluate import Evaluated, EvaluationPlan
from consumer.evaluation.protocols import Protocol
from consumer.evaluation.report import ALL, NON_REPEAT, Report, as_json, report_of
from tests.quality.document import Section, percent, table
from tests.quality.recorded import DataSet

TO_REACH = {  # percent: R@20, R@10, MRR@20
    Protocol.PERIODS: (53.8, 41.1, 19.6),
    Protocol.PREQUENTIAL: (55.3, 42.2, 19.9),
}
PUBLISHED = (50.21, 37.52, 17.32)
"""ADER (RecSys 2020), the same protocol on the same data."""
EXPLAINED = {
    Protocol.PERIODS: "Same protocol as the published results: asked of what was learned in earlier weeks",
    Protocol.PREQUENTIAL: "Prequential: each event is asked about, then learned",
}
TITLES = {"rees46": "REES46", "taobao": "Taobao"}
HEADINGS = ("member", "R@20", "R@10", "MRR@20")


def diginetica(data: DataSet) -> Section:
    """Both protocols, against what is published and what was to be reached."""
    section = Section("DIGINETICA", [])
    for protocol in (Protocol.PERIODS, Protocol.PREQUENTIAL):
        plan = EvaluationPlan(protocol, known_only=True)
        found = data.evaluated(plan)
        report = report_of(found, plan)
        _add(section, data, plan, found, report)
        section.lines += _against(protocol, report)
    return section


def _against(protocol: Protocol, report: Report) -> list[str]:
    ensemble = report.figures[ALL][0]
    found = [100 * measured.value for measured in (ensemble.recall_20, ensemble.recall_10, ensemble.mrr_20)]
    rows = [["ensemble, measured", *(f"{value:.2f}" for value in found)]]
    rows.append(["to reach", *(f"{value:g}" for value in TO_REACH[protocol])])
    if protocol is Protocol.PERIODS:
        rows.append(["published: ADER", *(f"{value:g}" for value in PUBLISHED)])
    return table(("against", *HEADINGS[1:]), rows)


def shop(data: DataSet) -> Section:
    """A few hours of a shop, from its first event on."""
    section = Section(TITLES[data.name], [])
    plan = EvaluationPlan(Protocol.PREQUENTIAL)
    found = data.evaluated(plan)
    _add(section, data, plan, found, report_of(found, plan))
    return section


def _add(section: Section, data: DataSet, plan: EvaluationPlan, found: Evaluated, report: Report) -> None:
    told = as_json(data.name, plan, found, report)
    section.lines += _described(plan, report)
    for kind, title in ((ALL, "All targets."), (NON_REPEAT, "Targets other than the item just before.")):
        figures = report.figures[kind]
        questions = f"{figures[0].n_questions:,} questions"
        if report.n_periods:
            questions += f", the mean of {report.n_periods} periods"
        rows = [[f.member, percent(f.recall_20), percent(f.recall_10), percent(f.mrr_20)] for f in figures]
        section.lines += ["", f"{title} {questions}.", *table(HEADINGS, rows)]
    section.lines.append(
        f"{told['learn_us']:.2f} µs a learned event, {told['query_us']:.1f} µs a question, of one core; "
        f"{told['memory_bytes'] / 2**20:,.1f} MiB for {told['items']:,} items and {told['users']:,} users."
    )
    section.rows += _rows(told["rows"], ALL)
    section.figures[f"{data.name}_{plan.protocol}"] = {
        **{name: told[name] for name in ("outcomes", "items", "users", "memory_bytes", "periods", "sessions")},
        "non_repeat": _rows(told["rows"], NON_REPEAT),
    }


def _described(plan: EvaluationPlan, report: Report) -> list[str]:
    if plan.averages_periods:
        return ["", f"### {EXPLAINED[plan.protocol]}", ""]
    return [
        f"Prequential from the first event on: {report.n_sessions:,} sessions; targets that nobody has seen yet are "
        "misses.",
        "",
    ]


def _rows(rows: Sequence[dict[str, Any]], targets: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "targets"} for row in rows if row["targets"] == targets]
