"""Admitted batches become state: the learning pass, run over arrays that grow and are swept where it needs room."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from consumer.events.admission import AdmittedBatch
from consumer.learning import cases, daily_cap, drift, quality
from consumer.learning.drift import LOSSES, MORE_SAMPLES, NEXT, DriftPolicy
from consumer.learning.learning_pass import learn_events
from consumer.learning.pass_state import (
    DONE,
    NEEDS_ITEMS,
    NEEDS_STEP,
    NEEDS_TEXT,
    NEEDS_USERS,
    Columns,
    Limits,
    Pass,
    State,
    allocate_work,
)
from consumer.learning.rows import MIN_RETIRED, sweep
from consumer.messages import Int32Array
from consumer.models import neural_training
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.tables import Array


class Trainer:
    """Learns admitted batches into a `ModelState`.

    `before_recycling(rows)` is called with evicted item rows just before their numbers may be given to new items; until
    then `ModelState.item_id` still knows their ids.
    """

    def __init__(
        self, settings: Settings, model: ModelState, before_recycling: Callable[[Int32Array], None] = lambda rows: None
    ) -> None:
        self._model = model
        self._before_recycling = before_recycling
        self.quality = quality.allocate()
        self.cases = cases.allocate(settings.users.history)
        self.cap = daily_cap.allocate(settings.users.remembered_pairs)
        self.drift = drift.allocate(len(settings.models.popularity.half_lives_s))
        self.detectors = drift.allocate_detectors()
        self._work = allocate_work(settings.users.history)
        kinds = list(settings.input.event_types.values())
        self._weights = np.array([kind.weight for kind in kinds])
        self._enters_history = np.array([kind.history for kind in kinds], np.uint8)
        self._limits = Limits(
            max_items=settings.catalogue.max_items,
            item_ttl_ms=int(settings.catalogue.item_ttl_s * 1000),
            max_users=settings.users.max_users,
            user_ttl_ms=int(settings.users.user_ttl_s * 1000),
            session_gap_ms=int(settings.users.session_gap_s * 1000),
            sample_one_in=settings.evaluation.sample_one_in,
            sample_one_in_raised=max(1, settings.evaluation.sample_one_in // MORE_SAMPLES),
            most_a_day=settings.users.daily_item_weight * float(np.abs(self._weights).max()),
            topic_hash=np.uint64(0),
            drift=DriftPolicy(settings.drift.enabled, settings.drift.factor, float(settings.drift.events)),
        )

    def learn(self, batch: AdmittedBatch) -> None:
        """Learn every admitted event in order."""
        self.run(learn_events, batch, 0, len(batch.outcome))

    def run(self, events_pass: Pass, batch: AdmittedBatch, start: int, stop: int) -> None:
        """Send records start … stop - 1 of a batch through a pass; it goes on where it stopped once there is room."""
        limits = self._limits._replace(topic_hash=np.uint64(batch.events.topic_hash))
        columns = self._columns(batch)
        while start < stop:
            start, why = events_pass(self._state(), limits, columns, start, stop)
            if why != DONE:
                self._make_room(why, columns, start)

    @property
    def n_capped(self) -> int:
        """Events counted in part or not at all, since their user had weighed enough on their item that day."""
        return int(self.cap.n_capped[0])

    @property
    def n_alarms(self) -> Mapping[str, int]:
        """Drifts noticed so far, by loss."""
        return dict(zip(LOSSES, self.drift.n_alarms.tolist(), strict=True))

    @property
    def is_raised(self) -> Mapping[str, bool]:
        """By loss: whether the steps that it stands for are longer than usual, after an alarm."""
        return dict(zip(LOSSES, (self.drift.factor > 1.0).tolist(), strict=True))

    def small(self) -> Mapping[str, Array]:
        """The quality window, the sampled cases, the daily cap and what watches for drift, for checkpoints."""
        groups = {
            "quality": self.quality._asdict(),
            "cases": self.cases._asdict(),
            "daily_cap": self.cap._asdict(),
            "drift": self.drift._asdict(),
            "detectors": self.detectors._asdict(),
        }
        return {f"{group}.{name}": array for group, arrays in groups.items() for name, array in arrays.items()}

    def restore(self, small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint. The daily cap begins anew where the settings give it another size.

        Steps that are longer at the moment are so no more where the settings say that there are none.
        """
        for name, array in self.small().items():
            if name != "daily_cap.entries" or array.shape == small[name].shape:
                array[...] = small[name]
        if not self._limits.drift.is_on:
            self.drift.factor[:] = 1.0

    def _make_room(self, why: int, columns: Columns, event: int) -> None:
        model = self._model
        if why == NEEDS_ITEMS:
            most = self._limits.max_items + max(MIN_RETIRED, self._limits.max_items // 16) + 2
            model.grow_items(min(2 * len(model.items.touched), most))
        elif why == NEEDS_USERS:
            model.grow_users(min(2 * len(model.users.touched), self._limits.max_users))
        elif why == NEEDS_TEXT:
            model.widen_text(int(columns.item_length[event]))
        elif why == NEEDS_STEP:
            neural_training.take_step(
                model.neural, model.neural_moments, model.settings.models.neural, model.items.is_live,
                model.items.dirty, model.item_to_item, float(self.drift.factor[NEXT]),
            )  # fmt: skip
        else:
            self._before_recycling(model.retired_items().copy())
            sweep(self._state())

    def _state(self) -> State:
        model = self._model
        return State(
            model.items, model.text, model.users, model.histories, model.popularity,
            model.ensemble, self.quality, self._work, self.cases, self.cap,
            self.drift, self.detectors,
        )  # fmt: skip

    def _columns(self, batch: AdmittedBatch) -> Columns:
        events = batch.events
        kinds = np.clip(events.event_type, 0, len(self._weights) - 1)  # of what isn't admitted it may be anything
        return Columns(
            outcome=batch.outcome,
            watermark_ms=batch.watermark_ms,
            partitions=events.partitions,
            offsets=events.offsets,
            text=events.text,
            item_start=events.item_start,
            item_length=events.item_length,
            item_key=events.item_key,
            user_key=events.user_key,
            session_key=events.session_key,
            time_ms=events.event_time_ms,
            weight=self._weights[kinds],
            enters_history=self._enters_history[kinds],
            event_type=events.event_type,
            feature_start=events.feature_start,
            n_features=events.n_features,
            features=events.features,
        )
