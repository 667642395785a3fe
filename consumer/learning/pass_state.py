"""What the learning pass reads, changes and obeys: a batch's columns, the state's arrays, limits and working memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from consumer.learning import quality
from consumer.learning.adwin import AdwinArrays
from consumer.learning.cases import CaseArrays
from consumer.learning.daily_cap import CapArrays
from consumer.learning.drift import DriftArrays, DriftPolicy
from consumer.learning.quality import QualityArrays
from consumer.messages import FeatureEntries, Float64Array, Int16Array, Int32Array, Int64Array, UInt8Array, UInt64Array
from consumer.models import logit
from consumer.models.ensemble import Ensemble
from consumer.models.histories import HistoryArrays
from consumer.models.item_to_item import WINDOW
from consumer.models.logit import Pool
from consumer.models.popularity import PopularityArrays
from consumer.models.recency_index import IndexArrays
from consumer.models.recommend import Lists, allocate_lists
from consumer.models.state import ItemText

# Why the pass stopped.
DONE = 0
NEEDS_ITEMS = 1
NEEDS_USERS = 2
NEEDS_TEXT = 3
NEEDS_SWEEP = 4
NEEDS_STEP = 5

N_EXPECTED = 8  # more than `look_ahead.LOOK_AHEAD`


class Columns(NamedTuple):
    """What the pass reads of a batch."""

    outcome: UInt8Array
    watermark_ms: Int64Array
    partitions: Int32Array
    offsets: Int64Array
    text: UInt8Array
    item_start: Int64Array
    item_length: Int32Array
    item_key: UInt64Array
    user_key: UInt64Array
    session_key: UInt64Array
    time_ms: Int64Array
    weight: Float64Array
    enters_history: UInt8Array
    event_type: Int16Array
    feature_start: Int64Array
    n_features: Int32Array
    features: FeatureEntries


class Work(NamedTuple):
    """Working memory of the pass, for one event at a time."""

    history: Int32Array  # (longest history,) item rows, latest first
    before: Int32Array  # (WINDOW,) those of the session
    expected: Int32Array  # (N_EXPECTED, WINDOW) those that the events to come will have, by event modulo N_EXPECTED
    n_expected: Int32Array  # (N_EXPECTED,)
    lists: Lists
    pool: Pool


def allocate_work(history: int) -> Work:
    return Work(
        history=np.zeros(history, np.int32),
        before=np.zeros(WINDOW, np.int32),
        expected=np.zeros((N_EXPECTED, WINDOW), np.int32),
        n_expected=np.zeros(N_EXPECTED, np.int32),
        lists=allocate_lists(history, quality.CUTOFF),
        pool=logit.allocate_pool(),
    )


class State(NamedTuple):
    """The arrays of `ModelState`, of the quality window, the sampled cases, the daily cap and drift."""

    items: IndexArrays
    text: ItemText
    users: IndexArrays
    histories: HistoryArrays
    popularity: PopularityArrays
    ensemble: Ensemble
    quality: QualityArrays
    work: Work
    cases: CaseArrays
    cap: CapArrays
    drift: DriftArrays
    detectors: AdwinArrays


class Limits(NamedTuple):
    max_items: int
    item_ttl_ms: int
    max_users: int
    user_ttl_ms: int
    session_gap_ms: int
    sample_one_in: int
    sample_one_in_raised: int
    most_a_day: float
    topic_hash: np.uint64
    drift: DriftPolicy


Pass = Callable[[State, Limits, Columns, int, int], tuple[int, int]]
"""Takes the records start … stop - 1; returns the next one to be taken, and DONE or why it has to wait."""
