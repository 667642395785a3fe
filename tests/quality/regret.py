"""What learning with the present steps costs against the parameters that hindsight would have chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.learning.trainer import Trainer
from consumer.messages import Float64Array, Int64Array
from consumer.models.fusion import BUCKET_WIDTHS, N_BUCKETS
from consumer.models.repeat import N_BACK, N_CONTEXTS, N_HABITS, N_LENGTHS
from consumer.models.state import ModelState
from consumer.settings import Settings
from tests.quality import changes, drift_pass
from tests.quality.calibration import best_mixture
from tests.quality.drift_pass import UNASKED, Noted

EM_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one run, over the events looked at; nats."""

    score: float
    """Regret of the mixture of half-lives: Σ log-loss above that of the mixture that is best in hindsight."""
    repeat: float
    """The same of the tables of `repeat`: was it an item of the history, and which?"""
    fusion: float
    """The same of the tables of the fusion: at what rank did an item outside the history stand, if at all?"""
    log_loss: float
    """Of all three, an event."""
    mrr: float
    """Of the list that is recommended."""
    n_alarms: int
    """Over the whole stream."""

    @property
    def regret(self) -> float:
        return self.score + self.repeat + self.fusion


def run(name: str, stream: Iterable[AdmittedBatch], *, reacts: bool) -> Outcome:
    """Learn the whole stream of this name by the default settings. Of one that changes, what comes after the change is
    looked at; of one that doesn't, an eighth of everything but its beginning."""
    settings = Settings.model_validate({"drift": {"enabled": reacts}})
    model = ModelState(settings)
    trainer = Trainer(settings, model)
    noted: list[Noted] = []
    for number, batch in enumerate(stream):
        if not is_looked_at(name, number):
            trainer.learn(batch)
            continue
        noted.append(drift_pass.allocate(len(batch.outcome), len(settings.models.popularity.half_lives_s)))
        trainer.run(drift_pass.noting(noted[-1]), batch, 0, len(batch.outcome))
    pieces = [outcome_of(piece) for piece in noted]
    sums = {f.name: sum(getattr(piece, f.name) for piece in pieces) for f in fields(Outcome)}
    means = {measure: sums[measure] / len(pieces) for measure in ("log_loss", "mrr")}
    return Outcome(**{**sums, **means, "n_alarms": sum(trainer.n_alarms.values())})


def is_looked_at(name: str, number: int) -> bool:
    """Whether this batch of the stream is."""
    if name in changes.STEADY:
        return number > 0 and number % 8 == 0
    return number * changes.BATCH >= changes.N_BEFORE


def outcome_of(noted: Noted) -> Outcome:
    """Of a piece of the stream (no alarms are known of it)."""
    known, asked = noted.score > 0.0, noted.context != UNASKED
    is_new = asked & (noted.back == 0)
    context = noted.context[asked]
    likelihoods = noted.likelihoods[known]
    score = _loss(noted.score[known])
    returns = _loss(noted.return_chance[asked])
    ranks = _loss(noted.list_chance[is_new])
    place = noted.merged[asked]
    reciprocal = np.divide(1.0, place, out=np.zeros(len(place)), where=place > 0)
    best_score = _loss(likelihoods @ best_mixture(likelihoods, np.ones(len(likelihoods)), EM_ROUNDS))
    return Outcome(
        score=score - best_score,
        repeat=returns - _best_returns(context, noted.back[asked], noted.places[asked]),
        fusion=ranks - _best_ranks(noted.context[is_new] // N_HABITS, noted.bucket[is_new]),
        log_loss=score / max(known.sum(), 1) + (returns + ranks) / max(asked.sum(), 1),
        mrr=float(reciprocal.mean()),
        n_alarms=0,
    )


def _loss(chances: Float64Array) -> float:
    return float(-np.log(chances).sum())


def _best_returns(context: Int64Array, back: Int64Array, places: Int64Array) -> float:
    """Log-loss of the best fixed chance for each context and place, where an item stands there."""
    is_there = (places[:, None] >> np.arange(N_BACK)) & 1
    loss = 0.0
    for c in range(N_CONTEXTS):
        mine = context == c
        came = np.bincount(back[mine], minlength=N_BACK + 1)[1:]
        chance = came / np.maximum(is_there[mine].sum(axis=0), 1)
        outside = np.maximum(1.0 - is_there[mine] @ chance, drift_pass.LEAST)
        loss += _loss(np.where(back[mine] > 0, chance[back[mine] - 1], outside))
    return loss


def _best_ranks(length: Int64Array, bucket: Int64Array) -> float:
    """Log-loss of the best fixed chance for each history length and bucket of ranks, spread evenly over a bucket."""
    loss = 0.0
    for n in range(N_LENGTHS):
        mine = bucket[length == n]
        chance = np.bincount(mine + 1, minlength=N_BUCKETS + 1) / max(len(mine), 1)
        chance[1:] /= BUCKET_WIDTHS
        loss += _loss(chance[mine + 1])
    return loss
