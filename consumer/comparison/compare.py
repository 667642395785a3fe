"""Reads one stretch of the live input twice, once for each model, and puts the results side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from consumer.comparison.agreement import Agreement, agreement_of
from consumer.comparison.calibration import Calibration, ScoreTally
from consumer.comparison.compared import Compared
from consumer.comparison.examinee import Examinee
from consumer.comparison.paired import PairedFigures, paired_figures
from consumer.errors import Fatal
from consumer.events.codec import JsonCodec
from consumer.kafka.range_reader import KafkaRanges
from consumer.kafka.starting_points import end_of_input
from consumer.messages import Decoded, Positions
from consumer.replay.merged_reader import EndOfRange, MergedReader
from consumer.settings import Settings

LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where both models have learned everything before, to an end captured now."""

    begins: Positions
    ends: Positions

    @property
    def n_offsets(self) -> int:
        return sum(end - self.begins[p] for p, end in self.ends.items())


@dataclass(frozen=True, slots=True)
class Comparison:
    stretch: Stretch
    figures: PairedFigures
    calibrations: tuple[Calibration, Calibration]
    agreement: Agreement


def common_stretch(
    live: Settings,
    models: tuple[Compared, Compared],
    n_records: int,
    most: int,
    should_stop: Callable[[], bool],
    on_waiting: Callable[[int], None] = lambda n_more: None,
) -> Stretch:
    """Waits until so many records lie behind what both have learned; takes at most `most` of them. Raises Fatal if told
    to stop before."""
    while True:
        ends = end_of_input(live)
        begins = {p: min(end, max(m.notes.input_positions.get(p, 0) for m in models)) for p, end in ends.items()}
        n = sum(end - begins[p] for p, end in ends.items())
        if n >= n_records:
            share = min(1.0, most / n) if n else 1.0
            return Stretch(begins, {p: begins[p] + round(share * (end - begins[p])) for p, end in ends.items()})
        if should_stop():
            raise Fatal(f"only {n} records came in behind what both models have learned")
        on_waiting(n_records - n)
        time.sleep(LOOK_EVERY_S)


def compare(models: tuple[Compared, Compared], stretch: Stretch, n_top: int) -> Comparison:
    """Both learn the stretch; their states are those behind it afterwards."""
    examined = [_examined(model, stretch) for model in models]
    (first, calibration), (second, other_calibration) = examined
    return Comparison(
        stretch=stretch,
        figures=paired_figures(first.answers(), second.answers()),
        calibrations=(calibration, other_calibration),
        agreement=agreement_of(models[0].state.model, models[1].state.model, n_top),
    )


def _examined(model: Compared, stretch: Stretch) -> tuple[Examinee, Calibration]:
    """First what lies before the stretch, then the stretch itself."""
    examinee, begins = Examinee(model, stretch.begins), stretch.begins
    before = {p: (min(model.notes.input_positions.get(p, 0), begin), begin) for p, begin in begins.items()}
    _read(model, before, lambda decoded: examinee.take(decoded))
    tally = ScoreTally(model.state.model, model.settings)

    def take(decoded: Decoded) -> None:
        batch = examinee.take(decoded)
        tally.take(batch, examinee.is_of_stretch(batch))

    _read(model, {p: (begin, stretch.ends[p]) for p, begin in begins.items()}, take)
    return examinee, tally.result()


def _read(model: Compared, ranges: Mapping[int, tuple[int, int]], take: Callable[[Decoded], object]) -> None:
    if all(start == end for start, end in ranges.values()):
        return
    partitions = KafkaRanges(model.settings, ranges)
    codec = JsonCodec(model.settings.input, keeps_features=model.settings.models.linear.enabled)
    reader = MergedReader(partitions, codec.decode, model.settings.batch.max_events)
    try:
        while True:
            decoded = reader.next()
            if decoded is not None:
                take(decoded)
    except EndOfRange:
        return
    finally:
        partitions.close()
