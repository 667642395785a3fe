"""Puts the worker together; the only file that names concrete adapters."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from consumer import allocator, term
from consumer.adapters import Adapters
from consumer.checkpoints.local_store import LocalStore
from consumer.checkpoints.writer import WriterThread
from consumer.clock import SystemClock
from consumer.errors import Fenced, Retryable
from consumer.kafka.client_config import check_properties
from consumer.kafka.dead_letters import coordinates, dead_letter_record
from consumer.kafka.input import KafkaInput
from consumer.kafka.log import KafkaLog
from consumer.kafka.output import KafkaOutput
from consumer.kafka.topic_admin import TopicAdmin
from consumer.messages import EventBatch, RecordBatch
from consumer.read_ahead import SWITCH_INTERVAL_S, ReadAhead
from consumer.settings import Settings
from consumer.status.board import Board
from consumer.status.document import Stage
from consumer.status.identity import identity, instance_of
from consumer.telemetry.health import Health
from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from consumer.warm_up import load_kernels, require_packages
from consumer.worker import Ended

logger = logging.getLogger(__name__)

LEASE_WAIT_S = 0.2
RETRY_WAIT_S = 1.0


def run(
    settings: Settings,
    should_stop: Callable[[], bool],
    *,
    rebuild: bool = False,
    on_serving: Callable[[str], None] = lambda url: None,
) -> None:
    """Be a worker of the model: standby until the lease is won, then its writer, until told to stop. Raises Fatal.

    `on_serving` is told the address of its page and metrics as soon as they are served.
    """
    check_properties(settings)
    require_packages(settings)
    allocator.keep_small()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    clock = SystemClock()
    health = Health(clock)
    telemetry = PrometheusTelemetry(clock, health, codec="json")
    board = Board(identity(settings, clock.wall_s()), clock, telemetry.figures)
    server = TelemetryServer(settings.telemetry, telemetry.registry, health, board)
    logger.info("serving status and metrics", extra={"url": server.url})
    on_serving(server.url)
    try:
        # First, since it may end here.
        store = LocalStore(Path(settings.checkpoints.directory))
        store.require_writable()
        max_letter_bytes = TopicAdmin(settings).check_at_start()
        load_kernels(settings, should_stop)
        allocator.give_back()
        if should_stop():
            return
        source = KafkaInput(
            settings,
            clock=clock,
            on_rebalance=telemetry.rebalanced,
            on_lost=partial(telemetry.records_lost, settings.input.topic),
        )

        def still_alive() -> None:
            telemetry.loop_moved(clock.monotonic_s())

        output = KafkaOutput(settings, clock=clock, while_waiting=still_alive)
        log = KafkaLog(settings, clock=clock, while_waiting=still_alive)

        def new_reader(decode: Callable[[RecordBatch], EventBatch]) -> ReadAhead:
            return ReadAhead(source, decode, settings.batch.read_ahead)

        try:
            adapters = Adapters(
                clock=clock,
                source=source,
                output=output,
                log=log,
                store=store,
                telemetry=telemetry,
                board=board,
                new_writer=WriterThread,
                new_reader=new_reader,
                letter=partial(dead_letter_record, topic=settings.dead_letters_topic, max_bytes=max_letter_bytes),
                letter_coordinates=coordinates,
            )
            _serve_terms(settings, adapters, should_stop, rebuild=rebuild)
        finally:
            output.close()
            source.close()
            log.close()
    finally:
        server.stop()


def _serve_terms(settings: Settings, adapters: Adapters, should_stop: Callable[[], bool], *, rebuild: bool) -> None:
    instance = instance_of(settings)
    reread = False
    logger.info("standing by", extra={"model": settings.model})
    adapters.board.stage(Stage.STANDBY)
    while _wait_for_lease(adapters, should_stop):
        try:
            ended = term.serve(settings, adapters, instance, should_stop, rebuild=rebuild, reread=reread)
        except (Retryable, Fenced) as error:
            logger.warning("taking over failed", extra={"why": str(error)})
            _wait(adapters, RETRY_WAIT_S)
        else:
            logger.info("term ended", extra={"why": ended.value})
            reread = ended is Ended.OUTPUT_REPLACED
            rebuild = False  # a rollback follows with the next term, at once
        finally:
            adapters.telemetry.ready(False)
            adapters.board.stage(Stage.STANDBY)


def _wait_for_lease(adapters: Adapters, should_stop: Callable[[], bool]) -> bool:
    """False if told to stop before."""
    while not should_stop():
        if adapters.source.has_lease():
            return True
        _wait(adapters, LEASE_WAIT_S)
    return False


def _wait(adapters: Adapters, seconds: float) -> None:
    """Nothing is assigned to be read: polling only keeps the membership, for so long."""
    adapters.source.poll(seconds)
    adapters.telemetry.loop_moved(adapters.clock.monotonic_s())
