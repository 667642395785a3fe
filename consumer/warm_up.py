"""Compiles every kernel of the worker's way (or loads it from the cache) before it says that it is ready."""

from __future__ import annotations

import json

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.checkpoints.loading import AllState
from consumer.events.admission import Admission
from consumer.events.codec import JsonCodec
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.learning.trainer import Trainer
from consumer.messages import RecordBatch
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import cut

_N_EVENTS = 300


def compile_kernels(settings: Settings) -> None:
    """Send a few events through decoding, admission, learning and the choice of rows, on a state thrown away after."""
    every = settings.model_copy(update={"evaluation": settings.evaluation.model_copy(update={"sample_one_in": 1})})
    codec = JsonCodec(settings.input)
    codec.compile()
    model = ModelState(every)
    state = AllState(
        Admission(settings.input),
        model,
        Trainer(every, model),
        DeadLetterBudget(settings.input.dead_letters),
        PublishedRows(),
    )
    events = codec.decode(_records(settings))
    state.budget.take(events)
    state.admission.late_candidates(events)
    state.trainer.learn(state.admission.admit(events))
    cut(1, model, state.published, settings.publish, 0.0, state.admission.watermark_ms)
    restored = ModelState(every)
    tables = {
        name: {array: values[: table.n_rows] for array, values in table.arrays.items()}
        for name, table in model.tables().items()
    }
    restored.restore(tables, model.small())
    restored.grow_items(2 * len(model.items.touched))
    restored.find_item((0, 0))


def _records(settings: Settings) -> RecordBatch:
    """A few users walking through a few items."""
    names, kind = settings.input.fields, next(iter(settings.input.event_types))
    start_s = 1_600_000_000
    values = []
    for n in range(_N_EVENTS):
        time_s = start_s + n
        time: object = {
            "rfc3339": np.datetime_as_string(np.datetime64(time_s, "s")) + "Z",
            "epoch_seconds": time_s,
            "epoch_milliseconds": time_s * 1000,
        }[settings.input.time_format]
        event = {
            names.user_id: f"user-{n % 7}",
            names.item_id: f"item-{n * n % 31}",
            names.event_type: kind,
            names.event_time: time,
        }
        values.append(json.dumps(event).encode())
    timestamps_ms = (start_s + np.arange(_N_EVENTS)) * 1000
    return RecordBatch(
        settings.input.topic,
        ByteColumn.of(values),
        np.zeros(_N_EVENTS, np.int32),
        np.arange(_N_EVENTS),
        timestamps_ms,
        (),
    )
