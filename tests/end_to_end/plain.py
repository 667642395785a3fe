"""A stream that is simple enough to be recounted at once: was every event counted, and each of them once?"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest

from consumer.settings import Settings
from tests.end_to_end.conftest import published_by
from tests.end_to_end.events import START_S, encoded, event
from tests.end_to_end.recount import Interaction, net_counts, out_of_tolerance, recounted_scores
from tests.end_to_end.replica import rebuilt

SPACING_S = 0.1


def plain_stream(n: int) -> list[bytes]:
    """In order, all of one weight, one id each."""
    items = np.minimum(np.random.default_rng(7).pareto(1.0, n) * 30, 999).astype(int).tolist()
    return [
        encoded(event(f"item-{item}", user=f"user-{i % 701}", at_s=i * SPACING_S, event_id=f"e-{i}"))
        for i, item in enumerate(items)
    ]


def assert_counted_once(settings: Settings, events: Sequence[bytes]) -> None:
    """The latest version is what the events recount to, and their weight altogether is what it says."""
    replica = rebuilt(published_by(settings))
    assert replica.manifest is not None
    counted = [
        Interaction(members["user_id"], members["item_id"], 1.0, START_S + i * SPACING_S)
        for i, members in enumerate(map(json.loads, events))
    ]
    expected = recounted_scores(counted, replica.manifest)
    assert out_of_tolerance(replica.scores(), expected, settings.publish.tolerance) == {}
    net = net_counts(counted, replica.manifest)
    totals = [math.fsum(by_half_life) for by_half_life in zip(*net.values(), strict=True)]
    assert replica.manifest["model"]["totals"]["popularity"] == pytest.approx(totals, rel=1e-9)
