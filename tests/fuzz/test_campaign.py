"""A run notices what it is there for: wrong answers, crashes and hangs, each with the case that did it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import strategies as st

from tests.fuzz import campaign
from tests.fuzz.campaign import Report, Row, Stint
from tests.fuzz.engines import ENGINES
from tests.fuzz.hand import Hand
from tests.fuzz.target import SEPARATOR, Target

STINT = Stint("event codec", "change", 1.0)
CHILD = """
import os, signal, sys, time
from pathlib import Path
from tests.fuzz.hand import Hand
file = Path(sys.argv[1]); hand = Hand(file)
hand.take(b"harmless"); hand.done(3)
file.with_suffix(".ready").touch()
hand.take(b"the case")
"""


class NoSeven(Target):
    """Fails for inputs with a 7."""

    def check(self, case: bytes) -> int:
        assert b"7" not in case, case
        return 1

    def cases(self) -> st.SearchStrategy[bytes]:
        return st.integers(0, 10**6).map(lambda n: b"%d" % n)

    def seeds(self) -> Sequence[bytes]:
        return [b"1"]

    def changed(self, random: Random) -> bytes:
        return SEPARATOR.join(b"%d" % random.randrange(1_000) for _ in range(20))

    def alone(self, case: bytes) -> Sequence[bytes]:
        return case.split(SEPARATOR)


@pytest.mark.parametrize("engine", ["hypothesis", "change"])
def test_an_engine_ends_at_a_wrong_answer_with_a_small_case_of_it(engine: str) -> None:
    target, tried = NoSeven(), [b""]

    def attempt(case: bytes) -> None:
        tried.append(case)
        target.check(case)

    with pytest.raises(AssertionError):
        ENGINES[engine](target, attempt, 1, 60.0)
    assert b"7" in tried[-1]
    assert len(tried[-1]) <= 3  # one input


def worked(tmp_path: Path, ending: str) -> Row:
    def command(_stint: Stint, _seed: int, _seconds: float, hand: Path) -> Sequence[str]:
        return [sys.executable, "-c", CHILD + ending, str(hand)]

    return campaign.worked(STINT, 1, 5.0, tmp_path, command)


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed by SIGSEGV"),
        ("os._exit(3)", "ended with 3"),
        (
            "file.with_suffix('.why').write_text('E: no'); hand.done(1, is_found=True)",
            "E: no",
        ),
    ],
)
def test_a_crash_and_a_wrong_answer_are_told_with_their_case(tmp_path: Path, ending: str, why: str) -> None:
    row = worked(tmp_path, ending)
    assert row.why.startswith(why)
    assert [Path(file).read_bytes() for file in row.found] == [b"the case"]
    assert Path(row.found[0]).parent == tmp_path / "event-codec"


def test_a_hang_is_ended_and_told_with_its_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "HANGING_S", 1.0)
    row = worked(tmp_path, "time.sleep(600)")
    assert row.why.startswith("hangs")
    assert [Path(file).read_bytes() for file in row.found] == [b"the case"]


def test_inputs_are_counted_of_cases_that_were_done(tmp_path: Path) -> None:
    row = worked(tmp_path, "hand.done(5)")
    assert (row.n_inputs, row.found, row.why) == (8, [], "")


def test_a_report_adds_up(tmp_path: Path) -> None:
    good, bad = Row("a", "change", 5, 1.0), Row("b", "change", 7, 1.0, ["file"], "why")
    report = Report(1, [good, bad], 2.0)
    assert (report.n_inputs, report.n_found, report.has_failed) == (12, 1, True)
    assert not Report(1, [good], 2.0).has_failed
    report.write(tmp_path / "build" / "fuzz.json")
    assert '"inputs": 12' in (tmp_path / "build" / "fuzz.json").read_text()


def test_the_hand_keeps_what_was_taken_last(tmp_path: Path) -> None:
    hand = Hand(tmp_path / "hand")
    hand.take(b"a long case")
    hand.done(2)
    hand.take(b"short")
    other = Hand(tmp_path / "hand")
    assert (other.case, other.n_cases, other.n_inputs, other.n_found) == (b"short", 2, 2, 0)
