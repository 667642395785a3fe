"""Where cases come from: hypothesis draws them by their structure, atheris is led by the coverage of Python code, and
`change` makes small changes of good ones, hundreds at a time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import hypothesis
from hypothesis import HealthCheck, Phase

from tests.fuzz.target import Target

Try = Callable[[bytes], None]
"""Checks a case; raises what is wrong with it."""
ROUND: Final = 100


def draw(target: Target, attempt: Try, seed: int, seconds: float) -> None:
    """A case that is wrong is made smaller, and tried once more as such at last."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        seed += 1

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        )
        @hypothesis.given(target.cases())
        def one(case: bytes) -> None:
            attempt(case)

        one()


def change(target: Target, attempt: Try, seed: int, seconds: float) -> None:
    until_s, random = time.monotonic() + seconds, Random(seed)
    while time.monotonic() < until_s:
        case = target.changed(random)
        try:
            attempt(case)
        except Exception:
            for smaller in target.alone(case):
                attempt(smaller)
            raise


def explore(target: Target, attempt: Try, seed: int, seconds: float) -> None:
    """Ends the process."""
    import atheris  # not to be had everywhere

    folder = Path(tempfile.mkdtemp(prefix="freshrank-fuzz-"))
    for n, case in enumerate(target.seeds()):
        (folder / str(n)).write_bytes(case)
    options = {"seed": seed, "max_total_time": max(1, round(seconds)), "max_len": 4096, "rss_limit_mb": 4096}
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup(["fuzz", *arguments, f"-artifact_prefix={folder}/", "-verbosity=0", str(folder)], attempt)
    atheris.Fuzz()


ENGINES: Final[dict[str, Callable[[Target, Try, int, float], None]]] = {
    "hypothesis": draw,
    "atheris": explore,
    "change": change,
}
