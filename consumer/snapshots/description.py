"""The manifest's `model`: what a reader needs beside the rows to recount a score or to recommend, in any language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from consumer.messages import Float64Array
from consumer.models import fusion, item_to_item, logit, neural, popularity, repeat, session_knn_ranking
from consumer.models.item_to_item import COUNT_TOTAL, LANDMARK_MS, ItemToItemArrays
from consumer.models.logit import LogitArrays
from consumer.models.recommend import N_READABLE
from consumer.models.state import ModelState
from consumer.snapshots.formats import timestamp


def describe(
    model: ModelState, as_of_ms: int | None, hit_ratio: Mapping[str, float], mrr: Mapping[str, float]
) -> dict[str, Any]:
    """Totals are in units of one event at `as_of` (the watermark)."""
    as_of = float(as_of_ms or 0)
    return {
        "members": ["popularity", "item_to_item", "repeat", *_further_members(model)],
        "constants": _constants(model),
        "weights": {"popularity.mixture": model.popularity.mixture.tolist(), **_logit_weights(model)},
        "tables": _tables(model),
        "totals": {
            "as_of": timestamp(as_of / 1000),
            "items": model.n_items,
            "popularity": _popularity_totals(model, as_of),
            "item_to_item": _count_total(model.item_to_item, as_of),
        },
        "quality": {"cutoff": 20, "hit_ratio": dict(hit_ratio), "mrr": dict(mrr)},
    }


def _further_members(model: ModelState) -> list[str]:
    return [name for name, is_on in model.settings.models.further.items() if is_on]


def _logit_weights(model: ModelState) -> dict[str, Any]:
    """By member, in the order of its features, and of the item by name. The wide one, of all members that are on, is
    there where readers don't have one of them."""
    weights = {"fusion.logit": _by_feature(model.logit, logit.MEMBERS[:N_READABLE])}
    if further := _further_members(model):
        weights["fusion.wide_logit"] = _by_feature(model.wide_logit, (*logit.MEMBERS[:N_READABLE], *further))
    return weights


def _by_feature(arrays: LogitArrays, members: Sequence[str]) -> dict[str, Any]:
    of_proposers, of_judges, of_items = np.split(arrays.weights, [logit.FIRST_JUDGE, logit.RISING])
    by_member = dict(zip(logit.MEMBERS, of_proposers.reshape(logit.N_PROPOSERS, -1).tolist(), strict=True))
    by_member |= dict(zip(logit.JUDGES, of_judges.reshape(len(logit.JUDGES), -1).tolist(), strict=True))
    of_item = dict(zip(logit.ITEM_FEATURES, of_items.tolist(), strict=True))
    return {**{name: by_member[name] for name in members}, "item": of_item}


def _constants(model: ModelState) -> dict[str, Any]:
    settings = model.settings.models
    constants = compiled_constants()
    constants["popularity"]["half_lives_s"] = list(settings.popularity.half_lives_s)
    constants["item_to_item"]["time_constant_s"] = settings.item_to_item.time_constant_s
    if settings.session_knn.enabled:
        constants["session_knn"] = {
            "time_constant_s": settings.session_knn.time_constant_s,
            "neighbours": session_knn_ranking.N_NEIGHBOURS,
            "recent": settings.session_knn.recent,
        }
    if settings.linear.enabled:
        constants["fusion"]["judged_limit"] = logit.JUDGED_LIMIT
    if settings.neural.enabled:
        constants["neural"] = {"sharpness": neural.SHARPNESS, "places": neural.LENGTH}
    return constants


def compiled_constants() -> dict[str, dict[str, Any]]:
    """Those that no setting changes, by member; a reader with others would rank differently."""
    return {
        "popularity": {"mixture_step": popularity.MIXTURE_STEP, "smoothing": popularity.SMOOTHING},
        "item_to_item": {
            "step_decay": item_to_item.STEP_DECAY,
            "max_history": item_to_item.MAX_HISTORY,
            "idf_power": 0.5,
            "count_prior": item_to_item.COUNT_PRIOR,
            "history_count_power": 0.75,
            "hops": item_to_item.N_HOPS,
            "hop_weight": item_to_item.HOP_WEIGHT,
            "candidate_count_power": 0.3,
            "list_length": item_to_item.N_RANKED,
        },
        "repeat": {"lengths": repeat.N_LENGTHS, "habits": repeat.N_HABITS, "places_back": repeat.N_BACK},
        "fusion": {
            "bucket_ends": fusion.BUCKET_ENDS.tolist(),
            "least_outside": fusion.LEAST_OUTSIDE,
            "logit_floor": logit.FLOOR,
            "logit_offset": logit.OFFSET,
        },
    }


def _tables(model: ModelState) -> dict[str, Any]:
    """The fusion's row [n] is for histories of n + 1 places, the last for longer ones too, and `repeat` has a row for
    each habit of such a length. A list's chances are non-increasing."""
    return {
        "repeat.chance": model.repeat.chance.tolist(),
        "fusion.chance": np.minimum.accumulate(model.fusion.chance, axis=1).tolist(),
    }


def _popularity_totals(model: ModelState, as_of_ms: float) -> list[float]:
    arrays = model.popularity
    if np.isnan(arrays.landmark_ms).any():
        return [0.0] * len(arrays.total)
    totals: Float64Array = arrays.total * np.exp((arrays.landmark_ms - as_of_ms) / arrays.time_constant_ms)
    return [float(total) for total in totals]


def _count_total(arrays: ItemToItemArrays, as_of_ms: float) -> float:
    if np.isnan(arrays.totals[LANDMARK_MS]):
        return 0.0
    return float(arrays.totals[COUNT_TOTAL] / item_to_item.gain(arrays, as_of_ms))
