"""`linear`: what it foretells, how it is calibrated, and what the ensemble's recall gains or loses by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from consumer.evaluation.figures import Measured
from consumer.settings import Settings
from tests.quality import linear_loss, linear_pass, switched
from tests.quality.document import Section, table
from tests.quality.linear_pass import Held
from tests.quality.recorded import REES46, DataSet

OFTEN = 20
"""One event in so many a test, where the default would leave a short file with a few dozen."""

REES46_FEATURES = replace(
    REES46,
    mapping=replace(
        REES46.mapping, features=("category_code", "category_id", "brand", "price"), numbers=frozenset({"price"})
    ),
)


def settings_of(*, is_on: bool) -> Settings:
    return Settings.model_validate({"models": {"linear": {"enabled": is_on}}})


def measure(featured: Sequence[DataSet], others: Sequence[DataSet]) -> Section:
    """`featured`: with side features, whose log-loss is measured; recall on all."""
    section = Section("Linear", [_INTRODUCTION])
    figures: dict[str, Any] = {}
    rows, calibrations = [], []
    for data in featured:
        held = linear_pass.held(data.batches(settings_of(is_on=True)), settings_of(is_on=True))
        row, figures[data.name] = _losses(data.name, held)
        rows.append(row)
        calibrations += _calibration(data.name, held, figures[data.name])
    section.lines += table(_LOSS_HEADINGS, rows)
    section.lines += calibrations
    recalls = [
        switched.recall(data, "linear", figures, one_in)
        for data in (*featured, *others)
        for one_in in ((None, OFTEN) if data in featured else (None,))
    ]
    section.lines += ["", _RECALL, *table(switched.HEADINGS, recalls)]
    section.figures["linear"] = figures
    return section


_INTRODUCTION = (
    "Off by default. Prequential log-loss, in nats an event, of the item that followed against five drawn at random, "
    "both outside the history: `linear` against a logistic model with an intercept only and one that sees popularity "
    "only (every half-life, the item's count), on the same rows, with the same optimiser and correction. In brackets "
    "95 % intervals by bootstrap over sessions, of differences paired. *All candidates*: the same with each item drawn "
    "standing for those that were not."
)
_LOSS_HEADINGS = (
    "data", "events", "`linear`", "intercept only", "popularity only", "− intercept only", "− popularity only",
    "all candidates: − popularity only",
)  # fmt: skip
_RECALL = (
    "R@20 of the ensemble, percent, all targets, with `linear` on against off; the same questions, differences paired. "
    "The fusion learns on sampled events, one in 400 by default; a short file has few, hence some lines with one in "
    f"{OFTEN} (both on and off)."
)


def _losses(name: str, held: Held) -> tuple[list[str], dict[str, Any]]:
    rate = Settings().models.linear.learning_rate
    margins = {
        "linear": held.margins,
        "intercept_only": linear_loss.intercept_only(held, rate),
        "popularity_only": linear_loss.popularity_only(held, rate),
    }
    losses = {model: linear_loss.loss_of_sample(of_model) for model, of_model in margins.items()}
    of_all = {model: linear_loss.loss_of_all(of_model, held) for model, of_model in margins.items()}
    differences = [
        linear_loss.mean_by_session(losses["linear"] - losses["intercept_only"], held.session),
        linear_loss.mean_by_session(losses["linear"] - losses["popularity_only"], held.session),
        linear_loss.mean_by_session(of_all["linear"] - of_all["popularity_only"], held.session),
    ]
    row = [name, f"{len(held):,}", *(f"{loss.mean():.4f}" for loss in losses.values()), *map(_nats, differences)]
    return row, {
        "events": len(held),
        "log_loss": {model: float(loss.mean()) for model, loss in losses.items()},
        "log_loss_all_candidates": {model: float(loss.mean()) for model, loss in of_all.items()},
        "minus_intercept_only": switched.triple(differences[0]),
        "minus_popularity_only": switched.triple(differences[1]),
        "minus_popularity_only_all_candidates": switched.triple(differences[2]),
    }


def _calibration(name: str, held: Held, figures: dict[str, Any]) -> list[str]:
    first, found = (linear_loss.calibration_of(held.bins, half) for half in (0, 1))
    figures["calibration"] = {"expected": found.expected.tolist(), "followed": found.followed.tolist()}
    rows = [
        [str(tenth + 1), f"{100 * expected:.2f}", f"{100 * followed:.2f}", f"{followed / max(expected, 1e-12):.2f}"]
        for tenth, (expected, followed) in enumerate(zip(found.expected, found.followed, strict=True))
    ]
    totals = [float(half.followed.sum() / half.expected.sum()) for half in (first, found)]
    intro = (
        f"{name}: chances of all candidates before {found.n_events:,} events of the second half of the stream, in "
        "tenths from the least to the most likely candidates, and how often one of them was the next. In all "
        f"{totals[1]:.2f} times what was expected ({totals[0]:.2f} before {first.n_events:,} events of the first half)."
    )
    return ["", intro, *table(("tenth", "expected %", "followed %", "followed / expected"), rows)]


def _nats(measured: Measured) -> str:
    return f"{measured.value:+.4f} ({measured.low:+.4f}–{measured.high:+.4f})"
