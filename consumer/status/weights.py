"""The logit by which the worker orders a list, as people read it."""

from __future__ import annotations

from typing import Final

from consumer.models.logit import (
    EACH,
    FIRST_JUDGE,
    ITEM_FEATURES,
    JUDGES,
    MEMBERS,
    RISING,
)
from consumer.models.recommend import N_READABLE
from consumer.models.state import ModelState

PROPOSER_FEATURES: Final = ("log_score", "root_score", "reciprocal_rank")
JUDGE_FEATURE: Final = "log_odds"
ITEM: Final = "item"


def logit_weights(model: ModelState) -> dict[str, dict[str, float]]:
    """By member that is on and its features, and of the item."""
    members_on = tuple(model.is_muted)
    arrays = model.logit if members_on == MEMBERS[:N_READABLE] else model.wide_logit
    weights = arrays.weights.tolist()
    by_member = {
        member: dict(zip(PROPOSER_FEATURES, weights[EACH * n : EACH * (n + 1)], strict=True))
        for n, member in enumerate(MEMBERS)
    }
    by_member |= {judge: {JUDGE_FEATURE: weights[FIRST_JUDGE + n]} for n, judge in enumerate(JUDGES)}
    shown = {member: by_member[member] for member in members_on}
    shown[ITEM] = dict(zip(ITEM_FEATURES, weights[RISING:], strict=True))
    return shown
