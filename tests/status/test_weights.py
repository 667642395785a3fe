"""The logit's weights under names."""

from __future__ import annotations

import numpy as np

from consumer.snapshots.description import describe
from consumer.status.weights import logit_weights
from tests.checkpoints.states import new_state
from tests.streams import WITH_ALL, WITH_NEURAL, small_settings


def test_it_starts_as_item_to_item_alone() -> None:
    weights = logit_weights(new_state(small_settings()).model)
    assert weights == {
        "item_to_item": {"log_score": 1.0, "root_score": 0.0, "reciprocal_rank": 0.0},
        "item": {"rising": 0.0, "count": 0.0, "second_hop": 0.0, "latest": 0.0},
    }


def test_with_further_members_it_is_the_one_that_hears_them_as_the_manifest_says_it() -> None:
    model = new_state(small_settings(models=WITH_ALL)).model
    model.wide_logit.weights[:] = np.arange(len(model.wide_logit.weights))
    said = describe(model, None, {}, {})["weights"]["fusion.wide_logit"]
    shown = logit_weights(model)
    assert {member: list(shown[member].values()) for member in said if member != "item"} == {
        member: weights for member, weights in said.items() if member != "item"
    }
    assert shown["item"] == said["item"]
    assert set(shown) == {"item_to_item", "session_knn", "linear", "item"}


def test_a_network_is_shown_as_the_manifest_says_it() -> None:
    model = new_state(small_settings(models=WITH_NEURAL)).model
    model.wide_logit.weights[:] = np.arange(len(model.wide_logit.weights))
    said = describe(model, None, {}, {})["weights"]["fusion.wide_logit"]
    shown = logit_weights(model)
    assert list(shown["neural"].values()) == said["neural"]
    assert set(shown) == {"item_to_item", "neural", "item"}
