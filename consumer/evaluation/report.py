"""What an evaluation comes to: one line a member and kind of targets, and one JSON object with everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consumer.errors import BadRequest
from consumer.evaluation.answers import Answers
from consumer.evaluation.evaluate import Evaluated, EvaluationPlan
from consumer.evaluation.figures import MEASURES, Figures, figures_of
from consumer.learning import quality

ALL = "all"
NON_REPEAT = "non_repeat"
"""Targets other than the item just before them."""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures by kind of targets, ALL and NON_REPEAT; a kind without a question has none."""

    figures: Mapping[str, list[Figures]]
    n_periods: int
    n_sessions: int

    @property
    def is_empty(self) -> bool:
        return not self.figures[ALL]


def report_of(found: Evaluated, plan: EvaluationPlan, member: str | None = None) -> Report:
    """Of every member, or of one. Raises BadRequest where there is no such member."""
    if member is not None and member not in quality.MEMBERS:
        raise BadRequest(f"no member {member!r}; there are {', '.join(quality.MEMBERS)}")
    answers = found.answers
    if answers is None or len(answers) == 0:
        return Report({ALL: [], NON_REPEAT: []}, 0, 0)
    figures = {ALL: _figures(answers, plan, member)}
    figures[NON_REPEAT] = _figures(answers.where(answers.is_repeat == 0), plan, member)
    n_periods = len(set(answers.period.tolist())) if plan.averages_periods else 0
    return Report(figures, n_periods, len(set(answers.session.tolist())))


def _figures(answers: Answers, plan: EvaluationPlan, member: str | None) -> list[Figures]:
    found = figures_of(answers, averages_periods=plan.averages_periods)
    return [figures for figures in found if member in (None, figures.member)]


def as_json(name: str, plan: EvaluationPlan, found: Evaluated, report: Report) -> dict[str, Any]:
    """Everything, for programs. Shares from 0 to 1; `rows` holds a line for each member and kind of targets."""
    learn_us, query_us = found.learn_us(), found.query_us()
    return {
        "data": name,
        "protocol": plan.protocol.value,
        "known_only": plan.averages_periods,
        "event_types": list(plan.event_types),
        "periods": report.n_periods,
        "sessions": report.n_sessions,
        "outcomes": dict(found.outcomes),
        "rows_refused": found.n_refused,
        "items": found.n_items,
        "users": found.n_users,
        "memory_bytes": found.n_bytes,
        "learn_us": learn_us,
        "query_us": query_us,
        "rows": [
            {
                "data": name,
                "protocol": plan.protocol.value,
                "targets": targets,
                "member": figures.member,
                "questions": figures.n_questions,
                **{measure: getattr(figures, measure).value for measure in MEASURES},
                "intervals": {measure: asdict(getattr(figures, measure)) for measure in MEASURES},
                "learn_us": learn_us,
                "query_us": query_us,
            }
            for targets, all_figures in report.figures.items()
            for figures in all_figures
        ],
    }
