"""Puts a replay together: the adapters of `consumer.app` as far as a replay needs them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consumer.checkpoints.loading import AllState
from consumer.checkpoints.local_store import LocalStore
from consumer.checkpoints.lock import locked
from consumer.checkpoints.writer import WriterThread
from consumer.clock import SystemClock
from consumer.evaluation.evaluate import reads_standard_events
from consumer.events.codec import JsonCodec
from consumer.forgetting import Forgetting
from consumer.intake import Intake
from consumer.kafka.client_config import check_properties
from consumer.kafka.range_reader import KafkaRanges
from consumer.kafka.ranges import found_ranges, is_compacted
from consumer.messages import DeadLetter, OutputRecord
from consumer.read_ahead import SWITCH_INTERVAL_S, FetchAhead
from consumer.recovery import Recovered
from consumer.replay import beginning, ranges
from consumer.replay.files import (
    FILES_TOPIC,
    FileInput,
    FileMark,
    FilePartitions,
    require_unchanged,
    survey,
)
from consumer.replay.merged_reader import MergedReader
from consumer.replay.pace import Pace
from consumer.replay.partitions import Partitions
from consumer.replay.plan import ReplayPlan, replay_settings
from consumer.replay.ranges import AskedRange, FoundRange
from consumer.replay.replayer import OnProgress, Replayed, Replayer
from consumer.replay.saving import ReplayCheckpoints
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.status.board import Board
from consumer.status.identity import identity
from consumer.status.reporter import StatusReporter
from consumer.telemetry.health import Health
from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from consumer.term import new_state
from consumer.warm_up import load_kernels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """`words` say the range as it was asked for; who goes on with a replay has to ask for the same. With `files` these
    are read instead of a topic."""

    name: str
    asked: AskedRange
    words: str
    topic: str | None = None
    """Default: the live input."""
    files: FileInput | None = None
    records_per_s: float | None = None
    is_restart: bool = False
    metrics_port: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """What a replay would read."""

    topic: str
    found: Sequence[FoundRange]
    names: Sequence[str]
    """Of the partitions: their numbers, or the files' names."""
    remarks: Sequence[str]
    files: Sequence[FileMark] = ()


def look(settings: Settings, request: ReplayRequest) -> Overview:
    """Ask the brokers for a record or two of each partition, or read the files through; learns nothing. Raises
    BadRequest where there is nothing to replay."""
    settings = _settings_of(settings, request)
    ranges.require_sensible(request.asked)
    return _look_at_topic(settings, request) if request.files is None else _look_at_files(request.files)


def _settings_of(live: Settings, request: ReplayRequest) -> Settings:
    settings = replay_settings(live, request.name, request.topic if request.files is None else FILES_TOPIC)
    check_properties(settings)
    return settings if request.files is None else reads_standard_events(settings)


def _look_at_files(files: FileInput) -> Overview:
    surveys = survey(files)
    found = [one.found for one in surveys]
    said = ranges.remarks("files", AskedRange(), found, is_compacted=False)
    return Overview("files", found, [str(place) for place in files.places], said, [one.mark for one in surveys])


def _look_at_topic(settings: Settings, request: ReplayRequest) -> Overview:
    topic = settings.input.topic
    found = found_ranges(settings, request.asked)
    ranges.require_something(topic, request.asked, found)
    said = ranges.remarks(topic, request.asked, found, is_compacted=is_compacted(settings))
    return Overview(topic, found, [str(one.partition) for one in found], said)


def replay(
    live: Settings,
    request: ReplayRequest,
    should_stop: Callable[[], bool],
    *,
    on_remark: Callable[[str], None] = lambda text: None,
    on_progress: OnProgress = lambda progress: None,
) -> Replayed:
    """Learn the range into checkpoints of the replay's own, or go on with it. Raises Fatal."""
    settings = _settings_of(live, request)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    directory = Path(settings.checkpoints.directory)

    def new_plan() -> ReplayPlan:
        seen = look(live, request)
        for text in seen.remarks:
            on_remark(text)
        return ReplayPlan(
            topic=settings.input.topic,
            ranges={one.partition: (one.start, one.end) for one in seen.found},
            asked=request.words,
            begun_at=formats.timestamp(SystemClock().wall_s()),
            files=list(seen.files),
        )

    with locked(directory, request.name):
        store = LocalStore(directory)
        if request.is_restart:
            beginning.forget(settings, store)
        state = new_state(settings)
        begun = beginning.begin(settings, store, state, request.words, new_plan)
        return ReplayProcess(settings, live, request).run(begun, store, state, should_stop, on_progress)


class ReplayProcess:
    """What lives as long as one process of a replay."""

    def __init__(self, settings: Settings, live: Settings, request: ReplayRequest) -> None:
        self._settings = settings
        self._live = live
        self._request = request
        self._clock = SystemClock()
        health = Health(self._clock)
        self._telemetry = PrometheusTelemetry(self._clock, health, codec="json")
        address = settings.telemetry.model_copy(update={"port": request.metrics_port})
        self._board = Board(identity(settings, self._clock.wall_s()), self._clock, self._telemetry.figures)
        self._server = TelemetryServer(address, self._telemetry.registry, health, self._board)
        logger.info("serving status and metrics", extra={"url": self._server.url})

    def run(
        self,
        begun: beginning.Begun,
        store: LocalStore,
        state: AllState,
        should_stop: Callable[[], bool],
        on_progress: OnProgress,
    ) -> Replayed:
        settings, clock, telemetry = self._settings, self._clock, self._telemetry
        try:
            load_kernels(settings, should_stop)
            codec = JsonCodec(settings.input, keeps_features=settings.models.linear.enabled)
            intake = Intake(state.admission, state.budget, codec.explain, _unwritten, _from(begun))
            pace = Pace(self._request.records_per_s, clock.monotonic_s())
            partitions = self._partitions(begun)
            merged = MergedReader(partitions, codec.decode, pace.batch_of(settings.batch.max_events))
            reader = FetchAhead(merged.next, settings.batch.read_ahead)
            ledger = LocalStore(Path(self._live.checkpoints.directory))
            is_live_input = settings.input.topic == self._live.input.topic
            forgetting = Forgetting(ledger, state, begun.forgotten, by_time=not is_live_input)
            forgetting.catch_up(begun.positions)
            checkpoints = ReplayCheckpoints(
                settings,
                store,
                WriterThread(),
                state,
                intake,
                clock,
                telemetry,
                self._board,
                begun.base,
                forgetting,
                ledger,
            )
            try:
                status = StatusReporter(self._board, clock, begun.plan.topic, state, state.model.scores)
                replayer = Replayer(
                    begun.plan,
                    reader,
                    state,
                    intake,
                    checkpoints,
                    forgetting,
                    clock,
                    telemetry,
                    status,
                    pace,
                    on_progress,
                )
                telemetry.ready(True)
                return replayer.run(should_stop)
            finally:
                reader.close()
                partitions.close()
                checkpoints.close()
        finally:
            self._server.stop()

    def _partitions(self, begun: beginning.Begun) -> Partitions:
        left, files = begun.plan.ranges_from(begun.positions), self._request.files
        if files is None:
            return KafkaRanges(self._settings, left)
        require_unchanged(begun.plan.files, files)
        return FilePartitions(files, left)


def _from(begun: beginning.Begun) -> Recovered:
    return Recovered(dict(begun.positions), {}, set(), {})


def _unwritten(letter: DeadLetter) -> OutputRecord:
    """A replay writes no dead letters: the live worker has written them, or will. They are counted all the same."""
    return OutputRecord("", letter.record.key, letter.record.value)
