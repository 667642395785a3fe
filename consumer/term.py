"""One term as the model's writer: take over, then learn and publish until told to stop or the lease is lost.

All state is made afresh for each term: a standby holds none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from consumer.adapters import Adapters
from consumer.checkpoints.checkpointer import Checkpointer, CheckpointPolicy
from consumer.checkpoints.contents import digest_of
from consumer.checkpoints.erasures import drop_settled
from consumer.checkpoints.forgetting_kept import forget_everywhere
from consumer.checkpoints.loading import AllState
from consumer.durability import Durability
from consumer.events.admission import Admission
from consumer.events.codec import JsonCodec
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.forgetting import Forgetting
from consumer.intake import Intake
from consumer.learning.trainer import Trainer
from consumer.messages import Int32Array
from consumer.models.state import ModelState
from consumer.recovery import TakeOver
from consumer.rollbacks import HELD_TOO_LONG
from consumer.settings import Settings
from consumer.snapshots.gatekeeper import Gatekeeper
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.publisher import Publisher
from consumer.status.document import Stage
from consumer.worker import Ended, Worker

logger = logging.getLogger(__name__)


def new_state(settings: Settings) -> AllState:
    """Empty state, its parts joined."""
    model = ModelState(settings)
    published = PublishedRows.of(settings.models)

    def before_recycling(rows: Int32Array) -> None:
        published.depart(model, rows)
        published.lists.drop(model.items.is_live, published.dirty)

    return AllState(
        Admission(settings.input),
        model,
        Trainer(settings, model, before_recycling),
        DeadLetterBudget(settings.input.dead_letters),
        published,
    )


def serve(
    settings: Settings,
    adapters: Adapters,
    instance: str,
    should_stop: Callable[[], bool],
    *,
    rebuild: bool = False,
    reread: bool = False,
) -> Ended:
    """Be the writer. Holds the lease when called; `reread`: the row topics have to be read in full.

    Raises Fatal; Retryable or Fenced if taking over did not succeed.
    """
    adapters.board.stage(Stage.TAKING_OVER)
    state = new_state(settings)
    codec = JsonCodec(settings.input, keeps_features=settings.models.linear.enabled)
    publisher = Publisher(settings, digest_of(settings), state.model, state.published, adapters.output, instance)
    recovered, loaded = TakeOver(settings, adapters, state, publisher).run(rebuild=rebuild, reread=reread)
    intake = Intake(state.admission, state.budget, codec.explain, adapters.letter, recovered)
    saving = settings.checkpoints
    policy = CheckpointPolicy(saving.interval_s, saving.keep, anchor_s=saving.anchor_s)
    base = loaded.base if loaded else None
    forgetting = Forgetting(adapters.store, state, loaded.notes.forgotten if loaded else 0)
    forgetting.catch_up(recovered.positions)
    checkpointer = Checkpointer(
        adapters.store, policy, adapters.new_writer(), state.tables, state.small, base,
        after_saving=forgetting.after_saving(partial(forget_everywhere, adapters.store)),
    )  # fmt: skip
    gatekeeper = Gatekeeper(settings.publish, state.model, state.trainer.cases, state.published, state.gate)
    durability = Durability(
        settings, adapters, state, intake, publisher, gatekeeper, checkpointer, recovered, forgetting
    )
    try:
        durability.start()  # from here on a rollback that was asked for is done
        if recovered.rolled_back_by:
            adapters.telemetry.rolled_back("held" if recovered.rolled_back_by == HELD_TOO_LONG else "operator")
        if recovered.past.seen is not None and adapters.store.request() == recovered.past.seen:
            adapters.store.drop_request()
        drop_settled(adapters.store, {p: first for p, (first, _) in adapters.source.bounds().items()})
        adapters.source.start_reading(recovered.positions)
        logger.info(
            "taken over",
            extra={"model": settings.model, "epoch": publisher.epoch, "version": publisher.version, "checkpoint": base},
        )
        reader = adapters.new_reader(codec.decode)
        try:
            worker = Worker(settings, adapters, reader, state, intake, durability, forgetting)
            adapters.telemetry.ready(True)
            return worker.run(should_stop)
        finally:
            reader.close()
    finally:
        durability.close()
