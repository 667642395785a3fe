"""A member that is off by default: what the ensemble's recall gains or loses where it is on, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from consumer.evaluation.answers import Answers
from consumer.evaluation.evaluate import Evaluated, EvaluationPlan
from consumer.evaluation.figures import Measured
from consumer.learning.quality import CUTOFF
from consumer.messages import Float64Array
from consumer.settings import Settings
from tests.quality.document import Section, table
from tests.quality.linear_loss import mean_by_session
from tests.quality.recorded import DataSet

HEADINGS = (
    "data",
    "a test: one in",
    "questions",
    "off",
    "on",
    "on − off",
    "learning, on / off",
    "µs a question, off → on",
)


def session_knn(data_sets: Sequence[DataSet]) -> Section:
    section = Section(
        "Session kNN",
        [
            "Off by default. R@20 of the ensemble, percent, all targets, with `session_knn` on against off; the same "
            "questions, differences paired, in brackets 95 % intervals by bootstrap over sessions."
        ],
    )
    figures: dict[str, Any] = {}
    section.lines += table(HEADINGS, [recall(data, "session_knn", figures) for data in data_sets])
    section.figures["session_knn"] = figures
    return section


def recall(data: DataSet, member: str, figures: dict[str, Any], sample_one_in: int | None = None) -> list[str]:
    """A row of the table; the same as numbers into `figures`."""
    off, on = (
        data.evaluated(EvaluationPlan(), _settings(member, is_on=is_on, sample_one_in=sample_one_in))
        for is_on in (False, True)
    )
    hits_off, hits_on = hits(off), hits(on)
    answers = answers_of(on)
    difference = mean_by_session(hits_on - hits_off, answers.session)
    ratio = (on.learn_us() or 0.0) / (off.learn_us() or 1.0)
    one_in = sample_one_in or Settings().evaluation.sample_one_in
    figures[f"{data.name}, recall, a test one in {one_in}"] = {
        "questions": len(answers), "off": float(hits_off.mean()), "on": float(hits_on.mean()),
        "difference": triple(difference), "learn_ratio": ratio, "query_us": [off.query_us(), on.query_us()],
    }  # fmt: skip
    return [
        data.name, str(one_in), f"{len(answers):,}", f"{100 * hits_off.mean():.2f}", f"{100 * hits_on.mean():.2f}",
        f"{100 * difference.value:+.2f} ({100 * difference.low:+.2f}–{100 * difference.high:+.2f})", f"{ratio:.2f}",
        f"{off.query_us() or 0.0:.1f} → {on.query_us() or 0.0:.1f}",
    ]  # fmt: skip


def triple(measured: Measured) -> dict[str, float]:
    return {"value": measured.value, "low": measured.low, "high": measured.high}


def _settings(member: str, *, is_on: bool, sample_one_in: int | None) -> Settings:
    sections: dict[str, Any] = {"models": {member: {"enabled": is_on}}}
    if sample_one_in is not None:
        sections["evaluation"] = {"sample_one_in": sample_one_in}
    return Settings.model_validate(sections)


def answers_of(found: Evaluated) -> Answers:
    assert found.answers is not None, "a file without a question"
    return found.answers


def hits(found: Evaluated, member: int = 0) -> Float64Array:
    """(questions,) 1 where the item that followed was in the list of a member (`quality.MEMBERS`), by default all of
    them together."""
    ranks = answers_of(found).ranks[:, member]
    return ((ranks > 0) & (ranks <= CUTOFF)).astype(np.float64)
