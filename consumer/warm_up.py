"""Compiles every kernel of the worker's way (or loads it from the cache) before it says that it is ready."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from consumer import gradient_step, kernels, model_report
from consumer.byte_column import ByteColumn
from consumer.checkpoints.loading import AllState
from consumer.events.admission import Admission
from consumer.events.codec import JsonCodec
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.learning.trainer import Trainer
from consumer.messages import Int32Array, RecordBatch
from consumer.models import neural_training
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.snapshots.gatekeeper import Gatekeeper
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import confirm, cut

logger = logging.getLogger(__name__)

_LOOK_FOR_STOP_S = 0.2
_VERSIONS = (0, 1, 300, 600)
"""Events before each version. The first one is of one item: numpy calls a column with one row contiguous, and numba
compiles for that once more."""
_N_ITEMS = 331  # a prime; squares meet half of them


def load_kernels(settings: Settings, should_stop: Callable[[], bool]) -> None:
    """Compiled kernels, from the cache; where they aren't there, a process that ends puts them there, since what the
    compiler takes, most of a gigabyte, it keeps. A stop doesn't wait for it. Raises Fatal where a member is on whose
    packages are missing."""
    require_packages(settings)
    way = way_of(settings)
    if not kernels.is_compiled(way):
        logger.info("compiling the kernels for the first time on this machine: a minute or two")
        compiler = multiprocessing.get_context("spawn").Process(target=compile_kernels, args=(settings,), daemon=True)
        compiler.start()
        while compiler.exitcode is None and not should_stop():
            compiler.join(_LOOK_FOR_STOP_S)
        compiler.terminate()
        compiler.join()
    if not should_stop():
        compile_kernels(settings)
        kernels.note_compiled(way)


def require_packages(settings: Settings) -> None:
    """Raise Fatal where a member is on whose packages are missing."""
    if settings.models.neural.enabled:
        gradient_step.require()


def way_of(settings: Settings) -> str:
    """Workers of the same way call the same kernels with the same types."""
    members_on = [member for member, is_on in settings.models.further.items() if is_on]
    return "-".join(["worker", settings.input.time_format, *members_on])


def compile_kernels(settings: Settings) -> None:
    """Send a few events through decoding, admission, learning, eviction, three versions, the gate and a restart.

    The state is thrown away after."""
    every = _hurried(settings)
    codec = JsonCodec(settings.input, keeps_features=settings.models.linear.enabled)
    codec.compile()
    model, published = ModelState(every), PublishedRows.of(every.models)

    def before_recycling(rows: Int32Array) -> None:
        published.depart(model, rows)
        published.lists.drop(model.items.is_live, published.dirty)

    trainer = Trainer(every, model, before_recycling)
    state = AllState(
        Admission(settings.input), model, trainer, DeadLetterBudget(settings.input.dead_letters), published
    )
    for first, end in pairwise(_VERSIONS):
        events = codec.decode(_records(settings, range(first, end)))
        state.budget.take(events)
        state.admission.late_candidates(events)
        trainer.learn(state.admission.admit(events))
        _publish(every, state)
    if settings.models.neural.enabled:
        neural_training.compile_step(settings.models.neural)
    model_report.learning_rates(model, trainer)
    restored = ModelState(every)
    tables = {
        name: {array: values[: table.n_rows] for array, values in table.arrays.items()}
        for name, table in model.tables().items()
    }
    restored.restore(tables, model.small())
    restored.grow_items(2 * len(model.items.touched))
    restored.find_item((0, 0))
    window = state.admission.table()
    copied = {name: array[: window.n_rows].copy() for name, array in window.arrays.items()}
    Admission(settings.input).restore(copied, state.admission.small())


def _hurried(settings: Settings) -> Settings:
    """These settings with every event sampled, and room for few items, so that some are evicted."""
    return settings.model_copy(
        update={
            "evaluation": settings.evaluation.model_copy(update={"sample_one_in": 1}),
            "catalogue": settings.catalogue.model_copy(update={"max_items": _N_ITEMS // 4}),
        }
    )


def _publish(settings: Settings, state: AllState) -> None:
    """A version, as if it had gone out."""
    watermark_ms = state.admission.watermark_ms
    gatekeeper = Gatekeeper(settings.publish, state.model, state.trainer.cases, state.published, state.gate)
    version = cut(1, state.model, state.published, settings.publish, 0.0, watermark_ms)
    gatekeeper.judge(version, watermark_ms, is_live=True)
    confirm(version, state.model, state.published)
    gatekeeper.published(version, watermark_ms, is_live=True)


def _records(settings: Settings, numbers: range) -> RecordBatch:
    """A few users walking through some items."""
    names, kind = settings.input.fields, next(iter(settings.input.event_types))
    start_s = 1_600_000_000
    values = []
    for n in numbers:
        time_s = start_s + n
        time: object = {
            "rfc3339": np.datetime_as_string(np.datetime64(time_s, "s")) + "Z",
            "epoch_seconds": time_s,
            "epoch_milliseconds": time_s * 1000,
        }[settings.input.time_format]
        event = {
            names.user_id: f"user-{n % 7}",
            names.item_id: f"item-{n * n % _N_ITEMS}",
            names.event_type: kind,
            names.event_time: time,
        }
        values.append(json.dumps(event).encode())
    timestamps_ms = (start_s + np.array(numbers)) * 1000
    return RecordBatch(
        settings.input.topic,
        ByteColumn.of(values),
        np.zeros(len(numbers), np.int32),
        np.array(numbers),
        timestamps_ms,
        (),
    )
