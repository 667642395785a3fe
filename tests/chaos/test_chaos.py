"""The quick faults of `make chaos`, once each, in one life of a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import LocalBroker
from tests.broker.sources import skip_or_fail
from tests.chaos import medium
from tests.chaos.faults import FAULTS
from tests.chaos.stretch import Stretch

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

QUICK = (
    "dies at: manifest written",
    "dies at: version committed",
    "dies at: checkpoint visible",
    "killed while it takes over",
    "broker killed",
    "newest checkpoint with a flipped bit",
    "paused within its session",
    "group deleted",
    "outputs made anew while it was stopped",
    "records lost before they were read",
    "replaced while it slept: checkpoint written",
)
ON_THE_DISK = ("disk full", "disk read-only", "disk full at the start")


@pytest.fixture
def stretch(own_kafka: LocalBroker, tmp_path: Path) -> Iterator[Stretch]:
    with Stretch(own_kafka, "quick", tmp_path, "quick") as stretch:
        yield stretch


def test_nothing_is_lost_and_nothing_doubled_whatever_dies(stretch: Stretch) -> None:
    for name in QUICK:
        FAULTS[name].do(stretch)
    stretch.recount()


def test_a_disk_that_takes_nothing_costs_no_event(own_kafka: LocalBroker, tmp_path: Path) -> None:
    if lacks := medium.lacks():
        skip_or_fail(f"a disk that can be filled up needs {lacks}", os.environ)
    with Stretch(own_kafka, "disk", tmp_path, "disk") as stretch:
        for name in ON_THE_DISK:
            FAULTS[name].do(stretch)
        stretch.recount()
