"""What telemetry is told of a model beside its quality: how it weighs its parts, and how long its next steps are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from consumer.learning.drift import NEXT, SCORE
from consumer.learning.quality import WINDOW
from consumer.learning.trainer import Trainer
from consumer.models import learning_rate, linear_model, logit, neural_training, repeat
from consumer.models.logit import LogitArrays
from consumer.models.neural import LOSS, N_DROPPED, N_LEFT_OUT, N_OVER_BUDGET, N_STEPS, N_UNASKED
from consumer.models.popularity import MIXTURE_STEP
from consumer.models.state import ModelState
from consumer.ports import Telemetry
from consumer.settings import Settings

PROPOSER_FEATURES = ("log_score", "root_score", "inverse_rank")
"""Of each member that proposes items, in the order of `consumer.models.logit`."""
JUDGE_FEATURES = ("log_odds",)
ITEM = "item"
"""Stands where a feature is no member's but the item's own."""

STEP_OUTCOMES = ("taken", "dropped")
"""Of steps of `neural`: the others were dropped since something was not finite."""
LEFT_OUT = ("example_of_other_session", "example_over_budget", "query_over_budget")
"""What `neural` left out, to stay within its budget."""


def tell(telemetry: Telemetry, model: ModelState, trainer: Trainer) -> None:
    """A few numbers each, whatever the size of the catalogue."""
    telemetry.ensemble_weights(ensemble_weights(model))
    telemetry.popularity_weights(popularity_weights(model))
    telemetry.learning_rates(learning_rates(model, trainer))


def n_samples(trainer: Trainer) -> int:
    """Sampled events that the figures of quality are taken over."""
    return min(int(trainer.quality.n_samples[0]), WINDOW)


def ensemble_weights(model: ModelState) -> Mapping[tuple[str, str], float]:
    """By member and feature: the weights of the logit that orders the worker's own lists, of the members that are on.

    Where all members are ones that readers have, these are the weights in the manifest.
    """
    is_off = _is_off(model)
    named = zip(_features(), _own_logit(model).weights.tolist(), strict=True)
    return {(member, feature): weight for (member, feature), weight in named if not is_off.get(member, False)}


def _is_off(model: ModelState) -> Mapping[str, bool]:
    """Of the members that readers don't all have."""
    return {member: not is_on for member, is_on in model.settings.models.further.items()}


def _own_logit(model: ModelState) -> LogitArrays:
    return model.logit if all(_is_off(model).values()) else model.wide_logit


def _logit_step(model: ModelState) -> float:
    return logit.NETWORK_STEP if model.settings.models.neural.enabled else logit.STEP


def _features() -> list[tuple[str, str]]:
    return [
        *((member, feature) for member in logit.MEMBERS for feature in PROPOSER_FEATURES),
        *((judge, feature) for judge in logit.JUDGES for feature in JUDGE_FEATURES),
        *((ITEM, feature) for feature in logit.ITEM_FEATURES),
    ]


def popularity_weights(model: ModelState) -> Mapping[str, float]:
    """By half-life in seconds: its weight in the mixture that is the score; they add up to 1."""
    half_lives_s = model.settings.models.popularity.half_lives_s
    return dict(zip((f"{seconds:g}" for seconds in half_lives_s), model.popularity.mixture.tolist(), strict=True))


def learning_rates(model: ModelState, trainer: Trainer) -> Mapping[str, float]:
    """Of the next step, drift's factor included: `popularity` the mixture's, for an event of weight 1; `repeat` that of
    the running means which have seen most; `ensemble` the logit's and `linear`, if it is on, its own, both of which an
    adaptive optimiser makes smaller still."""
    factor = trainer.drift.factor
    rates = {
        "popularity": MIXTURE_STEP * float(factor[SCORE]),
        "repeat": repeat.step_after(int(model.repeat.n_events.max()), float(factor[NEXT])),
        "ensemble": logit.step_of(_own_logit(model), _logit_step(model), float(factor[NEXT])),
    }
    if model.settings.models.linear.enabled:
        learned, plan = model.linear.learned, linear_model.plan_of(model.settings.models.linear)
        scheduled = learning_rate.rate_at(plan.recipe.rate, int(learned.n_steps[0]))
        rates["linear"] = scheduled * float(learned.rate_factor[0])
    if model.settings.models.neural.enabled:
        n_steps = int(model.neural.counts[N_STEPS])
        rates["neural"] = neural_training.rate_of(model.settings.models.neural, n_steps, float(factor[NEXT]))
    return rates


class NeuralReport:
    """Tells what `neural` did since it was told last, or since this was made; zeros where that member is off."""

    def __init__(self, model: ModelState) -> None:
        self._model = model
        self._told = self._so_far()

    def tell(self, telemetry: Telemetry) -> None:
        so_far = self._so_far()
        steps, left_out = (now - before for now, before in zip(so_far, self._told, strict=True))
        self._told = so_far
        telemetry.neural_learned(steps, left_out, float(self._model.neural.figures[LOSS]))

    def _so_far(self) -> tuple[Counter[str], Counter[str]]:
        counts = self._model.neural.counts
        taken = int(counts[N_STEPS] - counts[N_DROPPED])
        steps = zip(STEP_OUTCOMES, (taken, int(counts[N_DROPPED])), strict=True)
        left_out = zip(LEFT_OUT, counts[[N_LEFT_OUT, N_OVER_BUDGET, N_UNASKED]].tolist(), strict=True)
        return Counter(dict(steps)), Counter(dict(left_out))


def row_limits(settings: Settings) -> Mapping[str, int]:
    """Most rows that the state may have, by kind, as `AllState.row_counts` names them."""
    return {
        "items": settings.catalogue.max_items,
        "users": settings.users.max_users,
        "event_ids": settings.input.dedupe.max_entries,
    }
