"""Does the reaction to drift pay where something changes, and cost nothing where nothing does?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from consumer.evaluation.figures import Measured
from consumer.messages import Float64Array
from tests.quality import changes
from tests.quality.document import Section, table
from tests.quality.regret import Outcome, run

N_SEEDS = 20
LEAST_GAIN = 0.1
N_RESAMPLES = 2_000
PARTS = ("score", "repeat", "fusion")
CONCERNED: Mapping[str, Sequence[str]] = {
    "popularity becomes quick": ("score",),
    "popularity becomes slow": ("score",),
    "other items become popular": ("score",),
    "people begin to return": ("repeat", "fusion"),
    "people cease to return": ("repeat", "fusion"),
    "other items follow": PARTS,
}
"""What each change is about; the rest of the regret was there before it."""

Pair = tuple[Outcome, Outcome]
"""Of one seed: without the reaction, and with it."""


def pairs_of(name: str, seeds: Iterable[int]) -> list[Pair]:
    """The same streams both times."""
    streams = (list(changes.batches(name, seed)) for seed in seeds)
    return [(run(name, stream, reacts=False), run(name, stream, reacts=True)) for stream in streams]


def change_in_regret(pairs: Sequence[Pair], parts: Sequence[str] = PARTS) -> Measured:
    """What the reaction makes of the regret, as a share of what it is without; resampled by seed."""
    sums = np.array([[sum(getattr(outcome, part) for part in parts) for outcome in pair] for pair in pairs])
    drawn = _resampled(sums)
    return _measured(sums[:, 1].sum() / sums[:, 0].sum() - 1.0, drawn[:, 1] / drawn[:, 0] - 1.0)


def change_in(measure: str, pairs: Sequence[Pair]) -> Measured:
    """Mean difference that the reaction makes, resampled by seed."""
    differences = np.array([[getattr(reacting, measure) - getattr(without, measure)] for without, reacting in pairs])
    return _measured(float(differences.mean()), _resampled(differences)[:, 0])


def _resampled(rows: Float64Array) -> Float64Array:
    """(N_RESAMPLES, columns) means over as many rows, drawn with replacement."""
    rng = np.random.default_rng(5)
    means: Float64Array = rows[rng.integers(len(rows), size=(N_RESAMPLES, len(rows)))].mean(axis=1)
    return means


def _measured(value: float, resampled: Float64Array) -> Measured:
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Measured(float(value), float(low), float(high))


def measure() -> Section:
    changing = {name: pairs_of(name, range(N_SEEDS)) for name in changes.CHANGES}
    steady = {name: pairs_of(name, range(N_SEEDS)) for name in changes.STEADY}
    lines = [
        f"Made-up shops (`tests/quality/changes.py`), {changes.N_ITEMS:,} items and an event a second, {N_SEEDS} seeds "
        "each, by the default settings, without the reaction to drift and with it. In brackets 95 % intervals by "
        "bootstrap over seeds.",
        "",
        f"After {changes.N_BEFORE:,} events one thing changes. Regret over the {changes.N_AFTER:,} events that follow: "
        "log-loss just before each event, above that of a model that knew the change: the one with the parameters that "
        f"hindsight chooses for each {changes.BATCH:,} of them. In nats, of the score's mixture of half-lives, of the "
        "chances of `repeat` (returned to which item?) and of the fusion's chances by rank. What counts is the part "
        "that the change is about. The sum of all three stands beside it, but most of that is what the fusion loses at "
        "all times, since it learns from one event in 400.",
        *table(
            (
                "what changes",
                *(f"{part}: without → with" for part in PARTS),
                "regret of what it is about, %",
                "10 % less",
                "of all three, %",
                "MRR@20, change",
            ),
            [_change_row(name, pairs) for name, pairs in changing.items()],
        ),
        "Where nothing changes for good, over an eighth of the stream: what the reaction makes of log-loss (all three, "
        "nats an event), of regret and of the mean reciprocal rank of `recommend` (percent). Days and nights are "
        "changes too; what their alarms gain comes mostly from the fusion's additional samples.",
        *table(
            ("stream", "log-loss", "change", "regret of all three, %", "MRR@20", "change", "alarms a stream"),
            [_steady_row(name, pairs) for name, pairs in steady.items()],
        ),
    ]
    figures = {
        name: [{"without": asdict(without), "with": asdict(reacting)} for without, reacting in pairs]
        for name, pairs in {**changing, **steady}.items()
    }
    return Section("Drift", lines, figures={"drift": figures})


def _change_row(name: str, pairs: Sequence[Pair]) -> list[str]:
    means = [
        [float(np.mean([getattr(outcome, part) for outcome in run_])) for run_ in zip(*pairs, strict=True)]
        for part in PARTS
    ]
    concerned = change_in_regret(pairs, CONCERNED[name])
    return [
        name,
        *(f"{without:,.0f} → {reacting:,.0f}" for without, reacting in means),
        _signed(concerned, 100.0, 1),
        "yes" if concerned.value <= -LEAST_GAIN else "no",
        _signed(change_in_regret(pairs), 100.0, 1),
        _signed(change_in("mrr", pairs), 100.0, 2),
    ]


def _steady_row(name: str, pairs: Sequence[Pair]) -> list[str]:
    return [
        name,
        f"{np.mean([without.log_loss for without, _ in pairs]):.4f}",
        _signed(change_in("log_loss", pairs), 1.0, 5),
        _signed(change_in_regret(pairs), 100.0, 1),
        f"{100 * np.mean([without.mrr for without, _ in pairs]):.2f}",
        _signed(change_in("mrr", pairs), 100.0, 3),
        f"{np.mean([reacting.n_alarms for _, reacting in pairs]):.1f}",
    ]


def _signed(measured: Measured, unit: float, digits: int) -> str:
    values = (unit * value for value in (measured.value, measured.low, measured.high))
    value, low, high = (f"{value:+.{digits}f}" for value in values)
    return f"{value} ({low} … {high})"
