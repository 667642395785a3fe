"""`freshrank demo`, as a process of its own."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Started
from tests.end_to_end.waiting import until

pytestmark = pytest.mark.timeout(400)  # where the kernels have to be compiled first

SECONDS = 8


def test_the_trend_arrives_and_all_ends_by_itself(started: Started, tmp_path: Path) -> None:
    with started("demo", "--seconds", SECONDS, "--rate", 1_000) as demo:
        assert demo.wait(300) == 0, (tmp_path / "stderr").read_text()
    out = (tmp_path / "stdout").read_text()
    assert (tmp_path / "stderr").read_text() == ""
    arrived = re.search(r"trending-lamp is in the published top 10, (\d+\.\d) s after its first event", out)
    assert arrived is not None, out
    assert float(arrived[1]) > 0
    assert "8,000 events learned" in out
    assert "Where to go next" in out
    assert "\x1b" not in out


def test_an_interrupt_ends_it_early_and_leaves_nothing_behind(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    with started("demo", "--seconds", 600) as demo:
        until(
            lambda: "events a second for 600 s begin" in (tmp_path / "stdout").read_text(), "the stream to begin", 300
        )
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
    assert list((tmp_path / "temporary").iterdir()) == []
    assert "Traceback" not in (tmp_path / "stderr").read_text()
