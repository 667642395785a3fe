"""How much a version moves: of what is published, known and new."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.messages import Float64Array, Int64Array
from consumer.movement import moved_share
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import Upserts, Version

NOBODY = Upserts()


def version(rows: list[int], values: list[float]) -> Version:
    chosen: Int64Array = np.array(rows, np.int64)
    scores: Float64Array = np.array(values, np.float64)
    return Version(1, Upserts(chosen, np.ones(len(rows), np.uint64)), scores, NOBODY, (), (), {}, np.zeros(0))


def published(scores: dict[int, float]) -> PublishedRows:
    rows = PublishedRows()
    at: Int64Array = np.array(list(scores), np.int64)
    rows.replace_scores(at, np.array(list(scores.values())), np.ones(len(at), np.uint64))
    return rows


def test_what_one_item_gains_from_another_is_counted_once() -> None:
    assert moved_share(version([0, 1], [0.2, 0.8]), published({0: 0.7, 1: 0.3})) == pytest.approx(0.5)


def test_a_new_item_gains_all_it_gets() -> None:
    assert moved_share(version([0, 5], [0.9, 0.1]), published({0: 1.0})) == pytest.approx(0.1)


def test_a_row_whose_published_score_is_not_known_moves_nothing() -> None:
    assert moved_share(version([0], [0.4]), published({0: np.nan})) == 0.0


def test_an_empty_version_moves_nothing() -> None:
    assert moved_share(version([], []), published({0: 1.0})) == 0.0
