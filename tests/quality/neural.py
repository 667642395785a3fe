"""The neural member: what it adds to the tables, by the share of sessions it is trained on, and what it forgets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from consumer.evaluation.evaluate import Evaluated, EvaluationPlan
from consumer.evaluation.figures import Measured, figures_of
from consumer.evaluation.protocols import Protocol
from consumer.learning import quality
from consumer.models import logit
from consumer.models.logit import LogitArrays
from consumer.recordings.row_mapping import MappingPlan
from consumer.settings import Settings
from tests.quality.document import Section, percent, table
from tests.quality.linear_loss import mean_by_session
from tests.quality.recall import PUBLISHED
from tests.quality.recorded import DataSet, Diginetica
from tests.quality.switched import answers_of, hits, triple

ONE_IN = 8
"""Sessions asked about: a question to the encoder is a product with all vectors."""
SHARES = (1.0, 0.3, 0.1)
TO_REACH = (54.4, 41.5, 19.8)
TO_REACH_ALONE = (51.6, 39.1, 19.5)
MEASURES = ("recall_20", "recall_10", "mrr_20")
TITLES = {Protocol.PERIODS: "Same protocol as the published results", Protocol.PREQUENTIAL: "Prequential"}
ENSEMBLE, NEURAL = quality.MEMBERS.index("ensemble"), quality.MEMBERS.index("neural")

BEFORE, SHIFT, AFTER = range(5), range(5, 9), 9
"""Weeks of the stream with a break: of old items, the last of them asked about; of others; of old items again."""


def measure(stream: Diginetica, folder: Path) -> Section:
    data = stream.data_set(folder)
    section = Section("Neural member", [
        "Off by default. The ensemble with `models.neural` on, by the share of sessions that its encoder is trained "
        "on, against the tables alone, on DIGINETICA; the same questions, of one session in "
        f"{ONE_IN}, differences paired."
    ])  # fmt: skip
    for protocol in (Protocol.PERIODS, Protocol.PREQUENTIAL):
        _against_tables(section, data, protocol)
    _forgetting(section, stream, folder)
    return section


def _settings(neural: Mapping[str, Any]) -> Settings:
    return Settings.model_validate({"models": {"neural": dict(neural)}})


def _against_tables(section: Section, data: DataSet, protocol: Protocol) -> None:
    plan = EvaluationPlan(protocol, known_only=True, sessions_one_in=ONE_IN)
    tables = data.evaluated(plan)
    figures: dict[str, Any] = {"tables": _told(tables, ENSEMBLE)}
    rows = [["tables alone", *_percents(tables, ENSEMBLE), "", _us(tables)]]
    for share in SHARES:
        found = data.evaluated(plan, _settings({"enabled": True, "session_share": share}))
        gain = mean_by_session(hits(found) - hits(tables), answers_of(found).session)
        figures[f"share {share:g}"] = {
            "ensemble": _told(found, ENSEMBLE), "member": _told(found, NEURAL), "recall_20_gain": triple(gain),
            "learn_us": found.learn_us(), "query_us": found.query_us(),
        }  # fmt: skip
        difference = f"{100 * gain.value:+.2f} ({100 * gain.low:+.2f}–{100 * gain.high:+.2f})"
        rows.append([f"with it, {share:.0%} of sessions", *_percents(found, ENSEMBLE), difference, _us(found)])
        rows.append([f"its own list, {share:.0%}", *_percents(found, NEURAL), "", ""])
    alone = _alone(data, plan)
    figures["alone"] = {"ensemble": _told(alone, ENSEMBLE)}
    rows.append(["the network and `repeat` alone", *_percents(alone, ENSEMBLE), "", ""])
    if protocol is Protocol.PERIODS:
        rows.append(["to reach, alone", *(f"{value:g}" for value in TO_REACH_ALONE), "", ""])
        rows.append(["to reach, with it", *(f"{value:g}" for value in TO_REACH), "", ""])
        rows.append(["published: ADER", *(f"{value:g}" for value in PUBLISHED), "", ""])
    section.lines += ["", f"### {TITLES[protocol]}", "", f"{len(answers_of(tables)):,} questions; its own list: items "
                      "outside the history only, and repeats count as misses."]  # fmt: skip
    headings = ("ensemble", "R@20", "R@10", "MRR@20", "R@20, on − off", "µs a learned event")
    section.lines += table(headings, rows)
    section.figures[f"neural_{protocol}"] = figures


def _alone(data: DataSet, plan: EvaluationPlan) -> Evaluated:
    """With a logit that hears the network only, and stays so: the other members' items come behind all of its list."""

    def of_network() -> LogitArrays:
        weights = np.zeros(logit.N_FEATURES)
        weights[logit.EACH * logit.NEURAL] = 1.0
        unmoved = np.full(logit.N_FEATURES, 1e30)
        return beginning()._replace(weights=weights, squares=unmoved)

    beginning = logit.allocate
    with patch.object(logit, "allocate", of_network):
        return data.evaluated(plan, _settings({"enabled": True}))


def _forgetting(section: Section, stream: Diginetica, folder: Path) -> None:
    """Weeks of one half of the catalogue, weeks of the other half alone, and then the first half again."""
    data = _with_a_break(stream, folder)
    plan = EvaluationPlan(Protocol.PERIODS, known_only=True)
    rows, figures = [], {}
    for replay, per_step in ((0, 320), (4, 64)):  # steps of as many examples
        found = data.evaluated(plan, _settings({"enabled": True, "replay": replay, "examples_per_step": per_step}))
        recalls = [_recall(found, week) for week in (BEFORE[-1], AFTER)]
        figures[f"replay {replay}"] = {"before": recalls[0], "after": recalls[1]}
        kept = recalls[1] / recalls[0]
        rows.append([f"{replay} replayed for each new one", *(f"{100 * r:.2f}" for r in recalls), f"{kept:.0%}"])
    section.lines += [
        "", "### Forgetting", "",
        f"Weeks {BEFORE[0]} to {BEFORE[-1]} of one half of the catalogue, {SHIFT[0]} to {SHIFT[-1]} of the other half "
        f"alone, then one of the first half again. R@20 of the member's own list in the first half's weeks "
        f"{BEFORE[-1]} and {AFTER}, asked of what was learned before them.",
    ]  # fmt: skip
    section.lines += table(("examples of a step", "before the break", "after it", "kept"), rows)
    section.figures["neural_forgetting"] = figures


def _with_a_break(stream: Diginetica, folder: Path) -> DataSet:
    is_old = np.array([hash_of(item) % 2 == 0 for item in stream.item])
    chosen = np.isin(stream.period, [*BEFORE, AFTER]) & is_old | np.isin(stream.period, list(SHIFT)) & ~is_old
    path = folder / "diginetica-break.ndjson"
    start = 0
    with path.open("wb") as out:
        for block in stream.blocks(range(stream.rows_of(AFTER).stop)):
            for value, is_chosen in zip(block.values, chosen[start : start + len(block.values)], strict=True):
                if is_chosen and value:
                    out.write(value + b"\n")
            start += len(block.values)
    return DataSet("diginetica-break", path, MappingPlan())


def hash_of(item: str) -> int:
    """Of an id that is a number: by its digits alone, halves would be those of an order."""
    return (int(item) * 0x9E3779B1 >> 16) & 0xFFFF


def _recall(found: Evaluated, week: int) -> float:
    return float(hits(found, NEURAL)[answers_of(found).period == week].mean())


def _figures(found: Evaluated, member: int) -> list[Measured]:
    (figures,) = [
        f for f in figures_of(answers_of(found), averages_periods=True) if f.member == quality.MEMBERS[member]
    ]
    return [getattr(figures, measure) for measure in MEASURES]


def _percents(found: Evaluated, member: int) -> list[str]:
    return [percent(measured) for measured in _figures(found, member)]


def _told(found: Evaluated, member: int) -> dict[str, float]:
    return {measure: one.value for measure, one in zip(MEASURES, _figures(found, member), strict=True)}


def _us(found: Evaluated) -> str:
    return f"{found.learn_us() or 0.0:.2f}"
