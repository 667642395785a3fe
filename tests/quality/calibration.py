"""Quality of the score: is the share that it expects what follows, and does its mixture pay?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from consumer.messages import Float64Array
from consumer.models.popularity import SMOOTHING
from consumer.settings import Settings
from tests.quality.document import Section, table
from tests.quality.recorded import DataSet
from tests.quality.score_pass import Scored, ScorePass

MAX_REGRET = 0.02  # nats
EM_ROUNDS = 300
_SPANS_S = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


@dataclass(frozen=True, slots=True)
class Losses:
    """Mean log-loss of the next interaction, in nats, weighted by event type; all smoothed alike."""

    score: float
    single: list[float]  # by half-life
    best_fixed: float
    best_mixture: Float64Array  # (half-lives,)
    uniform: float


def losses_of(scored: Scored) -> Losses:
    smooth = (1.0 - SMOOTHING) * scored.shares + SMOOTHING / scored.n_live[:, None]
    best = best_mixture(smooth, scored.weight)
    return Losses(
        score=_loss((smooth * scored.mixture).sum(axis=1), scored.weight),
        single=[_loss(smooth[:, h], scored.weight) for h in range(smooth.shape[1])],
        best_fixed=_loss(smooth @ best, scored.weight),
        best_mixture=best,
        uniform=_loss(1.0 / scored.n_live, scored.weight),
    )


def _loss(probability: Float64Array, weight: Float64Array) -> float:
    return float(-(weight * np.log(probability)).sum() / weight.sum())


def best_mixture(smooth: Float64Array, weight: Float64Array, rounds: int = EM_ROUNDS) -> Float64Array:
    """The fixed weights of least loss, by expectation-maximisation."""
    mixture = np.full(smooth.shape[1], 1.0 / smooth.shape[1])
    for _ in range(rounds):
        responsible = smooth * mixture
        responsible /= responsible.sum(axis=1, keepdims=True)
        mixture = weight @ responsible / weight.sum()
    return mixture


def measure(data: Sequence[tuple[DataSet, tuple[int, ...]]]) -> Section:
    """`data`: each with the numbers of events over which its score is compared with what followed."""
    settings = Settings()
    half_lives = [_span(h) for h in settings.models.popularity.half_lives_s]
    loss_rows, figures, lines = [], {}, []
    for data_set, horizons in data:
        by_horizon = {n: ScorePass(settings, n, n).learn(data_set.batches(settings)) for n in horizons}
        scored = by_horizon[horizons[0]]
        losses = losses_of(scored)
        loss_rows.append(_loss_row(data_set.name, losses))
        figures[data_set.name] = {
            "log_loss": losses.score,
            "log_loss_single": dict(zip(half_lives, losses.single, strict=True)),
            "log_loss_best_fixed": losses.best_fixed,
            "best_fixed_mixture": losses.best_mixture.tolist(),
            "log_loss_uniform": losses.uniform,
            "events_on_known_items": len(scored.weight),
            "events_on_new_items": scored.n_new,
            "calibration": {
                str(n): {"expected_share": found.expected.tolist(), "followed_share": found.followed.tolist()}
                for n, found in by_horizon.items()
            },
        }
        for n, found in by_horizon.items():
            lines += _calibration(data_set.name, found, n)
    headings = ("data", "score", *half_lives, "uniform", "best fixed mixture", "score − best", "within 0.02")
    intro = (
        "Log-loss of the next interaction on an item seen before, in nats: the score against plain popularity at each "
        "half-life alone and against the fixed mixture that is best in hindsight, all with the same 0.1 % of smoothing."
    )
    return Section(
        "Quality of the score", [intro, *table(headings, loss_rows), *lines], figures={"score_quality": figures}
    )


def _loss_row(name: str, losses: Losses) -> list[str]:
    regret = losses.score - losses.best_fixed
    verdict = "yes" if regret <= MAX_REGRET else "no"
    shown = [losses.score, *losses.single, losses.uniform, losses.best_fixed]
    return [name, *(f"{value:.4f}" for value in shown), f"{regret:+.4f}", verdict]


def _calibration(name: str, scored: Scored, every: int) -> list[str]:
    rows = [
        [str(tenth + 1), f"{100 * expected:.2f}", f"{100 * followed:.2f}", f"{followed / expected:.2f}"]
        for tenth, (expected, followed) in enumerate(zip(scored.expected, scored.followed, strict=True))
        if expected > 0
    ]
    n_all = len(scored.weight) + scored.n_new
    intro = (
        f"{name}: what each tenth of the items (by score, least first) was expected to get of the next {every:,} "
        f"events and what it got, over {scored.n_snapshots} snapshots. Events on items newer than that are left out "
        f"({100 * scored.n_new / n_all:.1f} % of all events were an item's first)."
    )
    return ["", intro, *table(("tenth", "expected %", "followed %", "followed / expected"), rows)]


def _span(seconds: float) -> str:
    for length, unit in _SPANS_S:
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
