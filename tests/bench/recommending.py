"""What a recommendation from a history of ten items takes: the compiled ensemble, and readers in Python."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np

from consumer.checkpoints.contents import digest_of
from consumer.checkpoints.loading import AllState
from consumer.learning import quality
from consumer.messages import Float64Array, Int32Array, Int64Array, UInt8Array
from consumer.models import ensemble, histories, logit
from consumer.models.ensemble import Ensemble
from consumer.models.logit import Pool
from consumer.models.popularity import PopularityArrays
from consumer.models.recommend import Lists, allocate_lists
from consumer.settings import Settings
from consumer.snapshots.description import describe
from consumer.snapshots.publisher import Moment, Publisher
from consumer.snapshots.reader import SnapshotReader
from tests.bench.figures import Figure
from tests.fakes.kafka import FakeOutput
from tests.snapshots.worlds import new_cluster, read_all

N_PLACES = 10
N_ASKED = 10_000
MEDIAN_US = 100.0
P99_US = 1_000.0

_clock_gettime = ctypes.CDLL(None).clock_gettime
_clock_gettime.argtypes = (ctypes.c_int, ctypes.c_void_p)
_clock_gettime.restype = ctypes.c_int
THREAD_CPU = time.CLOCK_THREAD_CPUTIME_ID

_njit: Any = numba.njit  # its type knows no `_nrt`


def figure(found: Mapping[str, float], n_items: int) -> Figure:
    median_us, p99_us = found["median_us"], found["p99_us"]
    return Figure(
        name="recommend_us",
        meaning=f"a recommendation from a history of {N_PLACES} items, {n_items:,} items; median (99th percentile)",
        value=median_us,
        shown=f"{median_us:.1f} ({p99_us:.1f}) µs",
        target=f"at most {MEDIAN_US:g} ({P99_US:,.0f}) µs",
        is_met=median_us <= MEDIAN_US and p99_us <= P99_US,
        details=found,
    )


def compiled(state: AllState) -> Mapping[str, float]:
    """As the learning pass asks for its samples: no Python in between, and the clock read inside."""
    model = state.model
    asked = _histories(state)
    spent_ns = np.zeros(len(asked), np.int64)
    lists, pool = allocate_lists(N_PLACES, quality.CUTOFF), logit.allocate_pool()
    now_ms = float(state.admission.watermark_ms or 0)
    for last in (100, len(asked)):  # the first ones compile
        _ask_each(
            model.ensemble, model.popularity, model.n_items, model.items.is_live, asked[:last], now_ms, pool, lists,
            spent_ns, np.zeros(2, np.int64),
        )  # fmt: skip
    return _told(spent_ns)


def by_reader(settings: Settings, state: AllState) -> Mapping[str, float]:
    """`recommend` of a reader that holds all that the state publishes."""
    reader = _reader(settings, state)
    model = state.model
    spent_ns = []
    for rows in _histories(state):
        history = [model.item_id(row).decode() for row in rows[::-1]]
        started_ns = time.thread_time_ns()
        listed = reader.recommend(history, quality.CUTOFF)
        spent_ns.append(time.thread_time_ns() - started_ns)
        if len(listed) != quality.CUTOFF:
            raise SystemExit(f"a reader recommends {len(listed)} items for {history}")
    told = _told(np.array(spent_ns[100:]))
    return {f"reader_{name}": value for name, value in told.items()}


@_njit(error_model="numpy", _nrt=False)  # type: ignore[untyped-decorator] # as a hot kernel; a clock can't be cached
def _ask_each(
    models: Ensemble,
    shares: PopularityArrays,
    n_live: int,
    is_live: UInt8Array,
    asked: Int32Array,
    now_ms: float,
    pool: Pool,
    lists: Lists,
    spent_ns: Int64Array,
    clock: Int64Array,
) -> None:
    """Recommend for each history; `clock` is working memory, (seconds, nanoseconds)."""
    for n in range(len(asked)):
        _clock_gettime(THREAD_CPU, clock.ctypes.data)
        start_s, start_ns = clock[0], clock[1]
        ensemble.recommend(models, shares, n_live, is_live, asked[n], len(asked[n]), 0, now_ms, True, pool, lists)
        _clock_gettime(THREAD_CPU, clock.ctypes.data)
        spent_ns[n] = (clock[0] - start_s) * 1_000_000_000 + clock[1] - start_ns


def _histories(state: AllState) -> Int32Array:
    """(n, N_PLACES) item rows, latest first, of users who have so many places."""
    model = state.model
    users = np.flatnonzero(model.histories.n_events >= N_PLACES)[:N_ASKED]
    if len(users) < N_ASKED:
        raise SystemExit(f"{len(users)} of {N_ASKED} users have a history of {N_PLACES} items")
    found = np.zeros((len(users), N_PLACES), np.int32)
    work = np.zeros(model.histories.items.shape[1], np.int32)
    for n, user in enumerate(users):
        histories.latest_first(model.histories, user, model.items.is_live, work)
        found[n] = work[:N_PLACES]
    return found


def _reader(settings: Settings, state: AllState) -> SnapshotReader:
    """It has read everything that the state has to publish, in one version."""
    whole = settings.model_copy(update={"publish": settings.publish.model_copy(update={"max_rows": 1_000_000})})
    cluster = new_cluster()
    output = FakeOutput(cluster)
    output.open()
    publisher = Publisher(whole, digest_of(whole), state.model, state.published, output, "bench")
    publisher.last_reserved = 1
    watermark_ms = state.admission.watermark_ms
    moment = Moment(time.time(), {0: 0}, watermark_ms, lambda: describe(state.model, watermark_ms, {}, {}))
    publisher.publish(publisher.cut(moment), moment, ())
    return read_all(cluster)


def _told(spent_ns: Int64Array) -> Mapping[str, float]:
    spent_us: Float64Array = spent_ns / 1_000
    return {"median_us": float(np.median(spent_us)), "p99_us": float(np.percentile(spent_us, 99))}
