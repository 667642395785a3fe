"""Cases that once did harm, and those that are like them, do none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from tests.fuzz.campaign import CORPUS
from tests.fuzz.target import Target
from tests.fuzz.targets import NAMES, target_of

FILES = sorted(file for file in CORPUS.rglob("*") if file.is_file())


@cache
def target(name: str) -> Target:
    return target_of(name)


def test_every_target_has_cases() -> None:
    assert {file.parent.name for file in FILES} == {name.replace(" ", "-") for name in NAMES}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_it_does_no_harm(file: Path) -> None:
    assert target(file.parent.name.replace("-", " ")).check(file.read_bytes()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_well_is_taken_as_that(name: str) -> None:
    for case in target(name).seeds():
        assert target(name).check(case) > 0
